//! `sidecar proxy`: verifies the user's token and forwards to the runtime on loopback.

mod desk;
mod gate;
mod metrics;

use std::{net::SocketAddr, sync::Arc, time::Duration};

use axum::Router;
use contract::{UserId, env, port};
use edge::{
    activity::Activity,
    admin,
    args::{DrainArgs, LimitArgs, LogArgs},
    oidc::{OidcArgs, Verifier},
    program::Failure,
    proxy::{CorsArgs, Upstream},
    readiness::Readiness,
    serve::{Limits, Listener, serve},
    sessions::Sessions,
    shutdown::Shutdown,
};
use prometheus_client::registry::Registry;

use self::{desk::Desk, gate::Gate, metrics::GateMetrics};
use crate::{
    gateway_auth::{Credentials, GatewayAuth},
    openclaw::Suspension,
    probe::{self, ProbeArgs},
};

/// Verify the user's token and forward to the runtime on loopback
#[derive(Clone, Debug, clap::Args)]
#[command(after_help = EXAMPLE)]
pub struct Args {
    /// Where users' requests come in: the pod's only way in
    #[arg(long, env = "LISTEN", value_name = "ADDRESS", default_value_t = any(port::SIDECAR_DATA))]
    listen: SocketAddr,

    /// Where the kubelet and Prometheus ask: /livez, /readyz, /metrics, /probe/KIND; and the
    /// spawner: /activity, /session, /sleep, /backchannel-logout
    #[arg(long, env = "ADMIN_LISTEN", value_name = "ADDRESS", default_value_t = any(port::SIDECAR_ADMIN))]
    admin_listen: SocketAddr,

    /// The runtime
    #[arg(long, env = "UPSTREAM", value_name = "URL", default_value_t = runtime())]
    upstream: String,

    /// The pod's user: nobody else's token passes
    #[arg(long, env = "USER_UUID", value_name = "UUID")]
    user: UserId,

    /// How the runtime is told that a request may pass
    #[arg(long, env = "GATEWAY_AUTH", value_name = "MODE", value_enum, default_value_t)]
    gateway_auth: GatewayAuth,

    /// How long open requests may go on after SIGTERM. A native sidecar gets it when the runtime is
    /// gone already, and then nothing stays open
    #[arg(long, env = "DRAIN_DEADLINE", value_name = "TIME", default_value = "20s", value_parser = humantime::parse_duration)]
    drain_deadline: Duration,

    /// How long a connection to the runtime may take
    #[arg(long, env = "UPSTREAM_CONNECT_TIMEOUT", value_name = "TIME", default_value = "1s", value_parser = humantime::parse_duration)]
    upstream_connect_timeout: Duration,

    /// How long the runtime may take until its answer begins; then 504. 0s is for ever: long polls
    /// and language models need their time
    #[arg(long, env = "UPSTREAM_RESPONSE_TIMEOUT", value_name = "TIME", default_value = "0s", value_parser = humantime::parse_duration)]
    upstream_response_timeout: Duration,

    #[command(flatten)]
    cors: CorsArgs,
    #[command(flatten)]
    limits: LimitArgs,

    /// The client whose back-channel logouts end sessions: their `aud`. By default the audience
    #[arg(long, env = "OIDC_LOGOUT_CLIENT", value_name = "CLIENT", value_parser = clap::builder::NonEmptyStringValueParser::new())]
    logout_client: Option<String>,

    #[command(flatten)]
    oidc: OidcArgs,
    #[command(flatten)]
    probes: ProbeArgs,
    #[command(flatten)]
    pub(crate) log: LogArgs,
}

const EXAMPLE: &str = "\
Example:
  OPENCLAW_GATEWAY_TOKEN=... sidecar proxy --user 11111111-2222-4333-8444-555555555555 \\
    --issuer https://keycloak.example/realms/acme --audience openclaw \\
    --probe readiness=http://:18789/readyz";

/// Connections at once. One user's browsers and programs; each costs about 20 KB.
const MAX_CONNECTIONS: usize = 1024;

/// A proxy whose ports are bound, and which is ready to serve.
#[derive(Debug)]
pub struct Proxy {
    data: Listener,
    admin: Listener,
    data_router: Router,
    admin_router: Router,
    limits: Limits,
}

impl Proxy {
    /// Checks everything that can be checked, then binds. Must be called within the async runtime.
    ///
    /// `gateway_token` is the value of `OPENCLAW_GATEWAY_TOKEN`.
    ///
    /// # Errors
    /// What cannot be used, by flag or variable; or which address cannot be bound.
    pub async fn bind(
        args: Args,
        gateway_token: Option<&str>,
        shutdown: &Shutdown,
    ) -> Result<Self, Failure> {
        let (listen, admin_listen) = (args.listen, args.admin_listen);
        let limits = args.limits.clone().over(own_limits(args.drain_deadline));
        let (data_router, admin_router) = routers(args, gateway_token, &limits, shutdown)?;
        Ok(Self {
            data: Listener::bind(listen, "data").await.map_err(Failure::runtime)?,
            admin: Listener::bind(admin_listen, "admin").await.map_err(Failure::runtime)?,
            data_router,
            admin_router,
            limits,
        })
    }

    /// The bound data port.
    #[must_use]
    pub fn data_address(&self) -> SocketAddr {
        self.data.local_addr()
    }

    /// The bound admin port.
    #[must_use]
    pub fn admin_address(&self) -> SocketAddr {
        self.admin.local_addr()
    }

    /// Serves both ports until the drain is over.
    pub async fn serve(self, shutdown: Shutdown) {
        let Self { data, admin, data_router, admin_router, limits } = self;
        tokio::join!(
            serve(data, None, data_router, limits.clone(), shutdown.clone()),
            serve(admin, None, admin_router, Limits { access_log: false, ..limits }, shutdown),
        );
    }
}

impl Args {
    fn upstream(&self) -> Result<Upstream, Failure> {
        let upstream = Upstream::new(&self.upstream)
            .map_err(|error| Failure::Usage(format!("--upstream: {error}")))?;
        Ok(upstream.within(self.upstream_connect_timeout, self.upstream_response_timeout))
    }
}

/// What answers on the data port, and what on the admin port.
fn routers(
    args: Args,
    gateway_token: Option<&str>,
    limits: &Limits,
    shutdown: &Shutdown,
) -> Result<(Router, Router), Failure> {
    let upstream = args.upstream()?;
    let Args { user, gateway_auth, cors, logout_client, oidc, probes, .. } = args;
    let credentials =
        Credentials::new(gateway_auth, &user, gateway_token).map_err(Failure::config)?;
    let upstream = match credentials.first_message() {
        Some(decider) => upstream.opened_by(decider),
        None => upstream,
    };
    let probes = probes.probes().map_err(|error| Failure::Usage(error.to_string()))?;
    let readiness = Readiness::new();
    let verifier =
        Verifier::start(oidc, readiness.gate("keys"), shutdown.clone()).map_err(Failure::config)?;
    let sessions = Arc::new(Sessions::new(verifier.policy()));
    let (activity, metrics) = (Activity::default(), GateMetrics::default());
    let suspension =
        Arc::new(Suspension::of(upstream.clone(), credentials.token(), activity.clone()));

    let mut registry = Registry::default();
    verifier.register(&mut registry);
    metrics.register(&mut registry);
    limits.metrics.register(&mut registry);
    let desk = Desk {
        client: logout_client.unwrap_or_else(|| verifier.policy().audience.clone()),
        user: user.clone(),
        verifier: Arc::clone(&verifier),
        sessions: Arc::clone(&sessions),
        activity: activity.clone(),
        suspension: Arc::clone(&suspension),
        metrics: metrics.clone(),
    };
    let admin = admin::router(readiness, Arc::new(registry));
    let gate =
        Gate { verifier, user, sessions, activity, upstream, credentials, suspension, metrics };
    Ok((cors.around(gate.router()), admin.merge(probe::router(probes)).merge(desk.router())))
}

/// Runs the proxy until it is told to stop.
///
/// # Errors
/// See [`Proxy::bind`].
pub async fn run(args: Args, shutdown: Shutdown) -> Result<(), Failure> {
    let gateway_token = std::env::var(env::OPENCLAW_GATEWAY_TOKEN).ok();
    let proxy = Proxy::bind(args, gateway_token.as_deref(), &shutdown).await?;
    proxy.serve(shutdown).await;
    Ok(())
}

/// Nobody has to learn that this pod ends, because a pod has one user and the spawner watches it.
/// So there is no delay, and a process that is told to stop stops with its last request: as PID 1
/// of a native sidecar it would otherwise hold up the end of its pod.
fn own_limits(drain_deadline: Duration) -> Limits {
    Limits {
        max_connections: MAX_CONNECTIONS,
        max_requests: MAX_CONNECTIONS,
        drain: DrainArgs { drain_delay: Duration::ZERO, drain_deadline },
        ..Limits::default()
    }
}

fn any(port: u16) -> SocketAddr {
    SocketAddr::from(([0, 0, 0, 0], port))
}

fn runtime() -> String {
    format!("http://127.0.0.1:{}", port::RUNTIME)
}
