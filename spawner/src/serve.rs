//! From flags to a running spawner. Whatever can be wrong is found before a port is bound.

use std::{future::Future, sync::Arc, time::Duration};

use edge::{
    admin,
    oidc::Verifier,
    program::Failure,
    proxy::Upstream,
    readiness::Readiness,
    serve::{Limits, Listener},
    shutdown::Shutdown,
};
use kube::{Client, Config};
use prometheus_client::registry::Registry;
use tokio::sync::Semaphore;

use crate::{
    app::{App, router},
    cli::ServeArgs,
    cluster::Cluster,
    metrics::{Metrics, PodStates},
    servers::Servers,
    watch::{Follow, Pods, follow},
};

/// How long a connection to the API server may take.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(3);

/// Serves until `shutdown` has drained.
pub(crate) async fn serve(args: ServeArgs, shutdown: Shutdown) -> Result<(), Failure> {
    let ServeArgs {
        listen,
        admin_listen,
        namespace,
        start_timeout,
        max_held,
        templates,
        oidc,
        drain,
        log: _,
    } = args;
    let blueprint = templates.blueprint().map_err(Failure::config)?;
    let mut config = Config::infer().await.map_err(Failure::config)?;
    config.connect_timeout = Some(CONNECT_TIMEOUT);
    let calls = Client::try_from(config.clone()).map_err(Failure::config)?;
    let watches = Client::try_from(config).map_err(Failure::config)?;

    let (readiness, pods, metrics) = (Readiness::new(), Pods::default(), Metrics::default());
    let verifier =
        Verifier::start(oidc, readiness.gate("keys"), shutdown.clone()).map_err(Failure::config)?;
    let mut registry = Registry::default();
    metrics.register(&mut registry);
    verifier.register(&mut registry);
    registry.register_collector(Box::new(PodStates::of(pods.clone())));

    let cluster = Cluster::new(calls, &namespace, metrics.clone());
    let app = App {
        verifier,
        servers: Servers::new(cluster, blueprint, pods.clone(), metrics.clone()),
        pods: pods.clone(),
        upstream: Upstream::new("http://pod.invalid").map_err(Failure::runtime)?,
        sidecar_port: contract::port::SIDECAR_DATA,
        start_timeout,
        places: Semaphore::new(max_held as usize),
        metrics: metrics.clone(),
    };
    let watching =
        follow(Follow { client: watches, namespace, pods, gate: readiness.gate("pods"), metrics });

    let users = Listener::bind(listen, "users").await.map_err(Failure::runtime)?;
    let admin = Listener::bind(admin_listen, "admin").await.map_err(Failure::runtime)?;
    let limits = Limits { drain, ..Limits::default() };
    let admin_router = admin::router(readiness, Arc::new(registry));
    let serving = async {
        tokio::join!(
            edge::serve::serve(users, None, router(app), limits.clone(), shutdown.clone()),
            edge::serve::serve(admin, None, admin_router, limits.clone(), shutdown.clone()),
        );
    };
    during(watching, serving).await;
    Ok(())
}

/// Polls `background` for as long as `main` runs.
async fn during(background: impl Future<Output = ()>, main: impl Future<Output = ()>) {
    tokio::select! {
        () = main => {}
        () = async { background.await; std::future::pending().await } => {}
    }
}
