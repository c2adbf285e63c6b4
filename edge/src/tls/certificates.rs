//! A certificate and its key in files that change while they are served: a Secret volume.

use std::{
    fmt,
    path::{Path, PathBuf},
};

use rustls::ServerConfig;
use rustls_pki_types::CertificateDer;

use super::{Clients, Reload, TlsConfig, TlsError, chain_of, read, server_config_for};

/// A certificate chain and key in two files, re-read by content.
pub struct Certificates {
    chain_file: PathBuf,
    key_file: PathBuf,
    clients: Clients,
    served: Pair,
    refused: Option<Pair>,
    config: TlsConfig,
}

/// What both files held.
#[derive(Default, PartialEq, Eq)]
struct Pair {
    chain: Vec<u8>,
    key: Vec<u8>,
}

impl Certificates {
    /// Reads both files, so that a wrong certificate is known before the port is bound.
    pub fn load(chain_file: &Path, key_file: &Path, clients: Clients) -> Result<Self, TlsError> {
        let served = Pair::read(chain_file, key_file)?;
        let config = TlsConfig::new(served.config(&clients)?);
        Ok(Self {
            chain_file: chain_file.to_owned(),
            key_file: key_file.to_owned(),
            clients,
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

    /// The chain that is served, leaf first.
    pub fn chain(&self) -> Result<Vec<CertificateDer<'static>>, TlsError> {
        chain_of(&self.served.chain)
    }

    /// Whether the files hold what is in use.
    #[must_use]
    pub fn is_good(&self) -> bool {
        self.refused.is_none() && self.clients.is_good()
    }

    /// Serves what the files hold when it is new and good. An error leaves what is served as it is,
    /// and the same bad content is an error once.
    pub fn reload(&mut self) -> Result<Reload, TlsError> {
        let clients = self.clients.reload();
        let pair = self.reload_pair(matches!(clients, Ok(Reload::Replaced)));
        match (clients?, pair?) {
            (Reload::Unchanged, Reload::Unchanged) => Ok(Reload::Unchanged),
            _ => Ok(Reload::Replaced),
        }
    }

    fn reload_pair(&mut self, clients_changed: bool) -> Result<Reload, TlsError> {
        let found = match Pair::read(&self.chain_file, &self.key_file) {
            Ok(found) => found,
            Err(error) => {
                self.apply_clients(clients_changed)?;
                // Nothing to read is remembered like bad content: it is said once.
                let said = self.refused.replace(Pair::default()) == Some(Pair::default());
                return if said { Ok(Reload::Unchanged) } else { Err(error) };
            }
        };
        if found == self.served {
            self.refused = None;
        }
        if found == self.served || self.refused.as_ref() == Some(&found) {
            self.apply_clients(clients_changed)?;
            return Ok(Reload::Unchanged);
        }
        match found.config(&self.clients) {
            Ok(config) => {
                self.config.replace(config);
                self.served = found;
                self.refused = None;
                Ok(Reload::Replaced)
            }
            Err(error) => {
                self.refused = Some(found);
                self.apply_clients(clients_changed)?;
                Err(error)
            }
        }
    }

    /// The certificate stays, and whom it is shown to is new.
    fn apply_clients(&self, changed: bool) -> Result<(), TlsError> {
        if changed {
            self.config.replace(self.served.config(&self.clients)?);
        }
        Ok(())
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

    fn config(&self, clients: &Clients) -> Result<ServerConfig, TlsError> {
        server_config_for(clients, &self.chain, &self.key)
    }
}
