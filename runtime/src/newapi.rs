use axum::{body::Body, response::Response};
use edge::proxy::{InvalidUpstream, Session, Upstream, forward};
use http::{HeaderMap, HeaderValue, Request, header};
use rustls::RootCertStore;

/// The user's key. It is made for one use and never prints.
#[derive(Clone)]
pub struct ApiKey {
    authorization: HeaderValue,
}

/// The text cannot be a key. The error does not repeat it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the key must be one word of visible ASCII characters")]
pub struct InvalidKey;

impl ApiKey {
    /// The key in `text`, without the white space that a file may have put around it.
    pub fn parse(text: &str) -> Result<Self, InvalidKey> {
        let key = text.trim();
        if key.is_empty() || !key.bytes().all(|byte| byte.is_ascii_graphic()) {
            return Err(InvalidKey);
        }
        let mut authorization: HeaderValue =
            format!("Bearer {key}").parse().map_err(|_invalid_header| InvalidKey)?;
        authorization.set_sensitive(true);
        Ok(Self { authorization })
    }
}

impl std::fmt::Debug for ApiKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("ApiKey(..)")
    }
}

/// Where the models are, and the key that pays for them.
#[derive(Clone, Debug)]
pub struct NewApi {
    upstream: Upstream,
    key: ApiKey,
}

impl NewApi {
    /// NewAPI at `base_url`, with or without `/v1`. An https NewAPI must have a certificate from
    /// one of `roots`.
    pub fn new(base_url: &str, key: ApiKey, roots: RootCertStore) -> Result<Self, InvalidUpstream> {
        let upstream = Upstream::trusting(contract::newapi::base(base_url), roots)?;
        Ok(Self { upstream, key })
    }

    /// Host and port, for the log.
    #[must_use]
    pub fn host(&self) -> &str {
        self.upstream.authority().as_str()
    }

    /// Forwards a request for `/v1/...`, as streams, with the user's key.
    pub(crate) async fn forward(&self, request: Request<Body>) -> Response {
        let edit = |headers: &mut HeaderMap| {
            // NewAPI is another site: what the browser keeps for ours is not for it.
            for ours in [header::HOST, header::COOKIE, header::ORIGIN, header::REFERER] {
                headers.remove(ours);
            }
            headers.insert(header::AUTHORIZATION, self.key.authorization.clone());
        };
        forward(request, &self.upstream, edit, Session::unbounded()).await
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_one_word() {
        for good in ["sk-abc", "sk-abc\n", "  plain "] {
            ApiKey::parse(good).unwrap();
        }
        for bad in ["", " ", "sk-a b", "sk-a\nsk-b", "sk-\u{e9}"] {
            assert_eq!(ApiKey::parse(bad).unwrap_err(), InvalidKey, "{bad:?}");
        }
    }

    #[test]
    fn a_key_never_prints() {
        let key = ApiKey::parse("sk-secret").unwrap();
        let newapi = NewApi::new("http://newapi/v1", key, RootCertStore::empty()).unwrap();
        assert!(!format!("{newapi:?} {:?}", newapi.key.authorization).contains("secret"));
    }
}
