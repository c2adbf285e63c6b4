//! `serve`: from a checked configuration to two open ports.

use std::{net::SocketAddr, process::ExitCode, sync::Arc, time::Duration};

use contract::port;
use edge::{
    admin,
    args::{DrainArgs, LogArgs},
    program::{self, Failure, Threads},
    readiness::Readiness,
    serve::{Limits, Listener, serve},
    shutdown::Shutdown,
};

use super::{Ended, input::ConfigArgs};
use crate::{
    authority::{Authority, handshake},
    config::{Config, Tls},
    metrics,
    server::{self, App},
};

/// The API server keeps an unused connection for 90 s (`IdleConnTimeout` of client-go's transports)
/// and does not repeat an admission whose connection was closed under it: it must be the one to close.
const IDLE_TIMEOUT: Duration = Duration::from_secs(120);

#[derive(Debug, clap::Args)]
pub(super) struct ServeArgs {
    #[command(flatten)]
    config: ConfigArgs,
    /// Where AdmissionReviews are answered, over TLS
    #[arg(long, env = "LISTEN", default_value_t = any(port::WEBHOOK))]
    listen: SocketAddr,
    /// Where the kubelet and Prometheus ask, without TLS
    #[arg(long, env = "ADMIN_LISTEN", default_value_t = any(port::WEBHOOK_ADMIN))]
    admin_listen: SocketAddr,
    #[command(flatten)]
    log: LogArgs,
    #[command(flatten)]
    drain: DrainArgs,
}

fn any(port: u16) -> SocketAddr {
    SocketAddr::from(([0, 0, 0, 0], port))
}

pub(super) fn main(args: ServeArgs) -> ExitCode {
    let log = args.log.clone();
    program::run(Threads::Multi, &log, |shutdown| run(args, shutdown))
}

async fn run(args: ServeArgs, shutdown: Shutdown) -> Ended {
    let ServeArgs { config, listen, admin_listen, log: _, drain } = args;
    let watched = config.watch()?;
    let current = watched.current();
    let authority = Authority::prepare(tls(&current.load(), &config)?).await?;
    let listener = Listener::bind(listen, "admissions").await.map_err(Failure::runtime)?;
    let admin_listener = Listener::bind(admin_listen, "admin").await.map_err(Failure::runtime)?;
    tracing::info!(version = crate::VERSION, config = current.load().hash, "starting");

    let readiness = Readiness::new();
    let certificate = readiness.gate("certificate");
    let configuration = readiness.gate("config");
    let called = readiness.gate("handshake");
    let (metrics, registry) = metrics::registry();
    let limits = Limits { drain, idle_timeout: IDLE_TIMEOUT, ..Limits::default() };
    let admin = serve(
        admin_listener,
        None,
        admin::router(readiness, registry),
        limits.clone(),
        shutdown.clone(),
    );
    tokio::spawn(watched.follow(metrics.clone(), configuration, shutdown.clone()));
    let app = Arc::new(App::new(current, metrics.clone()));
    let admissions = async {
        let serving = authority.start(metrics, certificate, shutdown.clone()).await?;
        let address = listener.local_addr();
        tokio::spawn(handshake::follow(address, serving.trust, called, shutdown.clone()));
        let router = server::router(app);
        serve(listener, Some(serving.config), router, limits, shutdown.clone()).await;
        Ok(())
    };
    // The admin port tells why there is no certificate yet, and outlives the last admission.
    let admin = async {
        admin.await;
        Ok(())
    };
    tokio::try_join!(admissions, admin).map(|((), ())| ())
}

fn tls<'c>(checked: &'c Config, config: &ConfigArgs) -> Result<&'c Tls, Failure> {
    let missing = || Failure::Config(format!("{}: tls: is missing", config.config.display()));
    checked.tls.as_ref().ok_or_else(missing)
}
