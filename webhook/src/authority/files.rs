//! A certificate that somebody else renews, in files: cert-manager, or an operator.

use std::time::Duration;

use edge::{
    program::Chain,
    readiness::Gate,
    shutdown::Shutdown,
    tls::{Certificates, Reload, TlsError, Trust},
};

use super::{Serving, Trusting, UnixTime, ca::Validity, now, pem};
use crate::{
    config::Trusted,
    metrics::{self, Metrics},
};

/// How often files are compared with what is served. A Secret volume swaps symlinks, under which a
/// file watch dies; a few small reads do not.
const LOOK: Duration = Duration::from_secs(10);

pub(super) struct Files {
    pub(super) certificates: Certificates,
    pub(super) trusted: Option<Trusted>,
    pub(super) metrics: Metrics,
    pub(super) gate: Gate,
    /// What the API server trusts, as far as it is known.
    pub(super) trust: Trusting,
}

impl Files {
    /// Follows the files in the background.
    pub(super) fn start(mut self, shutdown: Shutdown) -> Serving {
        self.look(now());
        let serving = Serving { config: self.certificates.config(), trust: self.trust.clone() };
        tokio::spawn(async move {
            let mut interval = tokio::time::interval(LOOK);
            loop {
                tokio::select! {
                    _ = interval.tick() => self.look(now()),
                    () = shutdown.draining() => return,
                }
            }
        });
        serving
    }

    fn look(&mut self, now: UnixTime) {
        match self.certificates.reload() {
            Ok(Reload::Unchanged) => {}
            Ok(Reload::Replaced) => tracing::info!("serving a new certificate"),
            Err(error) => {
                let error = Chain(&error).to_string();
                tracing::error!(error, "keeping the last good certificate");
            }
        }
        self.metrics.certificate_good.set(self.certificates.is_good().into());
        match self.trust_and_validity() {
            Ok(Some(validity)) if validity.covers(now) => self.tell_ready(),
            Ok(_) => self.gate.not_ready("the certificate is not valid now"),
            // The gate of the handshake goes by what was trusted before.
            Err(error) => self.gate.not_ready(Chain(&error).to_string()),
        }
    }

    fn tell_ready(&self) {
        if self.certificates.is_good() {
            self.gate.ready();
        } else {
            self.gate.ready_although("the files are unusable, the last good certificate stays");
        }
    }

    /// Tells what is trusted and when it ends; gives the validity of the leaf.
    fn trust_and_validity(&self) -> Result<Option<Validity>, TlsError> {
        let expiry = |which, validity: Validity| {
            self.metrics.certificate_expiry.get_or_create(&which).set(validity.not_after);
        };
        let chain = self.certificates.chain()?;
        let leaf = chain.into_iter().next().ok_or(TlsError::NoCertificate)?;
        let validity = Validity::of(&leaf);
        if let Some(validity) = validity {
            expiry(metrics::SERVING, validity);
        }
        let trust = match &self.trusted {
            None => Trust::Exactly(leaf),
            Some(Trusted { ca, name }) => {
                let bundle = std::fs::read(ca)
                    .map_err(|source| TlsError::Unreadable { path: ca.clone(), source })?;
                let ends = pem::certificates(&bundle)
                    .iter()
                    .filter_map(Validity::of)
                    .max_by_key(|v| v.not_after);
                if let Some(validity) = ends {
                    expiry(metrics::CA, validity);
                }
                Trust::Signed { bundle, name: name.clone() }
            }
        };
        self.trust.set(trust);
        Ok(validity)
    }
}

#[cfg(test)]
mod tests;
