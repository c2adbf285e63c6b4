use std::time::Duration;

use http::{
    Uri,
    uri::{Authority, InvalidUri, PathAndQuery, Scheme},
};
use hyper_util::{
    client::legacy::Client,
    rt::{TokioExecutor, TokioTimer},
};
use rustls::RootCertStore;

use crate::client::{HttpsClient, https_connector};

/// How long a TCP connection may take.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(3);
/// How long an unused connection is kept: shorter than any server's own limit, so that it is rare
/// to send a request into a connection that is just being closed.
const IDLE_TIMEOUT: Duration = Duration::from_secs(3);
/// Unused connections kept for one authority.
const IDLE_CONNECTIONS: usize = 8;

/// Where requests go, over HTTP/1.1 on reused connections. Clones share their connections.
#[derive(Clone, Debug)]
pub struct Upstream {
    client: HttpsClient,
    scheme: Scheme,
    authority: Authority,
    /// Put before every path; without a trailing slash.
    prefix: String,
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
        let client = Client::builder(TokioExecutor::new())
            .pool_timer(TokioTimer::new())
            .pool_idle_timeout(IDLE_TIMEOUT)
            .pool_max_idle_per_host(IDLE_CONNECTIONS)
            .build(https_connector(roots, CONNECT_TIMEOUT)?);
        Ok(Self { client, scheme, authority, prefix })
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

    pub(super) fn client(&self) -> &HttpsClient {
        &self.client
    }

    /// Where a request for `path` goes. The path's bytes stay as they are.
    pub(super) fn uri(&self, path: &PathAndQuery) -> Result<Uri, http::Error> {
        let builder = Uri::builder().scheme(self.scheme.clone()).authority(self.authority.clone());
        if self.prefix.is_empty() {
            builder.path_and_query(path.clone()).build()
        } else {
            builder.path_and_query(format!("{}{path}", self.prefix)).build()
        }
    }
}

fn form(url: &str, what: &'static str) -> InvalidUpstream {
    InvalidUpstream::Form { url: url.to_owned(), what }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn target(upstream: &Upstream, path: &str) -> String {
        upstream.uri(&path.parse().unwrap()).unwrap().to_string()
    }

    #[test]
    fn a_path_is_joined_without_touching_its_bytes() {
        let plain = Upstream::new("http://127.0.0.1:18789/").unwrap();
        assert_eq!(target(&plain, "/a/../%2F?q=%41"), "http://127.0.0.1:18789/a/../%2F?q=%41");
        let prefixed = Upstream::new("http://newapi:3000/team/").unwrap();
        assert_eq!(target(&prefixed, "/v1/models?x"), "http://newapi:3000/team/v1/models?x");
        let moved = prefixed.at("10.0.0.7:4180".parse().unwrap());
        assert_eq!(target(&moved, "/"), "http://10.0.0.7:4180/team/");
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
