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
mod keeper;
mod pem;
mod rotation;

use std::time::{SystemTime, UNIX_EPOCH};

use edge::{
    program::Failure, readiness::Gate, serve::TlsConfig, shutdown::Shutdown, tls::Certificates,
};

pub use self::{
    ca::{Ca, CaError, Leaf, Validity},
    rotation::{Lives, Rotation},
};
use self::{cluster::Cluster, keeper::Keeper};
use crate::{
    config::{Own, Tls},
    metrics::Metrics,
};

/// Seconds since 1970, by the wall clock: what certificates are about.
pub type UnixTime = i64;

/// A source of certificates that is known to work, or at least to be possible.
#[derive(Debug)]
pub struct Authority(Source);

#[derive(Debug)]
enum Source {
    Files(Certificates),
    Own(Box<Cluster>, Own),
}

impl Authority {
    /// Reads the files, or finds the API server: before any port is bound.
    pub async fn prepare(tls: &Tls) -> Result<Self, Failure> {
        let source = match tls {
            Tls::Files { cert, key } => {
                Source::Files(Certificates::load(cert, key).map_err(Failure::config)?)
            }
            Tls::Own(own) => {
                let cluster = Cluster::connect(own).await.map_err(Failure::config)?;
                Source::Own(Box::new(cluster), own.clone())
            }
        };
        Ok(Self(source))
    }

    /// Waits for the first certificate and keeps it fresh from then on.
    ///
    /// `gate` opens when a certificate is served that the API server has been told to trust.
    pub async fn start(
        self,
        metrics: Metrics,
        gate: Gate,
        shutdown: Shutdown,
    ) -> Result<TlsConfig, Failure> {
        match self.0 {
            Source::Files(certificates) => {
                let config = certificates.config();
                tokio::spawn(certificates.follow(shutdown));
                gate.ready();
                Ok(config)
            }
            Source::Own(cluster, own) => {
                Keeper::new(*cluster, &own, metrics, gate).start(shutdown).await
            }
        }
    }
}

/// Now. A clock before 1970 is taken for 1970.
pub(crate) fn now() -> UnixTime {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    since.as_secs().try_into().unwrap_or(UnixTime::MAX)
}
