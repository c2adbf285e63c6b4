//! `token-sync`, the init step: makes the runtime's `openclaw.json` agree with the pod's Secrets.
//!
//! OpenClaw takes the gateway token in its file before the one in its environment. So a file that
//! lies in a volume with an old token would lock the sidecar out, silently. The file is the user's:
//! token-sync changes the few values that are the platform's and keeps every other byte.
//!
//! - `gateway.auth.token` becomes the trimmed `OPENCLAW_GATEWAY_TOKEN`; `gateway.remote.token` too,
//!   where it is there. With `--gateway-auth trusted-proxy` that block is written instead; with
//!   `none` the gateway is left alone.
//! - `gateway.bind` becomes `loopback`: the sidecar is the only way in. In a container OpenClaw would
//!   otherwise listen on every address.
//! - The seed's `gateway.controlUi.allowedOrigins` are added to the file's, unless mode is `none`.
//! - `models.providers.newapi.baseUrl` becomes the normalised `NEWAPI_BASE_URL`, as long as the
//!   block's address or key still refers to the platform's variables. Other providers are not read.
//!
//! Nothing that is printed holds a secret.

mod disk;
mod failure;
mod json5;
mod origins;
mod plan;
#[cfg(test)]
mod plan_tests;
mod wanted;

use std::{
    env,
    error::Error,
    path::{Path, PathBuf},
    process::ExitCode,
};

use contract::UserId;

use self::{
    failure::{Exit, Failure},
    origins::Origins,
    plan::{Effect, Plan},
    wanted::Wanted,
};
use crate::gateway_auth::GatewayAuth;

/// Makes the runtime's openclaw.json agree with the pod's Secrets.
///
/// Seeds the file where it is absent, writes the gateway token (from OPENCLAW_GATEWAY_TOKEN), the
/// address that it listens on, NewAPI's address (from NEWAPI_BASE_URL) and the seed's allowed origins
/// into it, and keeps every other byte: comments, order, formatting. A file that agrees already is not
/// touched.
#[derive(Debug, clap::Args)]
#[command(after_long_help = Exit::table())]
pub struct Args {
    /// The runtime's openclaw.json.
    #[arg(long, env = "OPENCLAW_CONFIG_PATH", value_name = "PATH")]
    config: PathBuf,
    /// What the file is made from where it is absent or empty.
    #[arg(long, env = "OPENCLAW_SEED_PATH", value_name = "PATH")]
    seed: Option<PathBuf>,
    /// What to do with a file that is there and cannot be used: not JSON5, or no configuration.
    #[arg(long, env = "BROKEN_CONFIG", value_enum, value_name = "WHAT", default_value_t = BrokenConfig::Refuse)]
    broken_config: BrokenConfig,
    /// How the sidecar presents itself to the runtime.
    #[arg(long, env = "GATEWAY_AUTH", value_enum, value_name = "MODE", default_value_t = GatewayAuth::Token)]
    gateway_auth: GatewayAuth,
    /// Whose pod this is. Needed for trusted-proxy: nobody else gets in.
    #[arg(
        long,
        env = "POD_USER",
        value_name = "UUID",
        required_if_eq("gateway_auth", "trusted-proxy")
    )]
    user: Option<UserId>,
}

/// What becomes of a file that cannot be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum BrokenConfig {
    /// Leave it, and do not let the pod start
    Refuse,
    /// Keep it aside as FILE.kept, and make a new one from the seed
    Reseed,
}

/// What was done, in words.
struct Report(Vec<String>);

/// Runs the init step. Prints what it did on stdout, or what hindered it on stderr.
#[must_use]
pub fn run(args: Args) -> ExitCode {
    match sync(&args) {
        Ok(Report(lines)) => {
            for line in lines {
                say(&mut std::io::stdout(), &line);
            }
            ExitCode::SUCCESS
        }
        Err(failure) => {
            let cause = failure.source().map(|cause| format!(": {cause}")).unwrap_or_default();
            say(&mut std::io::stderr(), &format!("error: {failure}{cause}"));
            ExitCode::from(failure.exit() as u8)
        }
    }
}

/// What nobody reads any more need not be said: a closed pipe is no reason to fail.
fn say(stream: &mut impl std::io::Write, line: &str) {
    let _ = writeln!(stream, "{line}");
}

fn sync(args: &Args) -> Result<Report, Failure> {
    let wanted = Wanted::new(args, env::var_os)?;
    match from_own_file(args, &wanted) {
        Ok(Some(report)) => Ok(report),
        Ok(None) => from_seed(args, &wanted, None),
        Err(broken) if broken.is_about_text() => match args.broken_config {
            BrokenConfig::Refuse => Err(Failure::Broken { cause: Box::new(broken) }),
            BrokenConfig::Reseed => from_seed(args, &wanted, Some(broken)),
        },
        Err(failure) => Err(failure),
    }
}

/// Changes the file that is there, if one is.
fn from_own_file(args: &Args, wanted: &Wanted) -> Result<Option<Report>, Failure> {
    // An empty file holds nothing that could be kept, and OpenClaw does not start with it.
    let present = disk::read_config(&args.config)?.filter(|text| !text.trim().is_empty());
    let Some(before) = present else { return Ok(None) };
    let origins = Origins::of_seed(args.seed.as_deref());
    let plan = planned(&args.config, &before, wanted, &origins)?;
    let changed = plan.text != before;
    if changed {
        disk::replace(&args.config, &plan.text)?;
    }
    Ok(Some(Report(told(args, &plan, changed).into())))
}

/// Makes the file from the seed. One that is `broken` is kept aside; so is OpenClaw's `.bak`, which it
/// would take for the better one (the seed is shorter and lacks its `meta`) and put back, old token and
/// all (seen in 2026.9.6).
fn from_seed(args: &Args, wanted: &Wanted, broken: Option<Failure>) -> Result<Report, Failure> {
    let (seed, text) = seed(args)?;
    let plan = planned(&seed, &text, wanted, &Origins::of_text(&text))?;
    let backup = args.config.with_added_extension("bak");
    let own = broken.as_ref().map(|_| args.config.clone());
    let old: Vec<_> = own.into_iter().chain([backup]).collect();
    let kept = disk::replace_and_keep(&args.config, &plan.text, &old)?;
    let mut lines: Vec<_> = broken.iter().map(ToString::to_string).collect();
    let name = |(old, aside): &disk::Kept| format!("kept {} as {}", old.display(), aside.display());
    lines.extend(kept.iter().map(name));
    lines.push(format!("made {} from {}", args.config.display(), seed.display()));
    lines.extend(told(args, &plan, true));
    Ok(Report(lines))
}

/// What is to be written; `path` is where `text` comes from.
fn planned(path: &Path, text: &str, wanted: &Wanted, origins: &Origins) -> Result<Plan, Failure> {
    Plan::new(text, wanted, origins).map_err(|error| Failure::edit(path, error))
}

fn seed(args: &Args) -> Result<(PathBuf, String), Failure> {
    let config = || args.config.clone();
    let Some(seed) = args.seed.clone() else {
        return Err(Failure::Absent { config: config() });
    };
    match disk::read_seed(&seed)? {
        Some(text) => Ok((seed, text)),
        None => Err(Failure::SeedAbsent { config: config(), seed }),
    }
}

/// One line for each concern. The last one says whether the file is another now.
fn told(args: &Args, plan: &Plan, changed: bool) -> [String; 4] {
    let gateway = match args.gateway_auth {
        GatewayAuth::Token => "gateway token",
        GatewayAuth::TrustedProxy | GatewayAuth::None => "gateway auth",
    };
    let file = if changed { "file written" } else { "file unchanged" };
    [
        format!("allowed origins {}", in_words(plan.origins)),
        format!("gateway bind {}", in_words(plan.bind)),
        format!("NewAPI address {}", in_words(plan.newapi)),
        format!("{gateway} {}; {file}", in_words(plan.gateway)),
    ]
}

fn in_words(effect: Effect) -> String {
    match effect {
        Effect::Matches => "already matches".to_owned(),
        Effect::Written => "written".to_owned(),
        Effect::LeftAlone(reason) => format!("left alone ({reason})"),
    }
}
