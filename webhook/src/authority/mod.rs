//! The serving certificate, and the API server's trust in it.
//!
//! With `tls.mode: self` the webhook is its own authority. The CA lies in a Secret that all replicas
//! share, without a leader: `create` and the resource version decide who was first. Each replica
//! signs a leaf of its own that lives in memory only, and each puts the CA into the `caBundle` of the
//! webhook configuration. [`Rotation`] says when a CA follows another so that no call fails between.

mod ca;
mod cluster;
#[cfg(test)]
mod fake;
mod files;
pub(crate) mod handshake;
mod keeper;
mod lives;
mod pem;
mod rotation;

use std::{
    sync::Arc,
    time::{SystemTime, UNIX_EPOCH},
};

use arc_swap::ArcSwap;
use edge::{
    program::Failure,
    readiness::Gate,
    serve::TlsConfig,
    shutdown::Shutdown,
    tls::{Certificates, Clients, Trust},
};

pub use self::{
    ca::{Ca, CaError, Leaf, Validity},
    lives::Lives,
    rotation::Rotation,
};
use self::{cluster::Cluster, files::Files, keeper::Keeper};
use crate::{
    config::{Own, Tls, TlsSource, Trusted},
    metrics::Metrics,
};

/// Seconds since 1970, by the wall clock: what certificates are about.
pub type UnixTime = i64;

/// A source of certificates that is known to work, or at least to be possible.
#[derive(Debug)]
pub struct Authority(Source);

#[derive(Debug)]
enum Source {
    Files(Certificates, Option<Trusted>),
    Own(Box<Cluster>, Own, Clients),
}

/// What is served, and who has to trust it.
#[derive(Clone, Debug)]
pub(crate) struct Serving {
    pub(crate) config: TlsConfig,
    pub(crate) trust: Trusting,
}

/// What API servers trust, as far as it is known: changed by whoever publishes it, or reads it.
#[derive(Clone, Debug)]
pub(crate) struct Trusting(Arc<ArcSwap<Trust>>);

impl Default for Trusting {
    /// Nothing.
    fn default() -> Self {
        let nothing = Trust::Signed { bundle: Vec::new(), name: "localhost".to_owned() };
        Self(Arc::new(ArcSwap::from_pointee(nothing)))
    }
}

impl Trusting {
    fn set(&self, trust: Trust) {
        self.0.store(Arc::new(trust));
    }

    fn now(&self) -> Arc<Trust> {
        self.0.load_full()
    }
}

impl Authority {
    /// Reads the files, or finds the API server: before any port is bound.
    pub async fn prepare(tls: &Tls) -> Result<Self, Failure> {
        let clients = match &tls.client_ca {
            Some(file) => Clients::signed_by(file).map_err(Failure::config)?,
            None => Clients::anyone(),
        };
        let source = match &tls.source {
            TlsSource::Files(files) => {
                let certificates = Certificates::load(&files.cert, &files.key, clients);
                Source::Files(certificates.map_err(Failure::config)?, files.trusted.clone())
            }
            TlsSource::Own(own) => {
                let cluster = Cluster::connect(own).await.map_err(Failure::config)?;
                Source::Own(Box::new(cluster), own.clone(), clients)
            }
        };
        Ok(Self(source))
    }

    /// Waits for the first certificate and keeps it fresh from then on.
    ///
    /// `gate` opens when there is a certificate that the API server has been told to trust.
    pub(crate) async fn start(
        self,
        metrics: Metrics,
        gate: Gate,
        shutdown: Shutdown,
    ) -> Result<Serving, Failure> {
        match self.0 {
            Source::Files(certificates, trusted) => {
                let trust = Trusting::default();
                Ok(Files { certificates, trusted, metrics, gate, trust }.start(shutdown))
            }
            Source::Own(cluster, own, clients) => {
                Keeper::new(*cluster, &own, clients, metrics, gate).start(shutdown).await
            }
        }
    }
}

/// Now. A clock before 1970 is taken for 1970.
pub(crate) fn now() -> UnixTime {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    since.as_secs().try_into().unwrap_or(UnixTime::MAX)
}
