//! The cookie keys, in a Secret of the spawner's own namespace. The first replica that misses it
//! makes it; nobody else writes it, so a rendered chart or an upgrade never rotates it. An operator
//! rotates by putting a new line on top, and removes old lines later.

use std::{collections::BTreeMap, fmt, str, sync::Arc, time::Duration};

use arc_swap::ArcSwapOption;
use contract::label;
use edge::{program::Chain, readiness::Gate};
use k8s_openapi::{ByteString, api::core::v1::Secret};
use kube::{Api, Client, api::PostParams};

use super::{InvalidKeys, Keys, seal::NoRandom};

/// The key of the list in the Secret.
const DATA_KEY: &str = "keys";
/// How often the Secret is read again; a rotation is in use everywhere after this time.
const INTERVAL: Duration = Duration::from_secs(60);
/// How soon after a failure.
const AGAIN: Duration = Duration::from_secs(2);

/// The keys in use. Clones look at the same.
#[derive(Clone, Default)]
pub struct CookieKeys {
    current: Arc<ArcSwapOption<Keys>>,
}

/// What keeping the keys up to date needs.
pub struct KeepKeys {
    /// Reads and makes the Secret.
    pub client: Client,
    /// The spawner's own namespace.
    pub namespace: String,
    /// The Secret.
    pub name: String,
    /// Where the keys go.
    pub keys: CookieKeys,
    /// Opens with the first keys.
    pub gate: Gate,
}

#[derive(Debug, thiserror::Error)]
enum NoKeys {
    #[error("{0}")]
    Api(String),
    #[error("it has no key `{DATA_KEY}`")]
    Missing,
    #[error(transparent)]
    Invalid(#[from] InvalidKeys),
    #[error(transparent)]
    NoRandom(#[from] NoRandom),
}

impl CookieKeys {
    /// The keys; `None` before the first were read.
    #[must_use]
    pub fn now(&self) -> Option<Arc<Keys>> {
        self.current.load_full()
    }
}

impl KeepKeys {
    /// Keeps the keys up to date for as long as the future is polled. What is there stays in use
    /// while the Secret cannot be read.
    pub async fn run(self) {
        let api: Api<Secret> = Api::namespaced(self.client.clone(), &self.namespace);
        loop {
            let pause = match self.read(&api).await {
                Ok(keys) => {
                    self.keys.current.store(Some(Arc::new(keys)));
                    self.gate.ready();
                    INTERVAL
                }
                Err(error) => {
                    let error = format!("Secret {}: {}", self.name, Chain(&error));
                    tracing::warn!(error, "the cookie keys cannot be read");
                    if self.keys.now().is_none() {
                        self.gate.not_ready(error);
                    }
                    AGAIN
                }
            };
            tokio::time::sleep(pause).await;
        }
    }

    async fn read(&self, api: &Api<Secret>) -> Result<Keys, NoKeys> {
        let api_error = |error: kube::Error| NoKeys::Api(words(error));
        let secret = match api.get_opt(&self.name).await.map_err(api_error)? {
            Some(secret) => secret,
            None => self.make(api).await?,
        };
        let data = secret.data.unwrap_or_default();
        let ByteString(list) = data.get(DATA_KEY).ok_or(NoKeys::Missing)?;
        Ok(Keys::parse(str::from_utf8(list).unwrap_or_default())?)
    }

    /// Makes the Secret, or reads the one that another replica made first.
    async fn make(&self, api: &Api<Secret>) -> Result<Secret, NoKeys> {
        let key = ByteString(Keys::generate()?.into_bytes());
        let mut secret = Secret {
            data: Some(BTreeMap::from([(DATA_KEY.to_owned(), key)])),
            type_: Some("Opaque".to_owned()),
            ..Secret::default()
        };
        secret.metadata.name = Some(self.name.clone());
        let managed = (label::MANAGED_BY.to_owned(), label::MANAGED_BY_SPAWNER.to_owned());
        secret.metadata.labels = Some(BTreeMap::from([managed]));
        match api.create(&PostParams::default(), &secret).await {
            Ok(_) => {
                tracing::info!(secret = self.name, "made the cookie keys");
                Ok(secret)
            }
            Err(kube::Error::Api(status)) if status.code == 409 => {
                api.get(&self.name).await.map_err(|error| NoKeys::Api(words(error)))
            }
            Err(error) => Err(NoKeys::Api(words(error))),
        }
    }
}

/// Not what a parser says: it could repeat a key.
fn words(error: kube::Error) -> String {
    match error {
        kube::Error::Api(status) => status.message,
        kube::Error::SerdeError(_) => "the API server's answer is not understood".to_owned(),
        other => Chain(&other).to_string(),
    }
}

impl fmt::Debug for CookieKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("CookieKeys")
    }
}

impl fmt::Debug for KeepKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("KeepKeys").field("name", &self.name).finish_non_exhaustive()
    }
}
