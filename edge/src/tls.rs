//! Serving TLS with certificates that change while the program runs. The last good certificate
//! stays until a better one is there: nothing here ever leaves a server without one.

use std::{
    fmt,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use arc_swap::ArcSwap;
use rustls::{
    ServerConfig,
    crypto::{CryptoProvider, aws_lc_rs},
};
use rustls_pki_types::{CertificateDer, PrivateKeyDer, pem, pem::PemObject};

use crate::{program::Chain, shutdown::Shutdown};

/// How often files are compared with what is served. A Secret volume swaps symlinks, under which a
/// file watch dies; two small reads do not.
const RELOAD_INTERVAL: Duration = Duration::from_secs(10);

/// The TLS configuration of a listener, to be replaced at any time: new connections use the new one.
#[derive(Clone, Debug)]
pub struct TlsConfig(Arc<ArcSwap<ServerConfig>>);

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
}

impl TlsConfig {
    /// Starts with `config`.
    #[must_use]
    pub fn new(config: ServerConfig) -> Self {
        Self(Arc::new(ArcSwap::from_pointee(config)))
    }

    /// Serves `config` to every connection accepted from now on.
    pub fn replace(&self, config: ServerConfig) {
        self.0.store(Arc::new(config));
    }

    /// What is served now.
    #[must_use]
    pub fn current(&self) -> Arc<ServerConfig> {
        self.0.load_full()
    }
}

/// A configuration for TLS 1.2 and 1.3 that offers HTTP/2 and HTTP/1.1, from a PEM chain (leaf
/// first) and its PEM key.
pub fn server_config(chain: &[u8], key: &[u8]) -> Result<ServerConfig, TlsError> {
    let certificates = CertificateDer::pem_slice_iter(chain)
        .collect::<Result<Vec<_>, _>>()
        .map_err(TlsError::Chain)?;
    if certificates.is_empty() {
        return Err(TlsError::NoCertificate);
    }
    let key = PrivateKeyDer::from_pem_slice(key).map_err(TlsError::Key)?;
    let mut config = ServerConfig::builder_with_provider(provider())
        .with_safe_default_protocol_versions()
        .and_then(|builder| builder.with_no_client_auth().with_single_cert(certificates, key))
        .map_err(TlsError::Pair)?;
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    Ok(config)
}

/// The one crypto provider, named so that nothing depends on what is installed process-wide.
pub(crate) fn provider() -> Arc<CryptoProvider> {
    Arc::new(aws_lc_rs::default_provider())
}

/// A certificate chain and key in two files, re-read by content.
pub struct Certificates {
    chain_file: PathBuf,
    key_file: PathBuf,
    served: Pair,
    refused: Option<Pair>,
    config: TlsConfig,
}

/// What both files held.
#[derive(PartialEq, Eq)]
struct Pair {
    chain: Vec<u8>,
    key: Vec<u8>,
}

/// What a look at the files led to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reload {
    /// They hold what is served, or what was refused before.
    Unchanged,
    /// They held something new, and it is served now.
    Replaced,
}

impl Certificates {
    /// Reads both files, so that a wrong certificate is known before the port is bound.
    pub fn load(chain_file: &Path, key_file: &Path) -> Result<Self, TlsError> {
        let served = Pair::read(chain_file, key_file)?;
        let config = TlsConfig::new(served.config()?);
        Ok(Self {
            chain_file: chain_file.to_owned(),
            key_file: key_file.to_owned(),
            served,
            refused: None,
            config,
        })
    }

    /// The configuration that follows the files.
    #[must_use]
    pub fn config(&self) -> TlsConfig {
        self.config.clone()
    }

    /// Looks at the files until the program drains. Trouble is logged once per content.
    pub async fn follow(mut self, shutdown: Shutdown) {
        let mut interval = tokio::time::interval(RELOAD_INTERVAL);
        loop {
            tokio::select! {
                _ = interval.tick() => self.look(),
                () = shutdown.draining() => return,
            }
        }
    }

    fn look(&mut self) {
        let file = self.chain_file.display().to_string();
        match self.reload() {
            Ok(Reload::Unchanged) => {}
            Ok(Reload::Replaced) => tracing::info!(file, "serving a new certificate"),
            Err(error) => {
                let error = Chain(&error).to_string();
                tracing::error!(file, error, "keeping the last good certificate");
            }
        }
    }

    /// Serves what the files hold when it is new and good. An error leaves what is served as it is,
    /// and the same bad content is an error once.
    pub fn reload(&mut self) -> Result<Reload, TlsError> {
        let found = Pair::read(&self.chain_file, &self.key_file)?;
        if found == self.served || self.refused.as_ref() == Some(&found) {
            return Ok(Reload::Unchanged);
        }
        match found.config() {
            Ok(config) => {
                self.config.replace(config);
                self.served = found;
                self.refused = None;
                Ok(Reload::Replaced)
            }
            Err(error) => {
                self.refused = Some(found);
                Err(error)
            }
        }
    }
}

impl fmt::Debug for Certificates {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Certificates")
            .field("chain_file", &self.chain_file)
            .field("key_file", &self.key_file)
            .finish_non_exhaustive()
    }
}

impl Pair {
    fn read(chain_file: &Path, key_file: &Path) -> Result<Self, TlsError> {
        Ok(Self { chain: read(chain_file)?, key: read(key_file)? })
    }

    fn config(&self) -> Result<ServerConfig, TlsError> {
        server_config(&self.chain, &self.key)
    }
}

fn read(path: &Path) -> Result<Vec<u8>, TlsError> {
    std::fs::read(path).map_err(|source| TlsError::Unreadable { path: path.to_owned(), source })
}

#[cfg(test)]
mod tests {
    use rcgen::{CertifiedKey, generate_simple_self_signed};
    use tempfile::TempDir;

    use super::*;

    /// A chain and its key, as PEM.
    fn pair() -> (String, String) {
        let CertifiedKey { cert, signing_key } =
            generate_simple_self_signed(["localhost".to_owned()]).unwrap();
        (cert.pem(), signing_key.serialize_pem())
    }

    struct Files(TempDir);

    impl Files {
        fn holding((chain, key): (String, String)) -> Self {
            let files = Self(tempfile::tempdir().unwrap());
            files.put("tls.crt", &chain);
            files.put("tls.key", &key);
            files
        }

        fn put(&self, name: &str, text: &str) {
            std::fs::write(self.0.path().join(name), text).unwrap();
        }

        fn load(&self) -> Result<Certificates, TlsError> {
            let folder = self.0.path();
            Certificates::load(&folder.join("tls.crt"), &folder.join("tls.key"))
        }
    }

    #[test]
    fn each_unusable_pair_is_named() {
        let (chain, key) = pair();
        let refused =
            |chain: &str, key: &str| server_config(chain.as_bytes(), key.as_bytes()).unwrap_err();
        assert!(matches!(refused("", &key), TlsError::NoCertificate));
        assert!(matches!(refused(&key, &key), TlsError::NoCertificate));
        assert!(matches!(
            refused(&chain[..200], &key),
            TlsError::Chain(_) | TlsError::NoCertificate
        ));
        assert!(matches!(refused(&chain, ""), TlsError::Key(_)));
        assert!(matches!(refused(&chain, &pair().1), TlsError::Pair(_)));
    }

    #[test]
    fn a_missing_file_is_named_before_anything_is_served() {
        let error = Files(tempfile::tempdir().unwrap()).load().unwrap_err();
        assert!(error.to_string().ends_with("tls.crt"), "{error}");
    }

    #[test]
    fn a_new_pair_is_served_and_a_bad_one_is_not() {
        let files = Files::holding(pair());
        let mut certificates = files.load().unwrap();
        let served = certificates.config();
        let first = served.current();
        assert_eq!(certificates.reload().unwrap(), Reload::Unchanged);

        let (chain, key) = pair();
        files.put("tls.crt", &chain);
        assert!(matches!(certificates.reload(), Err(TlsError::Pair(_))), "half of a new pair");
        assert_eq!(certificates.reload().unwrap(), Reload::Unchanged, "said once");
        assert!(Arc::ptr_eq(&first, &served.current()), "the last good one stays");

        files.put("tls.key", &key);
        assert_eq!(certificates.reload().unwrap(), Reload::Replaced);
        assert!(!Arc::ptr_eq(&first, &served.current()));
    }
}
