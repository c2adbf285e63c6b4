//! What a browser's session holds, and what a login that has begun remembers. Both live in cookies
//! only, so any replica can go on with them.

use std::time::Duration;

use edge::oidc::{UnixTime, Verified};
use http::{HeaderMap, HeaderValue};
use serde::{Deserialize, Serialize, de::DeserializeOwned};

use super::{
    cookie,
    next::sanitised,
    pkce::random_text,
    provider::Tokens,
    seal::{Keys, NoRandom, Purpose},
    site::Site,
};

/// A signed-in browser.
#[derive(Clone, Serialize, Deserialize)]
pub(crate) struct BrowserSession {
    access: String,
    refresh: Option<String>,
    /// Whose it is, and of which login: fresh tokens have to say the same.
    user: String,
    sid: Option<String>,
    /// Only for the issuer, to say at sign-out which session ends.
    id: Option<String>,
    /// When fresh tokens are due, in seconds since 1970.
    renew_at: u64,
    csrf: String,
}

/// A login that has begun.
#[derive(Clone, Serialize, Deserialize)]
pub(crate) struct Attempt {
    pub(crate) state: String,
    pub(crate) nonce: String,
    pub(crate) verifier: String,
    pub(crate) next: String,
    /// Seconds since 1970.
    until: u64,
}

/// The session does not fit into cookies.
#[derive(Debug, thiserror::Error)]
pub(crate) enum NotSet {
    #[error("the tokens are too large for cookies; give the client fewer roles and claims")]
    TooLarge,
    #[error(transparent)]
    NoRandom(#[from] NoRandom),
}

impl BrowserSession {
    /// The session that begins with these tokens. `verified` is what the access token says.
    pub(crate) fn new(tokens: Tokens, verified: &Verified) -> Result<Self, NoRandom> {
        let Tokens { access_token, refresh_token, id_token } = tokens;
        Ok(Self {
            access: access_token,
            refresh: refresh_token,
            user: verified.user.to_string(),
            sid: verified.session.clone(),
            id: id_token,
            renew_at: renew_at(verified),
            csrf: random_text()?,
        })
    }

    /// The same session with fresh tokens. What the issuer does not renew stays (RFC 6749 section 6).
    pub(crate) fn renewed(&self, tokens: Tokens, verified: &Verified) -> Self {
        let Tokens { access_token, refresh_token, id_token } = tokens;
        Self {
            access: access_token,
            refresh: refresh_token.or_else(|| self.refresh.clone()),
            id: id_token.or_else(|| self.id.clone()),
            renew_at: renew_at(verified),
            ..self.clone()
        }
    }

    /// Whether a token is of this very session.
    pub(crate) fn is_of(&self, verified: &Verified) -> bool {
        self.user == verified.user.as_str() && self.sid == verified.session
    }

    /// Reads the session of a request. `None` for none, for one that is not whole and for another
    /// address's.
    pub(crate) fn of(headers: &HeaderMap, keys: &Keys, site: Site) -> Option<Self> {
        open(keys, site.session(), &cookie::session(headers)?)
    }

    /// The cookies that hold it from now on. Where that is too much, the ID token goes first: only
    /// the issuer's question at sign-out depends on it.
    pub(crate) fn cookies(
        &self,
        headers: &HeaderMap,
        keys: &Keys,
        site: Site,
    ) -> Result<Vec<HeaderValue>, NotSet> {
        let whole = seal(keys, site.session(), self)?;
        if let Some(set) = cookie::set_session(headers, &whole) {
            return Ok(set);
        }
        let smaller = seal(keys, site.session(), &Self { id: None, ..self.clone() })?;
        cookie::set_session(headers, &smaller).ok_or(NotSet::TooLarge)
    }

    pub(crate) fn access_token(&self) -> &str {
        &self.access
    }

    pub(crate) fn refresh_token(&self) -> Option<&str> {
        self.refresh.as_deref()
    }

    pub(crate) fn id_token(&self) -> Option<&str> {
        self.id.as_deref()
    }

    /// Of which login it is, where the issuer says so.
    pub(crate) fn sid(&self) -> Option<&str> {
        self.sid.as_deref()
    }

    /// Whether it is of the same login, with later tokens.
    pub(crate) fn is_newer_than(&self, other: &Self) -> bool {
        self.user == other.user && self.sid == other.sid && self.renew_at > other.renew_at
    }

    /// The same session with the tokens of a newer one.
    pub(crate) fn with_tokens_of(&self, newer: &Self) -> Self {
        Self { csrf: self.csrf.clone(), ..newer.clone() }
    }

    pub(crate) fn csrf(&self) -> &str {
        &self.csrf
    }

    pub(crate) fn is_due(&self, now: UnixTime) -> bool {
        now.as_secs() >= self.renew_at
    }

    /// How long until then.
    pub(crate) fn due_in(&self, now: UnixTime) -> Duration {
        now.until(UnixTime::from_secs(self.renew_at))
    }
}

/// After two thirds of its life, so that a pause of the issuer is outlived.
fn renew_at(verified: &Verified) -> u64 {
    let now = UnixTime::now();
    let life = now.until(verified.expires_at);
    now.plus(life * 2 / 3).as_secs()
}

impl Attempt {
    /// A login that leads back to `next`.
    pub(crate) fn begin(next: &str) -> Result<Self, NoRandom> {
        let until = UnixTime::now().plus(Duration::from_secs(cookie::LOGIN_SECONDS)).as_secs();
        Ok(Self {
            state: random_text()?,
            nonce: random_text()?,
            verifier: random_text()?,
            next: sanitised(next).to_owned(),
            until,
        })
    }

    /// The login of a browser that comes back with `state` to where it began.
    pub(crate) fn of(headers: &HeaderMap, keys: &Keys, state: &str, site: Site) -> Option<Self> {
        let attempt: Self = open(keys, site.login(), cookie::login(headers, state)?)?;
        let fits = attempt.state == state && UnixTime::now().as_secs() < attempt.until;
        fits.then_some(attempt)
    }

    /// The cookies that remember it.
    pub(crate) fn cookies(
        &self,
        headers: &HeaderMap,
        keys: &Keys,
        site: Site,
    ) -> Result<Vec<HeaderValue>, NoRandom> {
        Ok(cookie::set_login(headers, &self.state, &seal(keys, site.login(), self)?))
    }
}

fn seal(keys: &Keys, purpose: Purpose, content: &impl Serialize) -> Result<String, NoRandom> {
    // Texts and numbers always serialize.
    keys.seal(purpose, &serde_json::to_vec(content).unwrap_or_default())
}

fn open<T: DeserializeOwned>(keys: &Keys, purpose: Purpose, sealed: &str) -> Option<T> {
    serde_json::from_slice(&keys.open(purpose, sealed)?).ok()
}

#[cfg(test)]
mod tests {
    use http::header;

    use super::*;

    const HERE: Site = Site::Workspaces;

    fn keys() -> Keys {
        Keys::parse(&Keys::generate().unwrap()).unwrap()
    }

    fn verified(life: u64) -> Verified {
        let now = UnixTime::now();
        let expires_at = now.plus(Duration::from_secs(life));
        Verified {
            user: edge::oidc::testing::ALICE.parse().unwrap(),
            subject: None,
            session: None,
            id: None,
            authorized_party: None,
            issued_at: now,
            expires_at,
            accepted_from: now,
            accepted_until: expires_at,
        }
    }

    fn session(access: usize, id: usize) -> BrowserSession {
        let tokens = Tokens {
            access_token: "a".repeat(access),
            refresh_token: Some("refresh".to_owned()),
            id_token: Some("i".repeat(id)),
        };
        BrowserSession::new(tokens, &verified(300)).unwrap()
    }

    /// What a browser would send back.
    fn sent(set: &[HeaderValue]) -> HeaderMap {
        let pair =
            |line: &HeaderValue| line.to_str().unwrap().split(';').next().unwrap().to_owned();
        set.iter().map(|line| (header::COOKIE, pair(line).parse().unwrap())).collect()
    }

    #[test]
    fn a_session_of_keycloaks_size_comes_back_from_cookies() {
        let keys = keys();
        let session = session(1100, 1000);
        let headers = sent(&session.cookies(&HeaderMap::new(), &keys, HERE).unwrap());
        let read = BrowserSession::of(&headers, &keys, HERE).unwrap();
        assert_eq!(read.access_token(), session.access_token());
        assert_eq!((read.csrf(), read.id_token()), (session.csrf(), session.id_token()));
        assert!(BrowserSession::of(&headers, &self::keys(), HERE).is_none(), "other keys");
        assert!(BrowserSession::of(&headers, &keys, Site::Control).is_none(), "another address");
    }

    #[test]
    fn the_id_token_goes_before_the_session_does() {
        let keys = keys();
        let headers = sent(&session(6000, 6000).cookies(&HeaderMap::new(), &keys, HERE).unwrap());
        let read = BrowserSession::of(&headers, &keys, HERE).unwrap();
        assert_eq!((read.access_token().len(), read.id_token()), (6000, None));
        let huge = session(16_000, 10).cookies(&HeaderMap::new(), &keys, HERE);
        assert!(matches!(huge, Err(NotSet::TooLarge)), "{huge:?}");
    }

    #[test]
    fn fresh_tokens_are_due_before_the_old_ones_end() {
        let now = UnixTime::now();
        let session = session(10, 10);
        assert!(!session.is_due(now));
        assert!(session.is_due(now.plus(Duration::from_secs(201))));
        let fresh = Tokens { access_token: "b".into(), refresh_token: None, id_token: None };
        let renewed = session.renewed(fresh, &verified(1));
        assert_eq!((renewed.access_token(), renewed.refresh_token()), ("b", Some("refresh")));
        assert_eq!((renewed.csrf(), renewed.id_token()), (session.csrf(), session.id_token()));
    }

    #[test]
    fn only_the_browser_that_began_a_login_ends_it() {
        let keys = keys();
        let attempt = Attempt::begin("/chat").unwrap();
        let headers = sent(&attempt.cookies(&HeaderMap::new(), &keys, HERE).unwrap());
        assert_eq!(Attempt::of(&headers, &keys, &attempt.state, HERE).unwrap().next, "/chat");
        let cut = &attempt.state[..20];
        assert!(
            Attempt::of(&headers, &keys, cut, HERE).is_none(),
            "the same cookie, another state"
        );
        assert!(Attempt::of(&headers, &keys, "", HERE).is_none());
        let there = Attempt::of(&headers, &keys, &attempt.state, Site::Control);
        assert!(there.is_none(), "a login ends where it began");
        assert!(Attempt::of(&HeaderMap::new(), &keys, &attempt.state, HERE).is_none());
        let late = Attempt { until: 0, ..attempt.clone() };
        let headers = sent(&late.cookies(&HeaderMap::new(), &keys, HERE).unwrap());
        assert!(Attempt::of(&headers, &keys, &attempt.state, HERE).is_none(), "too late");
    }
}
