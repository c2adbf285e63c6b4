//! Whom a client trusts: the public CAs, and those of a file.

use std::{
    path::{Path, PathBuf},
    time::Duration,
};

use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::connect::HttpConnector;
use rustls::{ClientConfig, RootCertStore, client::Resumption};
use rustls_pki_types::{CertificateDer, pem, pem::PemObject};

use crate::tls;

/// TLS sessions kept for resumption, of which rustls counts eight for each server. One server or two is
/// what a connector has; room for more, rustls' default, is taken from the memory at once.
const SESSIONS: usize = 16;

/// A file of CA certificates that cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum CaError {
    /// Missing, unreadable, or no PEM.
    #[error("cannot read CA certificates from {}", path.display())]
    Unreadable {
        /// Which file.
        path: PathBuf,
        /// What was wrong with it.
        source: pem::Error,
    },
    /// PEM without any certificate.
    #[error("{} holds no CERTIFICATE block", path.display())]
    Empty {
        /// Which file.
        path: PathBuf,
    },
    /// A certificate that is no CA certificate.
    #[error("a certificate in {} cannot be a trust anchor", path.display())]
    Unusable {
        /// Which file.
        path: PathBuf,
        /// What rustls said.
        source: rustls::Error,
    },
    /// The crypto provider does not do TLS 1.2 and 1.3.
    #[error("TLS cannot be set up")]
    Unsupported(#[from] rustls::Error),
}

/// The public CAs and those in `ca_file`.
pub fn trust(ca_file: Option<&Path>) -> Result<RootCertStore, CaError> {
    let mut roots = RootCertStore { roots: webpki_roots::TLS_SERVER_ROOTS.to_vec() };
    if let Some(path) = ca_file {
        append(&mut roots, path)?;
    }
    Ok(roots)
}

fn append(roots: &mut RootCertStore, path: &Path) -> Result<(), CaError> {
    let unreadable = |source| CaError::Unreadable { path: path.to_owned(), source };
    let certificates = CertificateDer::pem_file_iter(path)
        .and_then(Iterator::collect::<Result<Vec<_>, _>>)
        .map_err(unreadable)?;
    if certificates.is_empty() {
        return Err(CaError::Empty { path: path.to_owned() });
    }
    for certificate in certificates {
        roots
            .add(certificate)
            .map_err(|source| CaError::Unusable { path: path.to_owned(), source })?;
    }
    Ok(())
}

/// A connector for http and https over HTTP/1.1.
pub(crate) fn https_connector(
    roots: RootCertStore,
    connect_timeout: Duration,
) -> Result<HttpsConnector<HttpConnector>, rustls::Error> {
    let mut tcp = HttpConnector::new();
    tcp.set_nodelay(true);
    tcp.set_connect_timeout(Some(connect_timeout));
    tcp.enforce_http(false);
    let mut tls = ClientConfig::builder_with_provider(tls::provider())
        .with_safe_default_protocol_versions()?
        .with_root_certificates(roots)
        .with_no_client_auth();
    tls.resumption = Resumption::in_memory_sessions(SESSIONS);
    let connector = HttpsConnectorBuilder::new()
        .with_tls_config(tls)
        .https_or_http()
        .enable_http1()
        .wrap_connector(tcp);
    Ok(connector)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn extra_certificates_are_added_to_the_public_ones() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("ca.crt");
        let missing = trust(Some(&file)).unwrap_err();
        assert!(matches!(missing, CaError::Unreadable { .. }), "{missing}");
        std::fs::write(&file, "no certificate\n").unwrap();
        let empty = trust(Some(&file)).unwrap_err().to_string();
        assert!(empty.ends_with("ca.crt holds no CERTIFICATE block"), "{empty}");
        let key = rcgen::KeyPair::generate().unwrap();
        let mut ca = rcgen::CertificateParams::default();
        ca.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
        std::fs::write(&file, ca.self_signed(&key).unwrap().pem()).unwrap();
        assert_eq!(trust(Some(&file)).unwrap().len(), trust(None).unwrap().len() + 1);
    }
}
