//! A small HTTPS client for documents that a server needs from elsewhere: OpenID discovery and
//! keys. One request, one bounded document; no redirects, no cookies, no retries.

use std::{
    path::{Path, PathBuf},
    time::Duration,
};

use axum::body::{Body, Bytes};
use http::{Request, StatusCode, Uri, header, uri::InvalidUri};
use http_body_util::{BodyExt, LengthLimitError, Limited};
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::{
    client::legacy::{Client, connect::HttpConnector},
    rt::{TokioExecutor, TokioTimer},
};
use rustls::{ClientConfig, RootCertStore};
use rustls_pki_types::{CertificateDer, pem, pem::PemObject};

use crate::{program::BoxError, tls};

/// How long a TCP connection may take.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// How long an unused connection is kept. Documents are fetched minutes apart.
const IDLE_TIMEOUT: Duration = Duration::from_secs(5);

pub(crate) type HttpsClient = Client<HttpsConnector<HttpConnector>, Body>;

/// Fetches documents over http and https.
#[derive(Clone, Debug)]
pub struct Fetcher {
    client: HttpsClient,
}

/// A file of CA certificates that cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum CaError {
    /// Missing, unreadable, or no PEM.
    #[error("cannot read CA certificates from {}", path.display())]
    Unreadable {
        /// Which file.
        path: PathBuf,
        /// What was wrong with it.
        source: pem::Error,
    },
    /// PEM without any certificate.
    #[error("{} holds no CERTIFICATE block", path.display())]
    Empty {
        /// Which file.
        path: PathBuf,
    },
    /// A certificate that is no CA certificate.
    #[error("a certificate in {} cannot be a trust anchor", path.display())]
    Unusable {
        /// Which file.
        path: PathBuf,
        /// What rustls said.
        source: rustls::Error,
    },
    /// The crypto provider does not do TLS 1.2 and 1.3.
    #[error("TLS cannot be set up")]
    Unsupported(#[from] rustls::Error),
}

/// Why there is no document.
#[derive(Debug, thiserror::Error)]
pub enum FetchError {
    /// The URL cannot be parsed, or is neither http nor https.
    #[error("{url:?} is not an http or https URL")]
    Url {
        /// The text that was given.
        url: String,
        /// What is wrong with it, unless it is the scheme.
        source: Option<InvalidUri>,
    },
    /// No connection, or it broke before the answer.
    #[error("cannot reach {url}")]
    Unreachable {
        /// Which document.
        url: Uri,
        /// What happened.
        source: hyper_util::client::legacy::Error,
    },
    /// An answer other than 200.
    #[error("{url} answered {status}")]
    Status {
        /// Which document.
        url: Uri,
        /// What the server said.
        status: StatusCode,
    },
    /// More bytes than the caller wants.
    #[error("{url} is larger than {max_bytes} bytes")]
    TooLarge {
        /// Which document.
        url: Uri,
        /// The caller's limit.
        max_bytes: usize,
    },
    /// The connection broke within the document.
    #[error("{url} ended early")]
    Body {
        /// Which document.
        url: Uri,
        /// What happened.
        source: BoxError,
    },
    /// It took longer than the caller waits.
    #[error("{url} took longer than {timeout:?}")]
    Timeout {
        /// Which document.
        url: Uri,
        /// The caller's limit.
        timeout: Duration,
    },
}

impl Fetcher {
    /// Trusts the public CAs of Mozilla's list and, besides, those in `ca_file` (PEM).
    pub fn new(ca_file: Option<&Path>) -> Result<Self, CaError> {
        let connector = https_connector(trust(ca_file)?, CONNECT_TIMEOUT)?;
        let client = Client::builder(TokioExecutor::new())
            .pool_idle_timeout(IDLE_TIMEOUT)
            .pool_timer(TokioTimer::new())
            .build(connector);
        Ok(Self { client })
    }

    /// The body of a 200 answer to GET, at most `max_bytes`, all within `timeout`.
    pub async fn get_json_bytes(
        &self,
        url: &str,
        max_bytes: usize,
        timeout: Duration,
    ) -> Result<Bytes, FetchError> {
        let url = http_url(url)?;
        match tokio::time::timeout(timeout, self.get(&url, max_bytes)).await {
            Ok(outcome) => outcome,
            Err(_elapsed) => Err(FetchError::Timeout { url, timeout }),
        }
    }

    async fn get(&self, url: &Uri, max_bytes: usize) -> Result<Bytes, FetchError> {
        let mut request = Request::new(Body::empty());
        *request.uri_mut() = url.clone();
        request.headers_mut().insert(
            header::ACCEPT,
            header::HeaderValue::from_static("application/json"),
        );
        let response = self
            .client
            .request(request)
            .await
            .map_err(|source| FetchError::Unreachable { url: url.clone(), source })?;
        if response.status() != StatusCode::OK {
            return Err(FetchError::Status { url: url.clone(), status: response.status() });
        }
        match Limited::new(response.into_body(), max_bytes).collect().await {
            Ok(body) => Ok(body.to_bytes()),
            Err(error) if error.is::<LengthLimitError>() => {
                Err(FetchError::TooLarge { url: url.clone(), max_bytes })
            }
            Err(source) => Err(FetchError::Body { url: url.clone(), source }),
        }
    }
}

/// The public CAs and those in `ca_file`.
pub fn trust(ca_file: Option<&Path>) -> Result<RootCertStore, CaError> {
    let mut roots = RootCertStore { roots: webpki_roots::TLS_SERVER_ROOTS.to_vec() };
    if let Some(path) = ca_file {
        append(&mut roots, path)?;
    }
    Ok(roots)
}

fn append(roots: &mut RootCertStore, path: &Path) -> Result<(), CaError> {
    let unreadable = |source| CaError::Unreadable { path: path.to_owned(), source };
    let certificates = CertificateDer::pem_file_iter(path)
        .and_then(Iterator::collect::<Result<Vec<_>, _>>)
        .map_err(unreadable)?;
    if certificates.is_empty() {
        return Err(CaError::Empty { path: path.to_owned() });
    }
    for certificate in certificates {
        roots
            .add(certificate)
            .map_err(|source| CaError::Unusable { path: path.to_owned(), source })?;
    }
    Ok(())
}

/// A connector for http and https over HTTP/1.1.
pub(crate) fn https_connector(
    roots: RootCertStore,
    connect_timeout: Duration,
) -> Result<HttpsConnector<HttpConnector>, rustls::Error> {
    let mut tcp = HttpConnector::new();
    tcp.set_nodelay(true);
    tcp.set_connect_timeout(Some(connect_timeout));
    tcp.enforce_http(false);
    let tls = ClientConfig::builder_with_provider(tls::provider())
        .with_safe_default_protocol_versions()?
        .with_root_certificates(roots)
        .with_no_client_auth();
    let connector = HttpsConnectorBuilder::new()
        .with_tls_config(tls)
        .https_or_http()
        .enable_http1()
        .wrap_connector(tcp);
    Ok(connector)
}

fn http_url(text: &str) -> Result<Uri, FetchError> {
    let url: Uri = text
        .parse()
        .map_err(|source| FetchError::Url { url: text.to_owned(), source: Some(source) })?;
    match url.scheme_str() {
        Some("http" | "https") => Ok(url),
        _ => Err(FetchError::Url { url: text.to_owned(), source: None }),
    }
}
