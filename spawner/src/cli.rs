//! The command line: `spawner serve`, `render` and `check`. Every flag is an environment variable too.

use std::{net::SocketAddr, path::PathBuf, process::ExitCode, time::Duration};

use clap::Parser;
use contract::UserId;
use edge::{
    args::{DrainArgs, LimitArgs, LogArgs},
    oidc::{ClaimPath, OidcArgs},
    program::{Failure, Threads, report, run},
    proxy::CorsArgs,
};

use crate::{
    check::{CheckArgs, check},
    gateway::SharedGatewayArgs,
    login::LoginArgs,
    reap::SleepArgs,
    render::{Blueprint, GatewayScope, HomeNotMounted},
    serve::serve,
    servers::ServerLimitArgs,
    template::{Kind, Template, TemplateError},
};

/// The front door: creates a user's pod on demand, waits for it, and proxies to it.
#[derive(Debug, Parser)]
#[command(name = "spawner", version, about)]
pub struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, clap::Subcommand)]
enum Command {
    /// Serve users, until SIGTERM
    Serve(Box<ServeArgs>),
    /// Print what would be created for a user, as YAML
    Render(RenderArgs),
    /// Try an installation from within the cluster, as `helm test` does; keeps nothing
    Check(Box<CheckArgs>),
}

/// How to serve.
#[derive(Debug, clap::Args)]
pub struct ServeArgs {
    /// Where users come in
    #[arg(long, env = "LISTEN", default_value_t = any(contract::port::SPAWNER))]
    pub listen: SocketAddr,

    /// Where /livez, /readyz and /metrics are
    #[arg(long, env = "ADMIN_LISTEN", default_value_t = any(contract::port::SPAWNER_ADMIN))]
    pub admin_listen: SocketAddr,

    /// The namespace of the users' pods
    #[arg(long, env = "TENANT_NAMESPACE", value_name = "NAME")]
    pub namespace: String,

    /// The longest that a request waits for a start
    #[arg(long, env = "START_TIMEOUT", default_value = "120s", value_parser = humantime::parse_duration)]
    pub start_timeout: Duration,

    /// How many requests may wait for starts at once; more get 429
    #[arg(long, env = "MAX_HELD", default_value_t = 1000)]
    pub max_held: usize,

    /// The role whose holders may see and stop the servers of others, with a bearer token
    #[arg(long, env = "OPERATOR_ROLE", value_name = "ROLE", default_value = "openclaw-operator", value_parser = clap::builder::NonEmptyStringValueParser::new())]
    pub operator_role: String,

    /// The claim that lists roles, with dots between its members
    #[arg(long, env = "ROLES_CLAIM", value_name = "PATH", default_value = "realm_access.roles")]
    pub roles_claim: ClaimPath,

    /// How much may go on at once
    #[command(flatten)]
    pub server_limits: ServerLimitArgs,

    /// What is created for a user
    #[command(flatten)]
    pub templates: TemplateArgs,

    /// Which gateway token is made for all
    #[command(flatten)]
    pub shared_gateway: SharedGatewayArgs,

    /// What one replica gives to strangers
    #[command(flatten)]
    pub limits: LimitArgs,

    /// Which other pages may call
    #[command(flatten)]
    pub cors: CorsArgs,

    /// When workspaces sleep
    #[command(flatten)]
    pub sleep: SleepArgs,

    /// Who may come in
    #[command(flatten)]
    pub oidc: OidcArgs,

    /// How people sign in
    #[command(flatten)]
    pub login: LoginArgs,

    /// How the program stops
    #[command(flatten)]
    pub drain: DrainArgs,

    /// How the program logs
    #[command(flatten)]
    pub log: LogArgs,
}

/// What is created for a user.
#[derive(Debug, clap::Args)]
#[command(next_help_heading = "Templates")]
pub struct TemplateArgs {
    /// The pod, with ${USER_UUID} and ${SECRET_NAME}
    #[arg(long, env = "POD_TEMPLATE", value_name = "FILE")]
    template: PathBuf,

    /// The pod's NetworkPolicy, with ${USER_UUID}; without it none is made
    #[arg(long, env = "NETWORK_POLICY_TEMPLATE", value_name = "FILE")]
    network_policy_template: Option<PathBuf>,

    /// The claim for the user's home, with ${USER_UUID}, which the pod has to mount; without it none is
    /// made
    #[arg(long, env = "HOME_TEMPLATE", value_name = "FILE")]
    home_template: Option<PathBuf>,

    /// An image that users may choose for their runtime instead of the template's
    #[arg(long = "allowed-image", env = "ALLOWED_IMAGES", value_name = "IMAGE", value_delimiter = ',', value_parser = clap::builder::NonEmptyStringValueParser::new())]
    allowed_images: Vec<String>,

    /// Whose gateway token a pod gets
    #[arg(long, env = "GATEWAY_SCOPE", value_enum, default_value_t)]
    gateway_scope: GatewayScope,
}

#[derive(Debug, clap::Args)]
struct RenderArgs {
    #[command(flatten)]
    templates: TemplateArgs,

    /// The user
    #[arg(long, value_name = "UUID")]
    user: UserId,
}

/// Templates that cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum TemplatesError {
    /// One by itself.
    #[error(transparent)]
    One(#[from] TemplateError),
    /// Together.
    #[error("--template {}: {fault}", file.display())]
    Together {
        /// The pod's template.
        file: PathBuf,
        /// What is wrong.
        #[source]
        fault: HomeNotMounted,
    },
}

impl TemplateArgs {
    /// Whose gateway token a pod gets.
    #[must_use]
    pub fn gateway_scope(&self) -> GatewayScope {
        self.gateway_scope
    }

    /// Reads and checks the templates.
    pub fn blueprint(&self) -> Result<Blueprint, TemplatesError> {
        let Self {
            template: file,
            network_policy_template,
            home_template,
            allowed_images,
            gateway_scope,
        } = self;
        let read = |kind, path: &Option<PathBuf>| {
            path.as_deref().map(|path| Template::read(kind, path)).transpose()
        };
        let pod = Template::read(Kind::Pod, file)?;
        let policy = read(Kind::NetworkPolicy, network_policy_template)?;
        let mut blueprint = Blueprint::new(pod, policy, *gateway_scope);
        if let Some(home) = read(Kind::Home, home_template)? {
            let together = |fault| TemplatesError::Together { file: file.clone(), fault };
            blueprint = blueprint.with_home(home).map_err(together)?;
        }
        Ok(blueprint.with_images(allowed_images))
    }
}

impl Cli {
    /// Does what was asked for.
    pub fn run(self) -> ExitCode {
        match self.command {
            Command::Serve(args) => {
                let log = args.log.clone();
                run(Threads::Multi, &log, |shutdown| serve(*args, shutdown))
            }
            Command::Check(args) => {
                let log = args.log.clone();
                run(Threads::Single, &log, |_| check(*args))
            }
            Command::Render(args) => match render(&args) {
                Ok(()) => ExitCode::SUCCESS,
                Err(failure) => report(&failure),
            },
        }
    }
}

fn render(args: &RenderArgs) -> Result<(), Failure> {
    let blueprint = args.templates.blueprint().map_err(Failure::config)?;
    let objects = blueprint.render(&args.user).map_err(Failure::config)?;
    let yaml = objects.to_yaml().map_err(Failure::runtime)?;
    std::io::Write::write_all(&mut std::io::stdout(), yaml.as_bytes()).map_err(Failure::runtime)
}

fn any(port: u16) -> SocketAddr {
    (std::net::Ipv4Addr::UNSPECIFIED, port).into()
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    use super::Cli;

    #[test]
    fn the_command_line_is_consistent() {
        Cli::command().debug_assert();
    }
}
