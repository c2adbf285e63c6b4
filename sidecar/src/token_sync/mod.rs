//! `token-sync`, the init step: makes the runtime's `openclaw.json` agree with the pod's Secrets.
//!
//! OpenClaw takes the gateway token in its file before the one in its environment. So a file that
//! lies in a volume with an old token would lock the sidecar out, silently. The file is the user's:
//! token-sync changes the few values that are the platform's and keeps every other byte.
//!
//! - `gateway.auth.token` becomes the trimmed `OPENCLAW_GATEWAY_TOKEN`; `gateway.remote.token` too,
//!   where it is there. With `--gateway-auth trusted-proxy` that block is written instead; with
//!   `none` the gateway is left alone.
//! - `models.providers.newapi.baseUrl` becomes the normalised `NEWAPI_BASE_URL`, as long as the
//!   block's address or key still refers to the platform's variables. Other providers are not read.
//!
//! Nothing that is printed holds a secret.

mod disk;
mod failure;
mod json5;
mod plan;
#[cfg(test)]
mod plan_tests;
mod wanted;

use std::{env, error::Error, path::PathBuf, process::ExitCode};

use contract::UserId;

use self::{
    failure::{Exit, Failure},
    plan::{Effect, Plan},
    wanted::Wanted,
};
use crate::gateway_auth::GatewayAuth;

/// Makes the runtime's openclaw.json agree with the pod's Secrets.
///
/// Seeds the file where it is absent, writes the gateway token (from OPENCLAW_GATEWAY_TOKEN) and
/// NewAPI's address (from NEWAPI_BASE_URL) into it, and keeps every other byte: comments, order,
/// formatting. A file that agrees already is not touched.
#[derive(Debug, clap::Args)]
#[command(after_long_help = Exit::table())]
pub struct Args {
    /// The runtime's openclaw.json.
    #[arg(long, env = "OPENCLAW_CONFIG_PATH", value_name = "PATH")]
    config: PathBuf,
    /// What the file is made from where it is absent or empty.
    #[arg(long, env = "OPENCLAW_SEED_PATH", value_name = "PATH")]
    seed: Option<PathBuf>,
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
    // An empty file holds nothing that could be kept, and OpenClaw does not start with it.
    let present = disk::read_config(&args.config)?.filter(|text| !text.trim().is_empty());
    let (before, seed) = match present {
        Some(text) => (text, None),
        None => {
            let (text, seed) = seed(args)?;
            (text, Some(seed))
        }
    };
    let origin = seed.as_ref().unwrap_or(&args.config);
    let plan = Plan::new(&before, &wanted).map_err(|error| Failure::edit(origin, error))?;
    let changed = seed.is_some() || plan.text != before;
    if changed {
        disk::replace(&args.config, &plan.text)?;
    }
    let seeded = seed.map(|seed| format!("made {} from {}", args.config.display(), seed.display()));
    let newapi = format!("NewAPI address {}", in_words(plan.newapi));
    let gateway = match args.gateway_auth {
        GatewayAuth::Token => "gateway token",
        GatewayAuth::TrustedProxy | GatewayAuth::None => "gateway auth",
    };
    let file = if changed { "file written" } else { "file unchanged" };
    let gateway = format!("{gateway} {}; {file}", in_words(plan.gateway));
    Ok(Report(seeded.into_iter().chain([newapi, gateway]).collect()))
}

fn seed(args: &Args) -> Result<(String, PathBuf), Failure> {
    let config = || args.config.clone();
    let Some(seed) = args.seed.clone() else {
        return Err(Failure::Absent { config: config() });
    };
    match disk::read_seed(&seed)? {
        Some(text) => Ok((text, seed)),
        None => Err(Failure::SeedAbsent { config: config(), seed }),
    }
}

fn in_words(effect: Effect) -> String {
    match effect {
        Effect::Matches => "already matches".to_owned(),
        Effect::Written => "written".to_owned(),
        Effect::LeftAlone(reason) => format!("left alone ({reason})"),
    }
}
