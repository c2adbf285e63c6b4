//! Keeps certificate and trust as they should be: looks at both again and again, and repairs.
//!
//! A look compares what is with what should be, so it does not matter what happened in between: a
//! deleted Secret, a `caBundle` that somebody reset, a clock that jumped, another replica's step.

use std::time::Duration;

use edge::{
    program::{Chain, Failure},
    readiness::Gate,
    serve::TlsConfig,
    shutdown::Shutdown,
    tls,
};

use super::{
    UnixTime,
    ca::{CaError, Leaf},
    cluster::{Cluster, ClusterError, Published, Stored},
    now,
    rotation::{Lives, Rotation},
};
use crate::{
    config::Own,
    metrics::{self, Metrics},
};

/// Between two looks. Short, because a wrong `caBundle` fails every admission.
const LOOK: Duration = Duration::from_secs(15);
/// After a look that failed.
const RETRY: Duration = Duration::from_secs(2);

pub(super) struct Keeper {
    cluster: Cluster,
    names: Vec<String>,
    lives: Lives,
    metrics: Metrics,
    gate: Gate,
    /// The last known state: it outlives a deleted or damaged Secret.
    known: Option<Rotation>,
    serving: Option<Serving>,
}

/// What is served, and the CA that signed it.
struct Serving {
    config: TlsConfig,
    leaf: Leaf,
    ca: String,
}

/// Why a look did not end well.
#[derive(Debug, thiserror::Error)]
enum LookError {
    #[error(transparent)]
    Cluster(#[from] ClusterError),
    #[error(transparent)]
    Ca(#[from] CaError),
    #[error(transparent)]
    Tls(#[from] tls::TlsError),
}

impl Keeper {
    pub(super) fn new(cluster: Cluster, own: &Own, metrics: Metrics, gate: Gate) -> Self {
        let host = format!("{}.{}", own.service, own.namespace);
        Self {
            cluster,
            names: vec![format!("{host}.svc"), format!("{host}.svc.cluster.local"), host],
            lives: Lives::default(),
            metrics,
            gate,
            known: None,
            serving: None,
        }
    }

    /// Returns once a certificate is there and goes on in the background.
    pub(super) async fn start(mut self, shutdown: Shutdown) -> Result<TlsConfig, Failure> {
        loop {
            let pause = self.look(now()).await;
            if let Some(serving) = &self.serving {
                let config = serving.config.clone();
                tokio::spawn(self.keep(pause, shutdown));
                return Ok(config);
            }
            tokio::select! {
                () = tokio::time::sleep(pause) => {}
                () = shutdown.draining() => {
                    return Err(Failure::runtime("asked to stop before there was a certificate"));
                }
            }
        }
    }

    async fn keep(mut self, mut pause: Duration, shutdown: Shutdown) {
        // Also while draining: until the last admission is answered, trust has to hold.
        loop {
            tokio::select! {
                () = tokio::time::sleep(pause) => pause = self.look(now()).await,
                () = shutdown.aborting() => return,
            }
        }
    }

    /// One look, and how long to wait for the next.
    async fn look(&mut self, now: UnixTime) -> Duration {
        match self.repair(now).await {
            Ok(()) => {
                self.gate.ready();
                LOOK
            }
            Err(LookError::Cluster(ClusterError::Conflict)) => RETRY,
            Err(error) => {
                let error = Chain(&error).to_string();
                tracing::warn!(error, "certificate or trust could not be checked");
                // What is served goes on to be good for a while without the API server.
                if !self.serving.as_ref().is_some_and(|s| s.leaf.validity.covers(now)) {
                    self.gate.not_ready(error);
                }
                RETRY
            }
        }
    }

    async fn repair(&mut self, now: UnixTime) -> Result<(), LookError> {
        let published = self.cluster.published().await?;
        let rotation = self.stored(now, &published).await?;
        self.known = Some(rotation.clone());
        // Trust first: a leaf that nobody trusts yet must not be served.
        let bundle = rotation.bundle();
        if !published.is(&bundle) {
            self.cluster.publish(&published, &bundle).await?;
            tracing::info!("published the CA as caBundle");
        }
        self.serve(&rotation, now)
    }

    /// The state in the Secret after whatever was due has been done to it.
    async fn stored(&self, now: UnixTime, published: &Published) -> Result<Rotation, LookError> {
        let stored = self.cluster.load().await?;
        let found = stored.as_ref().map(|stored| Rotation::from_data(&stored.data));
        let following = match found {
            Some(Ok(found)) => match found.step(now, self.lives, published.common())? {
                Some(following) => following,
                None => return Ok(found),
            },
            Some(Err(error)) => {
                tracing::error!(error = Chain(&error).to_string(), "the CA's Secret is damaged");
                self.restored(now, published)?
            }
            None => self.restored(now, published)?,
        };
        self.store(&following, stored.as_ref()).await?;
        Ok(following)
    }

    /// What to put where no usable Secret is: what is known, else a new CA.
    fn restored(&self, now: UnixTime, published: &Published) -> Result<Rotation, CaError> {
        match &self.known {
            Some(known) => Ok(known.clone()),
            None => Rotation::begin(now, self.lives, published.common()),
        }
    }

    async fn store(
        &self,
        rotation: &Rotation,
        stored: Option<&Stored>,
    ) -> Result<(), ClusterError> {
        self.cluster.store(rotation, stored).await?;
        tracing::info!("stored the CA");
        Ok(())
    }

    /// Serves a leaf of the current CA that is not due.
    fn serve(&mut self, rotation: &Rotation, now: UnixTime) -> Result<(), LookError> {
        let ca = &rotation.current;
        let is_good = |serving: &Serving| {
            serving.ca == ca.certificate() && !serving.leaf.validity.is_due(now)
        };
        if self.serving.as_ref().is_some_and(is_good) {
            return Ok(());
        }
        let leaf = ca.issue(self.names.clone(), now, self.lives.leaf)?;
        let config = tls::server_config(leaf.certificate.as_bytes(), leaf.key.as_bytes())?;
        let expiry = |which, not_after| {
            self.metrics.certificate_expiry.get_or_create(&which).set(not_after);
        };
        expiry(metrics::SERVING, leaf.validity.not_after);
        expiry(metrics::CA, ca.validity().not_after);
        tracing::info!(not_after = leaf.validity.not_after, "serving a new certificate");
        let ca = ca.certificate().to_owned();
        match &mut self.serving {
            Some(serving) => {
                serving.config.replace(config);
                (serving.leaf, serving.ca) = (leaf, ca);
            }
            none => *none = Some(Serving { config: TlsConfig::new(config), leaf, ca }),
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
