//! From flags to a running spawner. Whatever can be wrong is found before a port is bound.

use std::sync::Arc;

use edge::{
    admin,
    client::Fetcher,
    oidc::{OidcArgs, Role, Verifier},
    program::Failure,
    readiness::Readiness,
    serve::{Limits, Listener, serve as serve_on},
    shutdown::Shutdown,
};
use prometheus_client::registry::Registry;

use crate::{
    app::router,
    cli::ServeArgs,
    login::LoginArgs,
    metrics::{Metrics, PodStates},
    setup::{LoginSetup, Setup},
};

/// Serves until `shutdown` has drained.
pub(crate) async fn serve(args: ServeArgs, shutdown: Shutdown) -> Result<(), Failure> {
    let ServeArgs {
        listen,
        admin_listen,
        namespace,
        start_timeout,
        max_held,
        operator_role,
        roles_claim,
        server_limits,
        templates,
        shared_gateway,
        limits,
        cors,
        sleep,
        oidc,
        login,
        drain,
        log: _,
    } = args;
    let blueprint = templates.blueprint().map_err(Failure::config)?;
    let shared_gateway = shared_gateway.name(templates.gateway_scope()).map_err(Failure::config)?;
    let kube = kube::Config::infer().await.map_err(Failure::config)?;
    let readiness = Readiness::new();
    let login = login_setup(login, &oidc, &readiness)?;
    let verifier =
        Verifier::start(oidc, readiness.gate("keys"), shutdown.clone()).map_err(Failure::config)?;
    let metrics = Metrics::default();
    let setup = Setup {
        kube,
        namespace,
        blueprint,
        verifier: Arc::clone(&verifier),
        sidecar_port: contract::port::SIDECAR_DATA,
        sidecar_admin_port: contract::port::SIDECAR_ADMIN,
        sleep: sleep.policy(),
        reap_interval: sleep.reap_interval,
        limits: server_limits,
        operator: Role { claim: roles_claim, name: operator_role },
        start_timeout,
        max_held,
        metrics: metrics.clone(),
        gate: readiness.gate("pods"),
        shared_gateway: shared_gateway.map(|name| (name, readiness.gate("shared gateway token"))),
        login,
    };
    let (app, background) = setup.build().map_err(Failure::config)?;

    let mut registry = Registry::default();
    metrics.register(&mut registry);
    verifier.register(&mut registry);
    registry.register_collector(Box::new(PodStates::of(app.pods.clone())));

    let users = Listener::bind(listen, "users").await.map_err(Failure::runtime)?;
    let admin = Listener::bind(admin_listen, "admin").await.map_err(Failure::runtime)?;
    let limits = limits.over(Limits { drain, access_log: true, ..Limits::default() });
    limits.metrics.register(&mut registry);
    let admin_router = admin::router(readiness, Arc::new(registry));
    let background = tokio::spawn(background.run(shutdown.clone()));
    tokio::join!(
        serve_on(users, None, cors.around(router(app)), limits.clone(), shutdown.clone()),
        serve_on(admin, None, admin_router, Limits { access_log: false, ..limits }, shutdown),
    );
    background.abort();
    Ok(())
}

/// What the login needs, if there is one.
fn login_setup(
    login: LoginArgs,
    oidc: &OidcArgs,
    readiness: &Readiness,
) -> Result<Option<LoginSetup>, Failure> {
    let Some(config) = login.config().map_err(Failure::config)? else { return Ok(None) };
    Ok(Some(LoginSetup {
        config,
        fetcher: Fetcher::new(oidc.ca_file()).map_err(Failure::config)?,
        keys_gate: readiness.gate("cookie keys"),
        signed_out_gate: readiness.gate("ended sessions"),
    }))
}
