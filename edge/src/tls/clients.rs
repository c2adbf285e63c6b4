//! Who may connect at all: anyone, or only those with a certificate of a given authority.

use std::{
    fmt,
    path::{Path, PathBuf},
    sync::Arc,
};

use rustls::{
    RootCertStore,
    server::{WebPkiClientVerifier, danger::ClientCertVerifier},
};

use super::{Reload, TlsError, chain_of, provider, read};

/// Whom a server lets into a TLS handshake.
#[derive(Clone, Default)]
pub struct Clients(Option<Authority>);

/// A PEM file of CAs, re-read by content.
#[derive(Clone)]
struct Authority {
    file: PathBuf,
    used: Vec<u8>,
    refused: Option<Vec<u8>>,
    verifier: Arc<dyn ClientCertVerifier>,
}

impl Clients {
    /// Everybody, with or without a certificate.
    #[must_use]
    pub fn anyone() -> Self {
        Self(None)
    }

    /// Only who shows a certificate signed by a CA of this PEM file.
    pub fn signed_by(file: &Path) -> Result<Self, TlsError> {
        let used = read(file)?;
        let verifier = verifier(file, &used)?;
        Ok(Self(Some(Authority { file: file.to_owned(), used, refused: None, verifier })))
    }

    /// Looks at the file again. An error leaves the CAs as they are, and the same bad content is an
    /// error once: a wrong file neither locks the right clients out nor lets others in.
    pub fn reload(&mut self) -> Result<Reload, TlsError> {
        let Some(authority) = &mut self.0 else {
            return Ok(Reload::Unchanged);
        };
        let found = match read(&authority.file) {
            Ok(found) => found,
            // Nothing to read is remembered like bad content: it is said once.
            Err(_) if authority.refused.as_ref().is_some_and(Vec::is_empty) => {
                return Ok(Reload::Unchanged);
            }
            Err(error) => {
                authority.refused = Some(Vec::new());
                return Err(error);
            }
        };
        if found == authority.used {
            authority.refused = None;
            return Ok(Reload::Unchanged);
        }
        if authority.refused.as_ref() == Some(&found) {
            return Ok(Reload::Unchanged);
        }
        match verifier(&authority.file, &found) {
            Ok(verifier) => {
                authority.verifier = verifier;
                authority.used = found;
                authority.refused = None;
                Ok(Reload::Replaced)
            }
            Err(error) => {
                authority.refused = Some(found);
                Err(error)
            }
        }
    }

    /// Whether the file holds what is in use.
    #[must_use]
    pub fn is_good(&self) -> bool {
        self.0.as_ref().is_none_or(|authority| authority.refused.is_none())
    }

    pub(super) fn verifier(&self) -> Arc<dyn ClientCertVerifier> {
        match &self.0 {
            Some(authority) => Arc::clone(&authority.verifier),
            None => WebPkiClientVerifier::no_client_auth(),
        }
    }
}

fn verifier(file: &Path, pem: &[u8]) -> Result<Arc<dyn ClientCertVerifier>, TlsError> {
    let mut roots = RootCertStore::empty();
    roots.add_parsable_certificates(chain_of(pem)?);
    let built = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider()).build();
    built
        .map(|verifier| verifier as Arc<dyn ClientCertVerifier>)
        .map_err(|source| TlsError::ClientCa { path: file.to_owned(), source })
}

impl fmt::Debug for Clients {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let file = self.0.as_ref().map(|authority| &authority.file);
        f.debug_tuple("Clients").field(&file).finish()
    }
}
