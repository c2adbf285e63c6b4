//! Requests that two parsers could read differently are refused, because the second parser is the
//! upstream's: what one reads as a body the other may read as a request nobody checked.
//!
//! hyper has parsed the request before this sees it. What hyper would repair, such as
//! `Content-Length` beside `Transfer-Encoding`, [`crate::serve`] has refused below it. And no client
//! framing is ever copied upstream: each request gets one of ours.

use axum::{
    body::Body,
    response::{IntoResponse, Response},
};
use http::{
    HeaderMap, HeaderName, HeaderValue, Method, Request, StatusCode, Uri, Version, header,
    uri::Authority,
};
use http_body::Body as _;
use hyper::ext::Protocol;

use crate::problem::Problem;

/// How a request is forwarded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// One request, one response.
    Plain,
    /// A WebSocket handshake over HTTP/1.1 (RFC 6455 section 4) or HTTP/2 (RFC 8441).
    WebSocket,
}

/// Why a request is not forwarded. The text tells the sender what to change.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// CONNECT would make a tunnel to anywhere, TRACE would echo the headers that we add.
    #[error("the methods CONNECT and TRACE are not forwarded")]
    Method,
    /// A target such as `*`, or one with bytes that belong percent-encoded.
    #[error("the request target must be a path of visible ASCII characters")]
    Target,
    /// HTTP/1.1 without `Host`, more than one, or one that is no host.
    #[error("exactly one valid Host is required")]
    Host,
    /// The target names another host than `Host` does.
    #[error("the target's authority and Host must be the same")]
    Authority,
    /// More than one `Transfer-Encoding`, or another than `chunked`.
    #[error("the only Transfer-Encoding is one `chunked`")]
    TransferEncoding,
    /// More than one `Content-Length`, or one beside `Transfer-Encoding`.
    #[error("the body's length is stated more than once")]
    ContentLength,
    /// An expectation other than `100-continue`.
    #[error("the only expectation is `100-continue`")]
    Expect,
    /// Another protocol than WebSocket, or several.
    #[error("the only Upgrade is one `websocket`")]
    Upgrade,
    /// `Upgrade: websocket` without the rest of a handshake.
    #[error("a WebSocket handshake is a GET over HTTP/1.1 with `Connection: Upgrade` and no body")]
    Handshake,
}

impl Refusal {
    /// A stable word for logs, metrics and the response's `code`.
    #[must_use]
    pub fn code(self) -> &'static str {
        match self {
            Self::Method => "method_refused",
            Self::Target => "bad_target",
            Self::Host => "bad_host",
            Self::Authority => "authority_mismatch",
            Self::TransferEncoding => "bad_transfer_encoding",
            Self::ContentLength => "bad_content_length",
            Self::Expect => "bad_expectation",
            Self::Upgrade => "bad_upgrade",
            Self::Handshake => "bad_handshake",
        }
    }

    fn status(self) -> StatusCode {
        match self {
            Self::Method => StatusCode::METHOD_NOT_ALLOWED,
            Self::Expect => StatusCode::EXPECTATION_FAILED,
            _ => StatusCode::BAD_REQUEST,
        }
    }
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        let problem = Problem::new(self.status(), self.code(), "Request refused");
        let mut response = problem.detail(self.to_string()).into_response();
        response.extensions_mut().insert(self);
        response
    }
}

/// Whether `request` can be read in one way only, and how it is to be forwarded.
pub fn check(request: &Request<Body>) -> Result<Kind, Refusal> {
    let headers = request.headers();
    let extended = request.extensions().get::<Protocol>();
    if *request.method() == Method::TRACE
        || *request.method() == Method::CONNECT && extended.is_none()
    {
        return Err(Refusal::Method);
    }
    check_target(request.uri())?;
    check_host(request.uri(), request.version(), headers)?;
    check_framing(headers)?;
    check_expectation(headers)?;
    match extended {
        Some(protocol) if protocol.as_str() == "websocket" => return Ok(Kind::WebSocket),
        Some(_) => return Err(Refusal::Upgrade),
        None => {}
    }
    if asks_for_websocket(headers)? {
        check_handshake(request)?;
        return Ok(Kind::WebSocket);
    }
    Ok(Kind::Plain)
}

fn check_target(uri: &Uri) -> Result<(), Refusal> {
    let target = uri.path_and_query().map_or("", |target| target.as_str());
    let visible = target.bytes().all(|byte| byte.is_ascii_graphic());
    if target.starts_with('/') && visible { Ok(()) } else { Err(Refusal::Target) }
}

fn check_host(uri: &Uri, version: Version, headers: &HeaderMap) -> Result<(), Refusal> {
    let host = single(headers, header::HOST).map_err(|Repeated| Refusal::Host)?;
    let Some(host) = host else {
        return match version {
            Version::HTTP_11 => Err(Refusal::Host),
            _ => Ok(()),
        };
    };
    if !is_host(host) {
        return Err(Refusal::Host);
    }
    match uri.authority() {
        Some(authority) if !host.eq_ignore_ascii_case(authority.as_str().as_bytes()) => {
            Err(Refusal::Authority)
        }
        _ => Ok(()),
    }
}

/// A DNS name or an IP address with an optional port. RFC 3986 would also allow `me@` and `a,b`.
fn is_host(host: &[u8]) -> bool {
    let plain = |byte: &u8| byte.is_ascii_alphanumeric() || b"-._:[]".contains(byte);
    host.iter().all(plain) && Authority::try_from(host).is_ok()
}

fn check_framing(headers: &HeaderMap) -> Result<(), Refusal> {
    let encoding =
        single(headers, header::TRANSFER_ENCODING).map_err(|Repeated| Refusal::TransferEncoding)?;
    if encoding.is_some_and(|encoding| encoding != b"chunked") {
        return Err(Refusal::TransferEncoding);
    }
    let length =
        single(headers, header::CONTENT_LENGTH).map_err(|Repeated| Refusal::ContentLength)?;
    if encoding.is_some() && length.is_some() {
        return Err(Refusal::ContentLength);
    }
    Ok(())
}

fn check_expectation(headers: &HeaderMap) -> Result<(), Refusal> {
    match single(headers, header::EXPECT) {
        Ok(None) => Ok(()),
        Ok(Some(value)) if value.eq_ignore_ascii_case(b"100-continue") => Ok(()),
        _ => Err(Refusal::Expect),
    }
}

/// `h2c` alone is an offer that RFC 9110 lets us pass over, and some clients always make it.
fn asks_for_websocket(headers: &HeaderMap) -> Result<bool, Refusal> {
    match single(headers, header::UPGRADE).map_err(|Repeated| Refusal::Upgrade)? {
        None => Ok(false),
        Some(protocol) if protocol.eq_ignore_ascii_case(b"websocket") => Ok(true),
        Some(b"h2c") => Ok(false),
        Some(_) => Err(Refusal::Upgrade),
    }
}

fn check_handshake(request: &Request<Body>) -> Result<(), Refusal> {
    let complete = request.method() == Method::GET
        && request.version() == Version::HTTP_11
        && lists_upgrade(request.headers())
        && request.body().is_end_stream();
    if complete { Ok(()) } else { Err(Refusal::Handshake) }
}

/// Whether `Connection` has the option `upgrade`.
pub(super) fn lists_upgrade(headers: &HeaderMap) -> bool {
    super::headers::connection_options(headers).any(|option| option.eq_ignore_ascii_case("upgrade"))
}

/// A field that may stand only once was there more than once.
struct Repeated;

fn single(headers: &HeaderMap, name: HeaderName) -> Result<Option<&[u8]>, Repeated> {
    let mut values = headers.get_all(name).iter();
    match (values.next(), values.next()) {
        (first, None) => Ok(first.map(HeaderValue::as_bytes)),
        _ => Err(Repeated),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request(method: &str, target: &str, headers: &[(&str, &str)]) -> Request<Body> {
        let mut request = Request::builder().method(method).uri(target);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        request.body(Body::empty()).unwrap()
    }

    fn verdict(method: &str, target: &str, headers: &[(&str, &str)]) -> Result<Kind, Refusal> {
        check(&request(method, target, headers))
    }

    /// The verdict on a GET with `Host: a` and these headers.
    fn with(headers: &[(&str, &str)]) -> Result<Kind, Refusal> {
        let headers: Vec<_> = [("host", "a")].into_iter().chain(headers.iter().copied()).collect();
        verdict("GET", "/", &headers)
    }

    #[test]
    fn methods_that_reach_beyond_the_upstream_are_refused() {
        assert_eq!(verdict("TRACE", "/", &[("host", "a")]), Err(Refusal::Method));
        assert_eq!(verdict("CONNECT", "a:443", &[("host", "a:443")]), Err(Refusal::Method));
        assert_eq!(verdict("PROPFIND", "/", &[("host", "a")]), Ok(Kind::Plain));
    }

    #[test]
    fn a_target_is_a_path_of_visible_ascii() {
        assert_eq!(verdict("OPTIONS", "*", &[("host", "a")]), Err(Refusal::Target));
        assert_eq!(verdict("GET", "/caf\u{e9}", &[("host", "a")]), Err(Refusal::Target));
        assert_eq!(verdict("GET", "/a/../%2F//;x?y={z}", &[("host", "a")]), Ok(Kind::Plain));
    }

    #[test]
    fn one_valid_host_is_required() {
        assert_eq!(verdict("GET", "/", &[]), Err(Refusal::Host));
        assert_eq!(verdict("GET", "/", &[("host", "a"), ("host", "a")]), Err(Refusal::Host));
        for bad in ["", "a,b", "me@a", "a b", "a/b"] {
            assert_eq!(verdict("GET", "/", &[("host", bad)]), Err(Refusal::Host), "{bad:?}");
        }
        for good in ["a", "a:80", "[::1]:80", "10.0.0.1"] {
            assert_eq!(verdict("GET", "/", &[("host", good)]), Ok(Kind::Plain), "{good:?}");
        }
    }

    #[test]
    fn http_1_0_needs_no_host() {
        let mut request = request("GET", "/", &[]);
        *request.version_mut() = Version::HTTP_10;
        assert_eq!(check(&request), Ok(Kind::Plain));
    }

    #[test]
    fn an_absolute_target_agrees_with_host() {
        let verdict = |host| verdict("GET", "http://a:80/x", &[("host", host)]);
        assert_eq!(verdict("A:80"), Ok(Kind::Plain));
        assert_eq!(verdict("b:80"), Err(Refusal::Authority));
        assert_eq!(verdict("a"), Err(Refusal::Authority));
    }

    #[test]
    fn the_body_has_one_framing() {
        let chunked = ("transfer-encoding", "chunked");
        assert_eq!(with(&[chunked]), Ok(Kind::Plain));
        assert_eq!(with(&[("content-length", "3")]), Ok(Kind::Plain));
        assert_eq!(with(&[chunked, chunked]), Err(Refusal::TransferEncoding));
        for bad in ["Chunked", "gzip, chunked", "identity", "chunked ", "xchunked"] {
            let verdict = with(&[("transfer-encoding", bad)]);
            assert_eq!(verdict, Err(Refusal::TransferEncoding), "{bad:?}");
        }
        assert_eq!(with(&[chunked, ("content-length", "3")]), Err(Refusal::ContentLength));
        let length = ("content-length", "3");
        assert_eq!(with(&[length, length]), Err(Refusal::ContentLength));
    }

    #[test]
    fn the_only_expectation_is_to_continue() {
        assert_eq!(with(&[("expect", "100-Continue")]), Ok(Kind::Plain));
        assert_eq!(with(&[("expect", "200-ok")]), Err(Refusal::Expect));
        let expect = ("expect", "100-continue");
        assert_eq!(with(&[expect, expect]), Err(Refusal::Expect));
        assert_eq!(Refusal::Expect.into_response().status(), StatusCode::EXPECTATION_FAILED);
    }

    #[test]
    fn the_only_upgrade_is_a_websocket() {
        let connection = ("connection", "keep-alive, Upgrade");
        assert_eq!(with(&[connection, ("upgrade", "WebSocket")]), Ok(Kind::WebSocket));
        assert_eq!(with(&[connection, ("upgrade", "h2c")]), Ok(Kind::Plain));
        for bad in ["h2c, websocket", "h2c, foo", "websocket, h2c", "websocket/13", "tls/1.0", ""] {
            let verdict = with(&[connection, ("upgrade", bad)]);
            assert_eq!(verdict, Err(Refusal::Upgrade), "{bad:?}");
        }
        let websocket = ("upgrade", "websocket");
        assert_eq!(with(&[connection, websocket, websocket]), Err(Refusal::Upgrade));
    }

    #[test]
    fn half_a_handshake_is_refused() {
        let websocket = ("upgrade", "websocket");
        let connection = ("connection", "upgrade");
        assert_eq!(with(&[websocket]), Err(Refusal::Handshake));
        assert_eq!(with(&[websocket, ("connection", "xupgrade")]), Err(Refusal::Handshake));
        let headers = [("host", "a"), websocket, connection];
        assert_eq!(verdict("POST", "/", &headers), Err(Refusal::Handshake));
        let with_body = request("GET", "/", &headers).map(|_| Body::from("x"));
        assert_eq!(check(&with_body), Err(Refusal::Handshake));
        let mut old = request("GET", "/", &headers);
        *old.version_mut() = Version::HTTP_10;
        assert_eq!(check(&old), Err(Refusal::Handshake));
    }
}
