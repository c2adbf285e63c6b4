//! Puts a spawner together, from what it was configured with to what serves.

use std::{sync::Arc, time::Duration};

use edge::{
    oidc::Verifier,
    proxy::{InvalidUpstream, Upstream},
    readiness::Gate,
};
use kube::{Client, Config};
use tokio::sync::Semaphore;

use crate::{
    app::App,
    cluster::Cluster,
    metrics::Metrics,
    render::Blueprint,
    servers::Servers,
    watch::{Follow, Pods},
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
    /// The longest that a request waits for a start.
    pub start_timeout: Duration,
    /// How many requests may wait for starts at once.
    pub max_held: usize,
    /// What is counted.
    pub metrics: Metrics,
    /// Opens when the users' pods are known.
    pub gate: Gate,
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
}

impl Setup {
    /// What serves, and what keeps it up to date. Must be called within the async runtime.
    pub fn build(self) -> Result<(App, Follow), SetupError> {
        let Self {
            mut kube,
            namespace,
            blueprint,
            verifier,
            sidecar_port,
            start_timeout,
            max_held,
            metrics,
            gate,
        } = self;
        kube.connect_timeout = Some(CONNECT_TIMEOUT);
        // Two clients: a burst of calls never waits behind a watch on the same connection.
        let calls = Client::try_from(kube.clone())?;
        let watches = Client::try_from(kube)?;
        let pods = Pods::default();
        let cluster = Cluster::new(calls, &namespace, metrics.clone());
        let app = App {
            verifier,
            servers: Servers::new(cluster, blueprint, pods.clone(), metrics.clone()),
            pods: pods.clone(),
            // Only its settings and connections are used; every pod has its own address.
            upstream: Upstream::new("http://pod.invalid")?,
            sidecar_port,
            start_timeout,
            places: Semaphore::new(max_held),
            metrics: metrics.clone(),
        };
        Ok((app, Follow { client: watches, namespace, pods, gate, metrics }))
    }
}

impl std::fmt::Debug for Setup {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Setup").field("namespace", &self.namespace).finish_non_exhaustive()
    }
}
