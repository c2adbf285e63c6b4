use std::{sync::Arc, time::Duration};

use http::{
    Uri,
    uri::{Authority, InvalidUri, PathAndQuery, Scheme},
};
use rustls::RootCertStore;

use super::{opening::FirstMessage, pool::Pool};
use crate::client::https_connector;

/// How long a connection may take, TLS included.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(3);

/// Where requests go, over HTTP/1.1 on reused connections. Clones share their connections.
#[derive(Clone, Debug)]
pub struct Upstream {
    pool: Pool,
    scheme: Scheme,
    authority: Authority,
    /// Put before every path; without a trailing slash.
    prefix: String,
    /// For the head of an answer; `None` is for ever.
    response_timeout: Option<Duration>,
    first_message: Option<Arc<dyn FirstMessage>>,
}

/// An upstream URL that cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum InvalidUpstream {
    /// Not a URL.
    #[error("{url:?} is not a URL")]
    Syntax {
        /// The text that was given.
        url: String,
        /// What is wrong with it.
        source: InvalidUri,
    },
    /// A URL of another form than `http://host:port/prefix`.
    #[error("{url:?} must look like http://host:port or https://host/prefix: {what}")]
    Form {
        /// The text that was given.
        url: String,
        /// What is wrong with it.
        what: &'static str,
    },
    /// The crypto provider does not do TLS.
    #[error("TLS cannot be set up")]
    Tls(#[from] rustls::Error),
}

impl Upstream {
    /// An upstream such as `http://127.0.0.1:18789`, without TLS.
    pub fn new(url: &str) -> Result<Self, InvalidUpstream> {
        let upstream = Self::trusting(url, RootCertStore::empty())?;
        if upstream.scheme == Scheme::HTTPS {
            return Err(form(url, "this upstream is plain http"));
        }
        Ok(upstream)
    }

    /// An http or https upstream, whose certificate must descend from `roots`
    /// (see [`crate::client::trust`]).
    pub fn trusting(url: &str, roots: RootCertStore) -> Result<Self, InvalidUpstream> {
        let uri: Uri = url
            .parse()
            .map_err(|source| InvalidUpstream::Syntax { url: url.to_owned(), source })?;
        let parts = uri.into_parts();
        let scheme = parts.scheme.ok_or_else(|| form(url, "the scheme is missing"))?;
        if scheme != Scheme::HTTP && scheme != Scheme::HTTPS {
            return Err(form(url, "the scheme is neither http nor https"));
        }
        let authority = parts.authority.ok_or_else(|| form(url, "the host is missing"))?;
        if authority.as_str().contains('@') {
            return Err(form(url, "credentials do not belong into a URL"));
        }
        let path = parts.path_and_query.unwrap_or_else(|| PathAndQuery::from_static("/"));
        if path.query().is_some() {
            return Err(form(url, "it has a query"));
        }
        let prefix = path.path().trim_end_matches('/').to_owned();
        let pool = Pool::new(https_connector(roots, CONNECT_TIMEOUT)?, CONNECT_TIMEOUT);
        Ok(Self { pool, scheme, authority, prefix, response_timeout: None, first_message: None })
    }

    /// The same upstream with other patience: for a connection, and for the head of an answer. A
    /// response timeout of zero is for ever, as long polls and language models need.
    #[must_use]
    pub fn within(self, connect: Duration, response: Duration) -> Self {
        let response_timeout = Some(response).filter(|response| !response.is_zero());
        Self { pool: self.pool.connecting_within(connect), response_timeout, ..self }
    }

    /// The same upstream, which gets the first message of each WebSocket as `decider` says.
    #[must_use]
    pub fn opened_by(self, decider: Arc<dyn FirstMessage>) -> Self {
        Self { first_message: Some(decider), ..self }
    }

    /// The same kind of upstream at another `host:port`, sharing all connections and settings.
    #[must_use]
    pub fn at(&self, authority: Authority) -> Self {
        Self { authority, ..self.clone() }
    }

    /// Host and port.
    #[must_use]
    pub fn authority(&self) -> &Authority {
        &self.authority
    }

    pub(super) fn pool(&self) -> &Pool {
        &self.pool
    }

    pub(super) fn scheme(&self) -> &Scheme {
        &self.scheme
    }

    pub(super) fn first_message(&self) -> Option<Arc<dyn FirstMessage>> {
        self.first_message.clone()
    }

    pub(super) fn response_timeout(&self) -> Option<Duration> {
        self.response_timeout
    }

    /// The target of a request for `path`. The path's bytes stay as they are.
    pub(super) fn target(&self, path: &PathAndQuery) -> Result<Uri, InvalidUri> {
        if self.prefix.is_empty() {
            return Ok(path.clone().into());
        }
        PathAndQuery::try_from(format!("{}{path}", self.prefix)).map(Uri::from)
    }
}

fn form(url: &str, what: &'static str) -> InvalidUpstream {
    InvalidUpstream::Form { url: url.to_owned(), what }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn target(upstream: &Upstream, path: &str) -> String {
        upstream.target(&path.parse().unwrap()).unwrap().to_string()
    }

    #[test]
    fn a_path_is_joined_without_touching_its_bytes() {
        let plain = Upstream::new("http://127.0.0.1:18789/").unwrap();
        assert_eq!(target(&plain, "/a/../%2F?q=%41"), "/a/../%2F?q=%41");
        let prefixed = Upstream::new("http://newapi:3000/team/").unwrap();
        assert_eq!(target(&prefixed, "/v1/models?x"), "/team/v1/models?x");
        let moved = prefixed.at("10.0.0.7:4180".parse().unwrap());
        assert_eq!(target(&moved, "/"), "/team/");
        assert_eq!(moved.authority().as_str(), "10.0.0.7:4180");
    }

    #[test]
    fn an_unusable_url_is_refused_with_its_fault() {
        for (url, what) in [
            ("127.0.0.1:18789", "scheme is missing"),
            ("ftp://host/", "neither http nor https"),
            ("https://host", "plain http"),
            ("http://me:secret@host", "credentials"),
            ("http://host/?a=b", "query"),
            ("http://ho st", "is not a URL"),
        ] {
            let error = Upstream::new(url).unwrap_err().to_string();
            assert!(error.contains(what), "{url}: {error}");
        }
    }
}
