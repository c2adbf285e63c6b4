//! How people sign in with a browser: OpenID Connect's authorization code flow with PKCE, and a
//! session that lives in encrypted cookies alone, so that any replica serves any request.
//!
//! Pure parts: `cookie`, `guard`, `next`, `pkce`, `seal`, `session`.

mod args;
pub(crate) mod backchannel;
mod cookie;
mod desk;
pub(crate) mod guard;
mod keep;
mod key_secret;
mod next;
mod pkce;
mod provider;
mod refresh;
pub(crate) mod routes;
mod seal;
mod session;
mod signed_out;
mod site;

use std::sync::Arc;

use edge::{
    client::Fetcher,
    oidc::{Rejection, Token, UnixTime, Verified, Verifier},
    program::Chain,
};
use http::{HeaderMap, HeaderValue};

pub use self::{
    args::{InvalidLogin, LoginArgs, LoginConfig, PublicUrl, Secret, public_url},
    key_secret::{CookieKeys, KeepKeys},
    seal::{InvalidKeys, Keys},
    signed_out::{SessionHash, SignedOut},
};
use self::{
    provider::{Provider, ProviderFault, Tokens},
    refresh::Refresher,
    site::Sites,
};
use crate::streams::Streams;
pub(crate) use keep::keep_open;
pub(crate) use next::sanitised;
pub(crate) use provider::{discover, reached_at};
pub(crate) use session::BrowserSession;
pub(crate) use site::Site;

/// The login of one spawner.
#[derive(Debug)]
pub struct Login {
    sites: Sites,
    keys: CookieKeys,
    provider: Arc<Provider>,
    refresher: Refresher,
    signed_out: SignedOut,
    streams: Streams,
}

/// A request of a signed-in browser.
#[derive(Debug)]
pub(crate) struct Visit {
    pub(crate) token: Token,
    pub(crate) verified: Verified,
    pub(crate) browser: Browser,
    /// To be set in the answer, after a refresh.
    pub(crate) cookies: Vec<HeaderValue>,
}

/// What is known of a signed-in browser, beside its token.
pub(crate) struct Browser {
    session: BrowserSession,
    site: Site,
}

/// Why a browser's cookies do not speak for it.
#[derive(Debug)]
pub(crate) enum NoVisit {
    /// It never signed in, or its cookies are nothing that we sealed.
    SignedOut,
    /// It was signed in. Keycloak has ended the session, or it ended by itself.
    Ended,
    /// The request is not for an address of ours.
    OtherHost,
    /// The token has to be renewed, and nobody can do that now. The session stays.
    Unavailable(ProviderFault),
    /// Nothing can be verified yet.
    NotYet,
}

impl NoVisit {
    /// The refusal, for the audit log; an issuer that is down refuses nobody.
    pub(crate) fn refusal(&self) -> Option<&'static str> {
        match self {
            Self::SignedOut => Some("no_session"),
            Self::Ended => Some("session_ended"),
            Self::OtherHost => Some("other_host"),
            Self::Unavailable(_) | Self::NotYet => None,
        }
    }
}

impl Login {
    /// Puts a login together. Nothing is asked of the issuer yet.
    #[must_use]
    pub fn new(
        config: LoginConfig,
        issuer: &str,
        fetcher: Fetcher,
        keys: CookieKeys,
        signed_out: SignedOut,
        streams: Streams,
    ) -> Self {
        let LoginConfig {
            public_url, control_url, client_id, client_secret, internal_issuer, ..
        } = config;
        let sites = Sites { workspaces: public_url, control: control_url };
        let client = (client_id, client_secret);
        let provider = Arc::new(Provider::new(fetcher, issuer, internal_issuer, client));
        let refresher = Refresher::new(Arc::clone(&provider));
        Self { sites, keys, provider, refresher, signed_out, streams }
    }

    /// Scheme, host and port of an address.
    pub(crate) fn origin(&self, site: Site) -> &str {
        self.sites.origin(site)
    }

    /// The same of the control address, if there is one.
    pub(crate) fn control(&self) -> Option<&str> {
        self.sites.control.as_ref().map(PublicUrl::origin)
    }

    /// The address that a request names, if it is one of ours.
    pub(crate) fn site_of(&self, headers: &HeaderMap, uri: &http::Uri) -> Option<Site> {
        self.sites.of(headers, uri)
    }

    /// Where a browser goes to sign in, so far as a page's policy has to allow it.
    pub(crate) fn issuer_origin(&self) -> Option<String> {
        let issuer: http::Uri = self.provider.issuer().parse().ok()?;
        Some(format!("{}://{}", issuer.scheme_str()?, issuer.authority()?))
    }

    /// Whether the request carries what may be a session.
    pub(crate) fn has_session(headers: &HeaderMap) -> bool {
        cookie::has_session(headers)
    }

    /// `Set-Cookie`s that end the session that the browser sent.
    pub(crate) fn clear(headers: &HeaderMap) -> Vec<HeaderValue> {
        cookie::clear_session(headers)
    }

    /// Whether a `Set-Cookie` is about one of ours.
    pub(crate) fn sets_ours(value: &HeaderValue) -> bool {
        cookie::sets_ours(value)
    }

    /// Who a browser at this address is, by its cookies; with fresh tokens when they are due.
    pub(crate) async fn visit(
        &self,
        site: Site,
        headers: &HeaderMap,
        verifier: &Verifier,
    ) -> Result<Visit, NoVisit> {
        let keys = self.keys.now().ok_or(NoVisit::NotYet)?;
        let sent = BrowserSession::of(headers, &keys, site).ok_or(NoVisit::SignedOut)?;
        // An open stream may have been kept with fresh tokens, of which the browser knows nothing.
        let newer = self.streams.newer_than(&sent);
        let is_news = newer.is_some();
        let session = newer.unwrap_or(sent);
        let current = self.current(&session, verifier).await;
        if current.as_ref().is_ok_and(|(_, verified)| self.has_ended(verified)) {
            return Err(NoVisit::Ended);
        }
        if !session.is_due(UnixTime::now())
            && let Ok((token, verified)) = current
        {
            let cookies =
                if is_news { kept_in(&session, headers, &keys, site)? } else { Vec::new() };
            return Ok(Visit { token, verified, browser: Browser { session, site }, cookies });
        }
        let (session, token, verified) = match self.renew(&session, verifier).await {
            Ok(renewed) => renewed,
            // A pause of the issuer is outlived while the token is good.
            Err(NoVisit::Unavailable(fault)) => match current {
                Ok((token, verified)) => (session, token, verified),
                Err(_) => return Err(NoVisit::Unavailable(fault)),
            },
            Err(ended) => return Err(ended),
        };
        let cookies = kept_in(&session, headers, &keys, site)?;
        Ok(Visit { token, verified, browser: Browser { session, site }, cookies })
    }

    async fn current(
        &self,
        session: &BrowserSession,
        verifier: &Verifier,
    ) -> Result<(Token, Verified), Rejection> {
        let token = Token::from_text(session.access_token())?;
        let verified = verifier.verify(&token).await?;
        Ok((token, verified))
    }

    async fn renew(
        &self,
        session: &BrowserSession,
        verifier: &Verifier,
    ) -> Result<(BrowserSession, Token, Verified), NoVisit> {
        let refresh_token = session.refresh_token().ok_or(NoVisit::Ended)?;
        let tokens = self.refresher.refresh(refresh_token).await.map_err(|fault| {
            if fault == ProviderFault::InvalidGrant {
                return NoVisit::Ended;
            }
            tracing::warn!(fault = %Chain(&fault), "a session cannot be renewed now");
            NoVisit::Unavailable(fault)
        })?;
        let (token, verified) = accepted(&tokens, verifier).await?;
        if self.has_ended(&verified) || !session.is_of(&verified) {
            return Err(NoVisit::Ended);
        }
        Ok((session.renewed(tokens, &verified), token, verified))
    }

    fn has_ended(&self, verified: &Verified) -> bool {
        let session = verified.session.as_deref().map(SessionHash::of);
        session.is_some_and(|session| self.signed_out.contains(&session))
    }
}

/// The cookies that hold a renewed session.
fn kept_in(
    session: &BrowserSession,
    headers: &HeaderMap,
    keys: &Keys,
    site: Site,
) -> Result<Vec<HeaderValue>, NoVisit> {
    session.cookies(headers, keys, site).map_err(|error| {
        tracing::error!(%error, "a renewed session cannot be kept");
        NoVisit::Ended
    })
}

/// The access token among `tokens`, verified like any other.
async fn accepted(tokens: &Tokens, verifier: &Verifier) -> Result<(Token, Verified), NoVisit> {
    let verdict = async {
        let token = Token::from_text(&tokens.access_token)?;
        let verified = verifier.verify(&token).await?;
        Ok((token, verified))
    };
    verdict.await.map_err(|rejection: Rejection| {
        tracing::warn!(reason = rejection.reason(), %rejection, "the issuer's own token is refused");
        if rejection == Rejection::KeysUnavailable { NoVisit::NotYet } else { NoVisit::Ended }
    })
}

impl Browser {
    /// What every change under `/-/` has to repeat.
    pub(crate) fn csrf(&self) -> &str {
        self.session.csrf()
    }

    pub(crate) fn session(&self) -> &BrowserSession {
        &self.session
    }

    /// Where it is signed in.
    pub(crate) fn site(&self) -> Site {
        self.site
    }

    fn id_token(&self) -> Option<&str> {
        self.session.id_token()
    }
}

impl std::fmt::Debug for Browser {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Browser(..)")
    }
}
