//! A small HTTPS client for documents that a server needs from elsewhere: OpenID discovery,
//! keys and tokens. One request, one bounded document; no redirects, no cookies, no retries.

mod trust;

use std::{path::Path, time::Duration};

use axum::body::{Body, Bytes};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use http::{
    HeaderValue, Method, Request, Response, StatusCode, Uri, header,
    response::Parts,
    uri::{InvalidUri, PathAndQuery},
};
use http_body_util::{BodyExt, LengthLimitError, Limited};
use hyper::{body::Incoming, client::conn::http1};
use hyper_rustls::HttpsConnector;
use hyper_util::client::legacy::connect::HttpConnector;
use tokio_util::task::AbortOnDropHandle;
use tower::ServiceExt;

pub(crate) use self::trust::https_connector;
pub use self::trust::{CaError, trust};
use crate::program::BoxError;

/// How long a TCP connection may take.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

/// Fetches documents over http and https, minutes apart: each over a connection of its own, which
/// ends with it. Nothing of it stays in memory.
#[derive(Clone, Debug)]
pub struct Fetcher {
    connector: HttpsConnector<HttpConnector>,
}

/// There is no document: which one, and why.
#[derive(Debug, thiserror::Error)]
#[error("{url}: {source}")]
pub struct FetchError {
    url: String,
    source: FetchFault,
}

/// Why there is no document.
#[derive(Debug, thiserror::Error)]
pub enum FetchFault {
    /// The URL cannot be parsed.
    #[error("not a URL")]
    Url(#[from] InvalidUri),
    /// Another scheme.
    #[error("neither http nor https")]
    Scheme,
    /// A host that a request cannot name.
    #[error("not a usable host")]
    Host,
    /// No connection, or it broke before the answer.
    #[error("unreachable")]
    Unreachable(#[source] BoxError),
    /// An answer with another status than the request is good for.
    #[error("the answer is {0}")]
    Status(StatusCode),
    /// More bytes than the caller wants.
    #[error("larger than {0} bytes")]
    TooLarge(usize),
    /// The connection broke within the document.
    #[error("ended early")]
    Body(#[source] BoxError),
    /// It took longer than the caller waits.
    #[error("no answer within {0:?}")]
    Timeout(Duration),
}

impl FetchError {
    /// Why.
    #[must_use]
    pub fn fault(&self) -> &FetchFault {
        &self.source
    }
}

impl Fetcher {
    /// Trusts the public CAs of Mozilla's list and, besides, those in `ca_file` (PEM).
    pub fn new(ca_file: Option<&Path>) -> Result<Self, CaError> {
        Ok(Self { connector: https_connector(trust(ca_file)?, CONNECT_TIMEOUT)? })
    }

    /// The body of a 200 answer to GET, at most `max_bytes`, all within `timeout`.
    pub async fn get_json_bytes(
        &self,
        url: &str,
        max_bytes: usize,
        timeout: Duration,
    ) -> Result<Bytes, FetchError> {
        self.body_of(Method::GET, url, |status| status == StatusCode::OK, max_bytes, timeout).await
    }

    /// The status and body of the answer to a form, whatever the status: OAuth says in the body of a
    /// 400 what is wrong. At most `max_bytes`, all within `timeout`.
    ///
    /// `credentials` are a client's id and secret, sent as RFC 6749 section 2.3.1 has it.
    pub async fn post_form(
        &self,
        url: &str,
        credentials: (&str, &str),
        form: &[(&str, &str)],
        max_bytes: usize,
        timeout: Duration,
    ) -> Result<(StatusCode, Bytes), FetchError> {
        let post = async {
            let url: Uri = url.parse()?;
            let request = form_request(&url, credentials, form)?;
            let (response, _connection) = self.send(url, request).await?;
            let status = response.status();
            Ok((status, read(response.into_body(), max_bytes).await?))
        };
        within(url, timeout, post).await
    }

    /// The head of the answer to GET, whatever the status, within `timeout`; a redirect is not
    /// followed. `host` is asked for instead of the URL's, as through a proxy before the server.
    pub async fn get_head(
        &self,
        url: &str,
        host: Option<&str>,
        timeout: Duration,
    ) -> Result<Parts, FetchError> {
        let get = async {
            let url: Uri = url.parse()?;
            let mut request = request_to(&url, Method::GET, Body::empty())?;
            if let Some(host) = host {
                let host = HeaderValue::from_str(host).map_err(|_| FetchFault::Host)?;
                request.headers_mut().insert(header::HOST, host);
            }
            let (response, _connection) = self.send(url, request).await?;
            Ok(response.into_parts().0)
        };
        within(url, timeout, get).await
    }

    /// The body of the good answer to a request without a body, at most `max_bytes`, all within
    /// `timeout`.
    pub async fn command(
        &self,
        method: Method,
        url: &str,
        max_bytes: usize,
        timeout: Duration,
    ) -> Result<Bytes, FetchError> {
        self.body_of(method, url, |status| status.is_success(), max_bytes, timeout).await
    }

    async fn body_of(
        &self,
        method: Method,
        url: &str,
        is_good: impl Fn(StatusCode) -> bool,
        max_bytes: usize,
        timeout: Duration,
    ) -> Result<Bytes, FetchError> {
        let answer = async {
            let url: Uri = url.parse()?;
            let request = request_to(&url, method, Body::empty())?;
            let (response, _connection) = self.send(url, request).await?;
            if !is_good(response.status()) {
                return Err(FetchFault::Status(response.status()));
            }
            read(response.into_body(), max_bytes).await
        };
        within(url, timeout, answer).await
    }

    /// The head of the answer. Its body comes for as long as the connection is kept.
    async fn send(
        &self,
        url: Uri,
        request: Request<Body>,
    ) -> Result<(Response<Incoming>, AbortOnDropHandle<hyper::Result<()>>), FetchFault> {
        let stream = self.connector.clone().oneshot(url).await.map_err(FetchFault::Unreachable)?;
        let unreachable = |error: hyper::Error| FetchFault::Unreachable(error.into());
        let (mut sender, connection) = http1::handshake(stream).await.map_err(unreachable)?;
        let connection = AbortOnDropHandle::new(tokio::spawn(connection));
        let response = sender.send_request(request).await.map_err(unreachable)?;
        Ok((response, connection))
    }
}

/// What comes of a whole exchange with `url`, if it takes no longer than `timeout`.
async fn within<T>(
    url: &str,
    timeout: Duration,
    exchange: impl Future<Output = Result<T, FetchFault>>,
) -> Result<T, FetchError> {
    tokio::time::timeout(timeout, exchange)
        .await
        .unwrap_or(Err(FetchFault::Timeout(timeout)))
        .map_err(|source| FetchError { url: url.to_owned(), source })
}

async fn read(body: Incoming, max_bytes: usize) -> Result<Bytes, FetchFault> {
    match Limited::new(body, max_bytes).collect().await {
        Ok(body) => Ok(body.to_bytes()),
        Err(error) if error.is::<LengthLimitError>() => Err(FetchFault::TooLarge(max_bytes)),
        Err(error) => Err(FetchFault::Body(error)),
    }
}

/// A request as HTTP/1.1 has it: the path as its target, the host in a header.
fn request_to(url: &Uri, method: Method, body: Body) -> Result<Request<Body>, FetchFault> {
    if !matches!(url.scheme_str(), Some("http" | "https")) {
        return Err(FetchFault::Scheme);
    }
    let host = url.port().map_or_else(
        || url.host().unwrap_or_default().to_owned(),
        |port| format!("{}:{port}", url.host().unwrap_or_default()),
    );
    let host = HeaderValue::from_str(&host).map_err(|_| FetchFault::Host)?;
    let target = url.path_and_query().cloned().unwrap_or_else(|| PathAndQuery::from_static("/"));
    let mut request = Request::new(body);
    *request.method_mut() = method;
    *request.uri_mut() = target.into();
    request.headers_mut().insert(header::HOST, host);
    request.headers_mut().insert(header::ACCEPT, HeaderValue::from_static("application/json"));
    Ok(request)
}

fn form_request(
    url: &Uri,
    (id, secret): (&str, &str),
    form: &[(&str, &str)],
) -> Result<Request<Body>, FetchFault> {
    let encoded = |text: &str| form_urlencoded::byte_serialize(text.as_bytes()).collect::<String>();
    let credentials = STANDARD.encode(format!("{}:{}", encoded(id), encoded(secret)));
    let form = form_urlencoded::Serializer::new(String::new()).extend_pairs(form).finish();
    let mut request = request_to(url, Method::POST, Body::from(form))?;
    let headers = request.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(FORM));
    // Base64 is always a header value.
    if let Ok(mut value) = HeaderValue::try_from(format!("Basic {credentials}")) {
        value.set_sensitive(true);
        headers.insert(header::AUTHORIZATION, value);
    }
    Ok(request)
}

const FORM: &str = "application/x-www-form-urlencoded";

#[cfg(test)]
mod tests {
    use axum::{Router, routing::get};

    use super::*;
    use crate::program::Chain;

    const SECOND: Duration = Duration::from_secs(1);

    /// The URL of a server on loopback that gives `router`.
    async fn server(router: Router) -> String {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        tokio::spawn(async move { axum::serve(listener, router).await });
        format!("http://{address}")
    }

    async fn fetch(url: &str, max_bytes: usize) -> Result<Bytes, FetchError> {
        Fetcher::new(None).unwrap().get_json_bytes(url, max_bytes, 10 * SECOND).await
    }

    #[tokio::test]
    async fn a_document_has_a_size_limit() {
        let url = server(Router::new().route("/", get(async || "123456789"))).await;
        assert_eq!(fetch(&url, 9).await.unwrap(), "123456789");
        let error = fetch(&url, 8).await.unwrap_err();
        assert!(matches!(error.fault(), FetchFault::TooLarge(8)), "{error}");
    }

    #[tokio::test]
    async fn the_host_and_the_query_are_those_of_the_url() {
        let said = async |request: http::Request<Body>| {
            format!("{:?} {}", request.headers().get(header::HOST), request.uri())
        };
        let url = server(Router::new().fallback(said)).await;
        let host = url.trim_start_matches("http://");
        let answer = fetch(&format!("{url}/keys?a=b"), 100).await.unwrap();
        assert_eq!(answer, format!("Some({host:?}) /keys?a=b"));
        assert_eq!(fetch(&url, 100).await.unwrap(), format!("Some({host:?}) /"));
    }

    #[tokio::test]
    async fn a_bad_status_is_an_error() {
        let url = server(Router::new()).await;
        let error = fetch(&url, 100).await.unwrap_err();
        assert_eq!(error.to_string(), format!("{url}: the answer is 404 Not Found"));
    }

    #[tokio::test]
    async fn an_error_names_the_url_and_the_cause() {
        let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        let error = fetch(&format!("http://{free}/keys"), 100).await.unwrap_err();
        let text = Chain(&error).to_string();
        assert!(text.starts_with(&format!("http://{free}/keys: unreachable")), "{text}");
        assert!(text.contains("refused"), "{text}");
        for url in ["ftp://host/", "/keys", "http://ho st"] {
            let error = fetch(url, 100).await.unwrap_err();
            assert!(matches!(error.fault(), FetchFault::Url(_) | FetchFault::Scheme), "{error}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_silent_server_is_given_up() {
        let silent = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", silent.local_addr().unwrap());
        let fetcher = Fetcher::new(None).unwrap();
        let error = fetcher.get_json_bytes(&url, 100, SECOND).await.unwrap_err();
        assert!(matches!(error.fault(), FetchFault::Timeout(SECOND)), "{error}");
    }
}
