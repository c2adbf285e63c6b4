#[cfg(test)]
mod fetch_tests;

use std::{path::PathBuf, time::Duration};

use serde_json::Value;

use super::{KeyFileError, KeySet, KeySetError, json};
use crate::client::{FetchError, Fetcher};

/// Where an issuer's keys are read from.
#[derive(Debug)]
pub(super) enum Source {
    /// A file, mounted or written by somebody else.
    File(PathBuf),
    /// A fixed address.
    Url { fetcher: Fetcher, url: String },
    /// The address in the issuer's discovery document (OpenID Connect Discovery 1.0 section 4).
    Discovery { fetcher: Fetcher, issuer: String, found: Option<String> },
}

/// Why there are no fresh keys.
#[derive(Debug, thiserror::Error)]
pub(super) enum SourceError {
    /// The document could not be had.
    #[error(transparent)]
    Fetch(#[from] FetchError),
    /// The file cannot be used.
    #[error(transparent)]
    File(#[from] KeyFileError),
    /// What came is not a key set, or not a usable one.
    #[error("{from} is not usable")]
    Keys {
        /// The URL.
        from: String,
        /// What is wrong with it.
        source: KeySetError,
    },
    /// The discovery document is not JSON.
    #[error("{url} is not a discovery document")]
    NotDiscovery {
        /// Where it was.
        url: String,
        /// What is wrong with it.
        source: serde_json::Error,
    },
    /// The discovery document is another issuer's, or names the issuer differently.
    #[error(
        "{url} is about the issuer {found:?}, not {expected:?}; the two must be equal to the letter"
    )]
    OtherIssuer {
        /// Where it was.
        url: String,
        /// What it says.
        found: String,
        /// What is configured.
        expected: String,
    },
    /// The discovery document has no `jwks_uri`, or one that leaves https.
    #[error("{url} has no acceptable `jwks_uri` (found {found:?})")]
    NoKeysUrl {
        /// Where it was.
        url: String,
        /// What it says.
        found: String,
    },
}

/// Discovery documents have about 6 KB.
const MAX_DISCOVERY_BYTES: usize = 256 * 1024;
/// Longest wait for one document.
const TIMEOUT: Duration = Duration::from_secs(4);

impl Source {
    /// Reads the keys as they are now.
    pub(super) async fn load(&mut self) -> Result<KeySet, SourceError> {
        match self {
            Self::File(path) => Ok(KeySet::from_file(path)?),
            Self::Url { fetcher, url } => fetch_keys(fetcher, url).await,
            Self::Discovery { fetcher, issuer, found } => {
                let url = match found.take() {
                    Some(url) => url,
                    None => discover(fetcher, issuer).await?,
                };
                let keys = fetch_keys(fetcher, &url).await?;
                // Remembered only while it works: a moved key set is found again.
                *found = Some(url);
                Ok(keys)
            }
        }
    }
}

async fn fetch_keys(fetcher: &Fetcher, url: &str) -> Result<KeySet, SourceError> {
    let jwks = fetcher.get_json_bytes(url, KeySet::MAX_BYTES, TIMEOUT).await?;
    KeySet::parse(&jwks).map_err(|source| SourceError::Keys { from: url.to_owned(), source })
}

/// Asks the issuer where its keys are.
async fn discover(fetcher: &Fetcher, issuer: &str) -> Result<String, SourceError> {
    let url = format!("{}/.well-known/openid-configuration", issuer.trim_end_matches('/'));
    let document = fetcher.get_json_bytes(&url, MAX_DISCOVERY_BYTES, TIMEOUT).await?;
    keys_url(&document, issuer, url)
}

/// The `jwks_uri` of a discovery document that is about `issuer`.
fn keys_url(document: &[u8], issuer: &str, url: String) -> Result<String, SourceError> {
    let document = match json::object(document) {
        Ok(document) => document,
        Err(source) => return Err(SourceError::NotDiscovery { url, source }),
    };
    let text = |name| document.get(name).and_then(Value::as_str).unwrap_or_default();
    let (found, keys) = (text("issuer"), text("jwks_uri"));
    if found != issuer {
        let (found, expected) = (found.to_owned(), issuer.to_owned());
        return Err(SourceError::OtherIssuer { url, found, expected });
    }
    // An https issuer vouches for its keys only over https.
    let secure = keys.starts_with("https://");
    let allowed = secure || (keys.starts_with("http://") && issuer.starts_with("http://"));
    if allowed {
        Ok(keys.to_owned())
    } else {
        Err(SourceError::NoKeysUrl { url, found: keys.to_owned() })
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn found(issuer: &str, document: Value) -> Result<String, String> {
        keys_url(document.to_string().as_bytes(), issuer, "U".to_owned())
            .map_err(|error| error.to_string())
    }

    #[test]
    fn discovery_must_be_about_the_configured_issuer() {
        let document = json!({"issuer": "https://id/realms/acme", "jwks_uri": "https://id/certs"});
        assert_eq!(
            found("https://id/realms/acme", document.clone()),
            Ok("https://id/certs".to_owned())
        );
        let error = found("https://id/realms/acme/", document).unwrap_err();
        assert!(error.contains("equal to the letter"), "{error}");
        assert!(found("https://id", json!({})).unwrap_err().contains("issuer \"\""));
    }

    #[test]
    fn keys_of_an_https_issuer_come_over_https() {
        for (issuer, keys, good) in [
            ("https://id", json!("https://keys/certs"), true),
            ("http://id", json!("http://id/certs"), true),
            ("http://id", json!("https://id/certs"), true),
            ("https://id", json!("http://id/certs"), false),
            ("https://id", json!("file:///etc/passwd"), false),
            ("https://id", json!(["https://id/certs"]), false),
        ] {
            let outcome = found(issuer, json!({"issuer": issuer, "jwks_uri": keys}));
            assert_eq!(outcome.is_ok(), good, "{issuer} {keys} {outcome:?}");
        }
    }
}
