//! Serving TLS with certificates that change while the program runs. The last good certificate
//! stays until a better one is there: nothing here ever leaves a server without one.

mod certificates;
mod clients;
mod handshake;

use std::{
    path::{Path, PathBuf},
    sync::Arc,
};

use arc_swap::ArcSwap;
use rustls::{
    ServerConfig,
    crypto::{CryptoProvider, aws_lc_rs},
    server::VerifierBuilderError,
};
use rustls_pki_types::{CertificateDer, PrivateKeyDer, pem, pem::PemObject};

pub use self::{
    certificates::Certificates,
    clients::Clients,
    handshake::{HandshakeError, Trust, handshake},
};
use crate::serve::{ServeTls, over_tls};

/// The TLS configuration of a listener, to be replaced at any time: new connections use the new one.
#[derive(Clone, Debug)]
pub struct TlsConfig {
    current: Arc<ArcSwap<ServerConfig>>,
    /// A pointer, so that a program which never makes a configuration has none of the code behind it:
    /// each user's sidecar would hold it in memory.
    pub(crate) serve: ServeTls,
}

/// A certificate or key that cannot be served.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// A file is missing or unreadable.
    #[error("cannot read {}", path.display())]
    Unreadable {
        /// Which file.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// The chain is no PEM.
    #[error("the certificate chain is not valid PEM")]
    Chain(#[source] pem::Error),
    /// PEM without any certificate.
    #[error("the certificate chain holds no CERTIFICATE block")]
    NoCertificate,
    /// The key is no PEM, or there is none.
    #[error("the private key is not a PEM key (PKCS#8, PKCS#1 or SEC1)")]
    Key(#[source] pem::Error),
    /// Each is readable, together they are unusable.
    #[error("the certificate and the private key do not work together")]
    Pair(#[source] rustls::Error),
    /// What should sign the certificates of clients signs none.
    #[error("{} holds no CA certificate that clients could be checked with", path.display())]
    ClientCa {
        /// Which file.
        path: PathBuf,
        /// What is wrong with it.
        source: VerifierBuilderError,
    },
}

/// What a look at a file led to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reload {
    /// It holds what is in use, or what was refused before.
    Unchanged,
    /// It held something new, and that is in use now.
    Replaced,
}

impl TlsConfig {
    /// Starts with `config`.
    #[must_use]
    pub fn new(config: ServerConfig) -> Self {
        Self { current: Arc::new(ArcSwap::from_pointee(config)), serve: over_tls }
    }

    /// Serves `config` to every connection accepted from now on.
    pub fn replace(&self, config: ServerConfig) {
        self.current.store(Arc::new(config));
    }

    /// What is served now.
    #[must_use]
    pub fn current(&self) -> Arc<ServerConfig> {
        self.current.load_full()
    }
}

/// A configuration for TLS 1.2 and 1.3 that offers HTTP/2 and HTTP/1.1 to anyone, from a PEM chain
/// (leaf first) and its PEM key.
pub fn server_config(chain: &[u8], key: &[u8]) -> Result<ServerConfig, TlsError> {
    server_config_for(&Clients::anyone(), chain, key)
}

/// The same, for `clients` alone.
pub fn server_config_for(
    clients: &Clients,
    chain: &[u8],
    key: &[u8],
) -> Result<ServerConfig, TlsError> {
    let certificates = chain_of(chain)?;
    let key = PrivateKeyDer::from_pem_slice(key).map_err(TlsError::Key)?;
    let mut config = ServerConfig::builder_with_provider(provider())
        .with_safe_default_protocol_versions()
        .and_then(|builder| {
            let builder = builder.with_client_cert_verifier(clients.verifier());
            builder.with_single_cert(certificates, key)
        })
        .map_err(TlsError::Pair)?;
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    Ok(config)
}

/// The certificates of a PEM chain: at least one, and nothing unreadable among them.
pub fn chain_of(pem: &[u8]) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    let certificates = CertificateDer::pem_slice_iter(pem)
        .collect::<Result<Vec<_>, _>>()
        .map_err(TlsError::Chain)?;
    if certificates.is_empty() { Err(TlsError::NoCertificate) } else { Ok(certificates) }
}

/// The one crypto provider, named so that nothing depends on what is installed process-wide.
pub(crate) fn provider() -> Arc<CryptoProvider> {
    Arc::new(aws_lc_rs::default_provider())
}

fn read(path: &Path) -> Result<Vec<u8>, TlsError> {
    std::fs::read(path).map_err(|source| TlsError::Unreadable { path: path.to_owned(), source })
}

#[cfg(test)]
mod tests;
