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
    tls::{self, Clients, Reload, Trust},
};

use super::{
    Lives, Serving, Trusting, UnixTime,
    ca::{CaError, Leaf},
    cluster::{Cluster, ClusterError, Published, Stored},
    now, pem,
    rotation::Rotation,
};
use crate::{
    config::Own,
    metrics::{self, Metrics},
};

/// Between two looks: two small reads. Short, because a wrong `caBundle` fails every admission.
const LOOK: Duration = Duration::from_secs(5);
/// After a look that failed, or that had something to put right.
const RETRY: Duration = Duration::from_secs(2);

pub(super) struct Keeper {
    cluster: Cluster,
    names: Vec<String>,
    lives: Lives,
    clients: Clients,
    metrics: Metrics,
    gate: Gate,
    /// What API servers have been told to trust.
    trust: Trusting,
    /// The last known state: it outlives a deleted or damaged Secret.
    known: Option<Rotation>,
    served: Option<Served>,
}

/// What is served, and the CA that signed it.
struct Served {
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
    pub(super) fn new(
        cluster: Cluster,
        own: &Own,
        clients: Clients,
        metrics: Metrics,
        gate: Gate,
    ) -> Self {
        let host = format!("{}.{}", own.service, own.namespace);
        Self {
            cluster,
            names: vec![format!("{host}.svc"), format!("{host}.svc.cluster.local"), host],
            lives: own.lives,
            clients,
            metrics,
            gate,
            trust: Trusting::default(),
            known: None,
            served: None,
        }
    }

    /// Returns once a certificate is there and goes on in the background.
    pub(super) async fn start(mut self, shutdown: Shutdown) -> Result<Serving, Failure> {
        loop {
            let pause = self.look(now()).await;
            if let Some(served) = &self.served {
                let serving = Serving { config: served.config.clone(), trust: self.trust.clone() };
                tokio::spawn(self.keep(pause, shutdown));
                return Ok(serving);
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
        self.look_at_clients();
        match self.repair(now).await {
            Ok(Repair::Nothing) => {
                self.is_as_it_should_be();
                LOOK
            }
            // Ready only when the next look has seen it: API servers had time to see it too.
            Ok(Repair::Published) | Err(LookError::Cluster(ClusterError::Conflict)) => RETRY,
            Err(error) => {
                let error = Chain(&error).to_string();
                tracing::warn!(error, "certificate or trust could not be checked");
                self.metrics.certificate_good.set(0);
                // What is served goes on to be good for a while without the API server.
                if self.served_now(now).is_none() {
                    self.gate.not_ready(error);
                } else if self.gate.is_ready() {
                    self.gate.ready_although(error);
                }
                RETRY
            }
        }
    }

    fn is_as_it_should_be(&self) {
        self.metrics.certificate_good.set(self.clients.is_good().into());
        if self.clients.is_good() {
            self.gate.ready();
        } else {
            self.gate.ready_although("the file of client CAs is unusable, the last good ones stay");
        }
    }

    async fn repair(&mut self, now: UnixTime) -> Result<Repair, LookError> {
        let published = self.cluster.published().await?;
        let rotation = self.stored(now, &published).await?;
        self.known = Some(rotation.clone());
        // Trust first: a leaf that nobody trusts yet must not be served.
        let bundle = rotation.bundle();
        let was_published = published.is(&bundle);
        if !was_published {
            self.cluster.publish(&published, &bundle).await?;
            tracing::info!("published the CA as caBundle");
        }
        self.serve(&rotation, &published, now)?;
        if let Some(name) = self.names.first().cloned() {
            self.trust.set(Trust::Signed { bundle: bundle.into_bytes(), name });
        }
        Ok(if was_published { Repair::Nothing } else { Repair::Published })
    }

    /// The state in the Secret after whatever was due has been done to it.
    async fn stored(&self, now: UnixTime, published: &Published) -> Result<Rotation, LookError> {
        let stored = self.cluster.load().await?;
        let found = stored.as_ref().map(|stored| (stored, Rotation::from_data(&stored.data())));
        let following = match found {
            Some((stored, Ok(found))) => {
                let asked = stored.asks_for_rotation();
                match self.following(&found, asked, now, published)? {
                    Some(following) => following,
                    None => return Ok(found),
                }
            }
            Some((_, Err(error))) => {
                tracing::error!(error = Chain(&error).to_string(), "the CA's Secret is damaged");
                self.restored(now, published)?
            }
            None => self.restored(now, published)?,
        };
        self.store(&following, stored.as_ref()).await?;
        Ok(following)
    }

    /// The state that should follow what was found, or `None` when it is as it should be.
    fn following(
        &self,
        found: &Rotation,
        asked: bool,
        now: UnixTime,
        published: &Published,
    ) -> Result<Option<Rotation>, CaError> {
        let trusting = match self.served_now(now) {
            Some(served) => found.trusting(&served.ca, now),
            None => found.clone(),
        };
        if asked {
            tracing::info!("a new CA was asked for");
            return trusting.announcing(now, self.lives).map(Some);
        }
        let stepped = trusting.step(now, self.lives, published.common())?.unwrap_or(trusting);
        Ok((stepped != *found).then_some(stepped))
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

    /// What is served, while it is valid.
    fn served_now(&self, now: UnixTime) -> Option<&Served> {
        self.served.as_ref().filter(|served| served.leaf.validity.covers(now))
    }

    /// Serves a leaf of the current CA that is not due.
    fn serve(
        &mut self,
        rotation: &Rotation,
        published: &Published,
        now: UnixTime,
    ) -> Result<(), LookError> {
        let ca = &rotation.current;
        let is_observed = pem::contains(published.common(), ca.certificate());
        if self.served_now(now).is_some_and(|served| {
            let is_due = served.leaf.validity.is_due(now);
            // A CA that API servers only learn of now waits while what is served is good.
            if served.ca == ca.certificate() { !is_due } else { !is_observed }
        }) {
            return Ok(());
        }
        let leaf = ca.issue(self.names.clone(), now, self.lives.leaf)?;
        let config = server_config(&self.clients, &leaf)?;
        let expiry = |which, not_after| {
            self.metrics.certificate_expiry.get_or_create(&which).set(not_after);
        };
        expiry(metrics::SERVING, leaf.validity.not_after);
        expiry(metrics::CA, ca.validity().not_after);
        tracing::info!(not_after = leaf.validity.not_after, "serving a new certificate");
        let ca = ca.certificate().to_owned();
        match &mut self.served {
            Some(served) => {
                served.config.replace(config);
                (served.leaf, served.ca) = (leaf, ca);
            }
            none => *none = Some(Served { config: TlsConfig::new(config), leaf, ca }),
        }
        Ok(())
    }

    /// Shows the same certificate to whom the file of client CAs names now.
    fn look_at_clients(&mut self) {
        let changed = self.clients.reload().and_then(|reload| match &self.served {
            Some(served) if reload == Reload::Replaced => {
                served.config.replace(server_config(&self.clients, &served.leaf)?);
                Ok(reload)
            }
            _ => Ok(reload),
        });
        match changed {
            Ok(Reload::Unchanged) => {}
            Ok(Reload::Replaced) => tracing::info!("using new client CAs"),
            Err(error) => {
                let error = Chain(&error).to_string();
                tracing::error!(error, "keeping the last good client CAs");
            }
        }
    }
}

/// What a look had to do about trust.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Repair {
    Nothing,
    Published,
}

fn server_config(clients: &Clients, leaf: &Leaf) -> Result<rustls::ServerConfig, tls::TlsError> {
    tls::server_config_for(clients, leaf.certificate.as_bytes(), leaf.key.as_bytes())
}

#[cfg(test)]
mod tests;
