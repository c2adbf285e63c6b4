#[cfg(test)]
mod tests;

use std::{sync::Arc, time::Duration};

use prometheus_client::registry::Registry;
use tokio_util::task::AbortOnDropHandle;

use super::{
    IdTokenFault, KeyFileError, KeySet, Login, Logout, LogoutPolicy, LogoutRejection, OidcArgs,
    Policy, Rejection, Token, UnixTime, Verified,
    args::KeyArgs,
    cache::VerdictCache,
    signed::{TokenKind, signed_claims},
    source::Source,
    store::{KeyStore, Loaded},
    verify,
};
use crate::{
    client::{CaError, Fetcher},
    readiness::Gate,
    shutdown::Shutdown,
};

/// Verifies tokens with keys that it keeps fresh by itself.
#[derive(Debug)]
pub struct Verifier {
    policy: Policy,
    store: Arc<KeyStore>,
    accepted: VerdictCache,
    _keep_fresh: AbortOnDropHandle<()>,
}

/// What keeps a verifier from starting. An issuer that is down does not.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// The extra CA certificates.
    #[error("--ca-file")]
    Ca(#[from] CaError),
    /// The key set file.
    #[error("--jwks-file")]
    Keys(#[from] KeyFileError),
}

/// How often a key file is read again at least: it costs nobody anything.
const FILE_INTERVAL: Duration = Duration::from_secs(30);

impl Verifier {
    /// Starts to keep keys. Must be called within the async runtime.
    ///
    /// `gate` opens with the first keys and says until then what is missing; it closes again when
    /// an outage outlasts the keys.
    ///
    /// # Errors
    /// When a file that was named cannot be used. An unreachable issuer is no error: requests get
    /// [`Rejection::KeysUnavailable`] until it answers.
    pub fn start(args: OidcArgs, gate: Gate, shutdown: Shutdown) -> Result<Arc<Self>, ConfigError> {
        let policy = args.policy.policy();
        let store = Arc::new(KeyStore::new(args.keys.jwks_max_age));
        let mut interval = args.keys.jwks_refresh;
        let source = source_of(args.keys, &policy.issuer)?;
        if let Source::File(path) = &source {
            store.put(KeySet::from_file(path)?);
            gate.ready();
            interval = interval.min(FILE_INTERVAL);
        }
        let keep_fresh = tokio::spawn({
            let store = Arc::clone(&store);
            // Not until the drain only: requests that are still served need keys too.
            async move {
                tokio::select! {
                    () = store.keep_fresh(source, interval, gate) => {}
                    () = shutdown.aborting() => {}
                }
            }
        });
        let accepted = VerdictCache::new();
        Ok(Arc::new(Self {
            policy,
            store,
            accepted,
            _keep_fresh: AbortOnDropHandle::new(keep_fresh),
        }))
    }

    /// Decides about an access token now. Waits for fresh keys only when it names an unknown one.
    ///
    /// # Errors
    /// Why the token is refused.
    pub async fn verify(&self, token: &Token) -> Result<Verified, Rejection> {
        self.with_keys(|loaded| self.verdict(token, loaded)).await
    }

    /// Decides about a logout token now, of the same issuer, for the client `client`.
    ///
    /// # Errors
    /// Why it is not believed.
    pub async fn verify_logout(
        &self,
        token: &Token,
        client: &str,
    ) -> Result<Logout, LogoutRejection> {
        let signed = |loaded: &Arc<Loaded>| signed_claims(token, &loaded.keys, TokenKind::Logout);
        let claims = self.with_keys(signed).await?;
        let Policy { issuer, leeway, .. } = &self.policy;
        LogoutPolicy { issuer, client, leeway: *leeway }.check(&claims, UnixTime::now())
    }

    /// Decides about the ID token that ends `login`.
    ///
    /// # Errors
    /// Why it does not.
    pub async fn verify_id_token(
        &self,
        token: &Token,
        login: Login<'_>,
    ) -> Result<(), IdTokenFault> {
        let signed = |loaded: &Arc<Loaded>| signed_claims(token, &loaded.keys, TokenKind::Id);
        let claims = self.with_keys(signed).await?;
        login.check(token, &claims, &self.policy, UnixTime::now())
    }

    /// What a token must say to be accepted.
    #[must_use]
    pub const fn policy(&self) -> &Policy {
        &self.policy
    }

    /// Adds `openclaw_jwks_fetch_total` and `openclaw_jwks_age_seconds`.
    pub fn register(&self, registry: &mut Registry) {
        self.store.metrics.register(registry);
    }

    /// Decides with the keys there are; if others could change the verdict, with fresh ones. A
    /// signature that is wrong under a known key never leads to a fetch.
    pub(super) async fn with_keys<T>(
        &self,
        verdict: impl Fn(&Arc<Loaded>) -> Result<T, Rejection>,
    ) -> Result<T, Rejection> {
        let verdict = || verdict(&self.store.current().ok_or(Rejection::KeysUnavailable)?);
        match verdict() {
            Err(Rejection::UnknownKey | Rejection::KeysUnavailable) => {}
            settled => return settled,
        }
        let joined = self.store.refresh().await;
        match verdict() {
            Err(Rejection::UnknownKey) if joined => {}
            settled => return settled,
        }
        self.store.refresh().await;
        verdict()
    }

    fn verdict(&self, token: &Token, loaded: &Arc<Loaded>) -> Result<Verified, Rejection> {
        let now = UnixTime::now();
        if let Some(verified) = self.accepted.find(token, loaded, now) {
            return Ok(verified);
        }
        let verified = verify(token, &loaded.keys, &self.policy, now)?;
        self.accepted.accept(token, loaded, &verified);
        Ok(verified)
    }
}

fn source_of(args: KeyArgs, issuer: &str) -> Result<Source, ConfigError> {
    let KeyArgs { jwks_url, jwks_file, jwks_refresh: _, jwks_max_age: _, ca_file } = args;
    if let Some(path) = jwks_file {
        return Ok(Source::File(path));
    }
    let fetcher = Fetcher::new(ca_file.as_deref())?;
    Ok(match jwks_url {
        Some(url) => Source::Url { fetcher, url },
        None => Source::Discovery { fetcher, issuer: issuer.to_owned(), found: None },
    })
}
