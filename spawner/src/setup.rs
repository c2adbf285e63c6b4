//! Puts a spawner together, from what it was configured with to what serves.

use std::{sync::Arc, time::Duration};

use edge::{
    client::{CaError, Fetcher},
    oidc::{Role, Verifier},
    proxy::{InvalidUpstream, Upstream},
    readiness::Gate,
    shutdown::Shutdown,
};
use kube::{Client, Config};
use tokio::sync::Semaphore;

use crate::{
    app::App,
    cluster::{self, Cluster},
    gateway::SharedGateway,
    login::{CookieKeys, KeepKeys, Login, LoginConfig, SignedOut},
    metrics::Metrics,
    reap::{Policy, Reaper, Sidecars},
    render::Blueprint,
    servers::{ServerLimitArgs, Servers},
    streams::Streams,
    watch::{Follow, FollowSignedOut, Pods, follow},
};

/// How long a connection to the API server may take.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(3);

/// What a spawner is made of.
pub struct Setup {
    /// Where the API server is, and as whom to speak to it.
    pub kube: Config,
    /// The namespace of the users' pods.
    pub namespace: String,
    /// What is created for a user.
    pub blueprint: Blueprint,
    /// Says who asks.
    pub verifier: Arc<Verifier>,
    /// Where a pod's sidecar listens.
    pub sidecar_port: u16,
    /// Where it tells its activity, and can be told things.
    pub sidecar_admin_port: u16,
    /// When workspaces sleep.
    pub sleep: Policy,
    /// How often it is looked for workspaces that may sleep.
    pub reap_interval: Duration,
    /// How many workspaces there may be.
    pub limits: ServerLimitArgs,
    /// Who may act on the servers of others.
    pub operator: Role,
    /// The longest that a request waits for a start.
    pub start_timeout: Duration,
    /// How many requests may wait for starts at once.
    pub max_held: usize,
    /// What is counted.
    pub metrics: Metrics,
    /// Opens when the users' pods are known.
    pub gate: Gate,
    /// The Secret with everybody's gateway token, if one is made, and what opens when it is there.
    pub shared_gateway: Option<(String, Gate)>,
    /// How people sign in, if they do.
    pub login: Option<LoginSetup>,
}

/// What a login is made of.
#[derive(Debug)]
pub struct LoginSetup {
    /// What it was configured with.
    pub config: LoginConfig,
    /// Reaches the issuer.
    pub fetcher: Fetcher,
    /// Opens when the cookie keys are there.
    pub keys_gate: Gate,
    /// Opens when the sessions that ended early are known.
    pub signed_out_gate: Gate,
}

/// What keeps a spawner and its cluster up to date.
#[derive(Debug)]
pub struct Background {
    watches: Follow,
    reaper: Reaper,
    keys: Option<KeepKeys>,
    shared_gateway: Option<SharedGateway>,
}

impl Background {
    /// Goes on for as long as the future is polled; puts nothing to sleep any more once `shutdown`
    /// has begun.
    pub async fn run(self, shutdown: Shutdown) {
        let keys = async {
            if let Some(keys) = self.keys {
                keys.run().await;
            }
        };
        let shared_gateway = async {
            if let Some(shared_gateway) = self.shared_gateway {
                shared_gateway.run().await;
            }
        };
        tokio::join!(follow(self.watches), self.reaper.run(shutdown), keys, shared_gateway);
    }
}

/// What keeps a spawner from being put together.
#[derive(Debug, thiserror::Error)]
pub enum SetupError {
    /// The connection to the API server.
    #[error("the API server's address or credentials cannot be used")]
    Kube(#[from] kube::Error),
    /// The connections to pods.
    #[error("connections to pods cannot be made")]
    Upstream(#[from] InvalidUpstream),
    /// The connections to sidecars.
    #[error("connections to sidecars cannot be made")]
    Sidecars(#[from] CaError),
}

impl Setup {
    /// What serves, and what keeps it up to date. Must be called within the async runtime.
    pub fn build(self) -> Result<(App, Background), SetupError> {
        let Self {
            mut kube,
            namespace,
            blueprint,
            verifier,
            sidecar_port,
            sidecar_admin_port,
            sleep,
            reap_interval,
            limits,
            operator,
            start_timeout,
            max_held,
            metrics,
            gate,
            shared_gateway,
            login,
        } = self;
        kube.connect_timeout = Some(CONNECT_TIMEOUT);
        // Two clients: a burst of calls never waits behind a watch on the same connection.
        let own_namespace = kube.default_namespace.clone();
        let calls = cluster::client(kube.clone())?;
        let watches = Client::try_from(kube)?;
        let pods = Pods::default();
        let cluster = Cluster::new(calls.clone(), &namespace, metrics.clone());
        let shared_gateway = shared_gateway.map(|(name, gate)| SharedGateway {
            cluster: cluster.clone(),
            name,
            gate,
        });
        let streams = Streams::default();
        let signed_out = SignedOut::ending(streams.clone());
        let issuer = verifier.policy().issuer.clone();
        let (login, keys, ended) = match login {
            None => (None, None, None),
            Some(LoginSetup { config, fetcher, keys_gate, signed_out_gate }) => {
                let keys = CookieKeys::default();
                let keep = KeepKeys {
                    client: calls,
                    namespace: own_namespace,
                    name: config.cookie_keys_secret.clone(),
                    keys: keys.clone(),
                    gate: keys_gate,
                };
                let ended =
                    FollowSignedOut { signed_out: signed_out.clone(), gate: signed_out_gate };
                let login =
                    Login::new(config, &issuer, fetcher, keys, signed_out.clone(), streams.clone());
                (Some(login), Some(keep), Some(ended))
            }
        };
        let sidecars = Sidecars::at(sidecar_admin_port)?;
        let reaper = Reaper {
            cluster: cluster.clone(),
            pods: pods.clone(),
            sidecars: sidecars.clone(),
            policy: sleep.clone(),
            sweeps: blueprint.has_network_policy(),
            interval: reap_interval,
            metrics: metrics.clone(),
        };
        let app = App {
            verifier,
            login,
            streams,
            signed_out,
            servers: Servers::new(
                cluster.clone(),
                blueprint,
                pods.clone(),
                limits,
                metrics.clone(),
            ),
            cluster,
            pods: pods.clone(),
            // Only its settings and connections are used; every pod has its own address.
            upstream: Upstream::new("http://pod.invalid")?,
            sidecar_port,
            sidecar_admin_port,
            start_timeout,
            places: Semaphore::new(max_held),
            operator,
            sleep,
            sidecars,
            metrics: metrics.clone(),
        };
        let watches = Follow { client: watches, namespace, pods, gate, metrics, signed_out: ended };
        Ok((app, Background { watches, reaper, keys, shared_gateway }))
    }
}

impl std::fmt::Debug for Setup {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Setup").field("namespace", &self.namespace).finish_non_exhaustive()
    }
}
