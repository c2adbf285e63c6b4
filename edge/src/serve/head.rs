//! One head of an HTTP/1 request: whether every parser reads it alike, and where its body ends.
//!
//! hyper is too kind: it drops a `Content-Length` beside `Transfer-Encoding`, repeated equal lengths
//! and a `#fragment` before anything of ours sees the request. A proxy's upstream may be kind in
//! another way, and then what one reads as a body the other reads as a request that nobody checked
//! (RFC 9112 section 11.2). So a head is read here first, as strictly as RFC 9112 allows.

use std::mem::MaybeUninit;

use axum::response::{IntoResponse, Response};
use http::{StatusCode, Uri};

use crate::problem::Problem;

/// Most fields in one head: hyper's own limit.
const MOST_FIELDS: usize = 100;
/// The head of HTTP/2's connection preface (RFC 9113 section 3.4).
pub(super) const HTTP_2: &[u8] = b"PRI * HTTP/2.0\r\n\r\n";
/// The method of the requests by which a connection's reader tells the server what it refused. No
/// client can send it: see [`check`].
pub(super) const REFUSED: &str = "REFUSED";

/// What follows a head.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Follows {
    /// The next head.
    Head,
    /// A body of so many bytes.
    Length(u64),
    /// A chunked body.
    Chunks,
    /// It depends on the answer: another protocol or the next head.
    Answer,
}

/// Why a head is refused. The text tells the sender what to change.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum BadHead {
    #[error("the request is not one of HTTP/1.1 (RFC 9112)")]
    Syntax,
    #[error("every line ends with CR LF")]
    LineEnd,
    #[error("only HTTP/1.0, HTTP/1.1 and HTTP/2 are spoken here")]
    Version,
    #[error("the request target must be visible ASCII characters without a fragment")]
    Target,
    #[error("the only Transfer-Encoding is one `chunked`, over HTTP/1.1")]
    TransferEncoding,
    #[error("the body's length must be stated once, in digits")]
    ContentLength,
    #[error("the request line and the header fields are too large")]
    TooLarge,
    #[error("the request line and the header fields took too long")]
    TooSlow,
}

impl BadHead {
    const ALL: [Self; 8] = [
        Self::Syntax,
        Self::LineEnd,
        Self::Version,
        Self::Target,
        Self::TransferEncoding,
        Self::ContentLength,
        Self::TooLarge,
        Self::TooSlow,
    ];

    /// A stable word for metrics and the response's `code`.
    pub(super) fn code(self) -> &'static str {
        match self {
            Self::Syntax => "malformed_request",
            Self::LineEnd => "bad_line_end",
            Self::Version => "unsupported_version",
            Self::Target => "bad_target",
            Self::TransferEncoding => "bad_transfer_encoding",
            Self::ContentLength => "bad_content_length",
            Self::TooLarge => "header_too_large",
            Self::TooSlow => "header_timeout",
        }
    }

    fn status(self) -> StatusCode {
        match self {
            Self::Version => StatusCode::HTTP_VERSION_NOT_SUPPORTED,
            Self::TooLarge => StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE,
            Self::TooSlow => StatusCode::REQUEST_TIMEOUT,
            _ => StatusCode::BAD_REQUEST,
        }
    }

    /// The request that stands for the refused one: hyper answers it in its turn, and closes.
    pub(super) fn stand_in(self) -> String {
        format!("{REFUSED} /{} HTTP/1.1\r\nconnection: close\r\n\r\n", self.code())
    }

    /// The refusal that a [`Self::stand_in`] stands for.
    pub(super) fn of_stand_in(path: &str) -> Self {
        let code = path.trim_start_matches('/');
        Self::ALL.into_iter().find(|bad| bad.code() == code).unwrap_or(Self::Syntax)
    }
}

impl IntoResponse for BadHead {
    fn into_response(self) -> Response {
        Problem::new(self.status(), self.code(), "Request refused")
            .detail(self.to_string())
            .into_response()
    }
}

/// Reads one whole head, empty line included.
pub(super) fn check(head: &[u8]) -> Result<Follows, BadHead> {
    let mut fields = [const { MaybeUninit::uninit() }; MOST_FIELDS];
    let mut request = httparse::Request::new(&mut []);
    let parsed = request.parse_with_uninit_headers(head, &mut fields).map_err(BadHead::from)?;
    if parsed != httparse::Status::Complete(head.len()) {
        return Err(BadHead::Syntax);
    }
    let (Some(method), Some(target)) = (request.method, request.path) else {
        return Err(BadHead::Syntax);
    };
    if method == REFUSED {
        return Err(BadHead::Syntax);
    }
    check_target(method, target)?;
    let http_1_1 = request.version == Some(1);
    let fields = Fields::of(request.headers)?;
    if fields.chunked && !http_1_1 {
        return Err(BadHead::TransferEncoding);
    }
    Ok(match fields {
        Fields { chunked: true, length: Some(_), .. } => return Err(BadHead::ContentLength),
        Fields { chunked: true, .. } => Follows::Chunks,
        Fields { length: Some(length @ 1..), .. } => Follows::Length(length),
        Fields { upgrade: true, .. } if http_1_1 => Follows::Answer,
        _ if method == "CONNECT" => Follows::Answer,
        _ => Follows::Head,
    })
}

/// The fields that say what follows.
#[derive(Debug, Default)]
struct Fields {
    chunked: bool,
    length: Option<u64>,
    upgrade: bool,
}

impl Fields {
    fn of(headers: &[httparse::Header<'_>]) -> Result<Self, BadHead> {
        let mut fields = Self::default();
        for header in headers {
            if header.name.eq_ignore_ascii_case("content-length") {
                if fields.length.is_some() {
                    return Err(BadHead::ContentLength);
                }
                fields.length = Some(digits(header.value).ok_or(BadHead::ContentLength)?);
            } else if header.name.eq_ignore_ascii_case("transfer-encoding") {
                if fields.chunked || header.value != b"chunked" {
                    return Err(BadHead::TransferEncoding);
                }
                fields.chunked = true;
            } else if header.name.eq_ignore_ascii_case("upgrade") {
                fields.upgrade = true;
            }
        }
        Ok(fields)
    }
}

/// A number of at most 18 digits: no body is an exabyte long.
fn digits(value: &[u8]) -> Option<u64> {
    if value.is_empty() || value.len() > 18 || !value.iter().all(u8::is_ascii_digit) {
        return None;
    }
    std::str::from_utf8(value).ok()?.parse().ok()
}

/// What hyper would cut off or not take is refused here, where the answer can say why.
fn check_target(method: &str, target: &str) -> Result<(), BadHead> {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"/?-._~%!$&'()*+,;=:@".contains(&byte);
    if target.starts_with('/') && target.bytes().all(plain) {
        return Ok(());
    }
    let visible = target.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'#');
    let valid = visible && target.parse::<Uri>().is_ok_and(|uri| fits(method, &uri));
    if valid { Ok(()) } else { Err(BadHead::Target) }
}

/// The four forms of a target (RFC 9112 section 3.2).
fn fits(method: &str, uri: &Uri) -> bool {
    match (uri.scheme(), uri.authority()) {
        // Not `host:port`, but for a tunnel to there.
        (None, Some(_)) => method == "CONNECT",
        (Some(_), Some(authority)) => !authority.as_str().contains('@'),
        _ => true,
    }
}

impl From<httparse::Error> for BadHead {
    fn from(error: httparse::Error) -> Self {
        match error {
            httparse::Error::TooManyHeaders => Self::TooLarge,
            httparse::Error::Version => Self::Version,
            _ => Self::Syntax,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn verdict(head: &str) -> Result<Follows, BadHead> {
        check(head.replace('\n', "\r\n").as_bytes())
    }

    #[test]
    fn what_follows_is_said_by_the_head() {
        let follows = |fields: &str| verdict(&format!("POST / HTTP/1.1\nhost: a\n{fields}\n"));
        assert_eq!(follows(""), Ok(Follows::Head));
        assert_eq!(follows("content-length: 0\n"), Ok(Follows::Head));
        assert_eq!(follows("Content-Length: 12 \n"), Ok(Follows::Length(12)));
        assert_eq!(follows("transfer-encoding: chunked\n"), Ok(Follows::Chunks));
        assert_eq!(follows("upgrade: websocket\n"), Ok(Follows::Answer));
        assert_eq!(follows("upgrade: h2c\ncontent-length: 1\n"), Ok(Follows::Length(1)));
        assert_eq!(verdict("CONNECT a:1 HTTP/1.1\nhost: a\n\n"), Ok(Follows::Answer));
        assert_eq!(verdict("GET / HTTP/1.0\nupgrade: websocket\n\n"), Ok(Follows::Head));
    }

    #[test]
    fn a_stand_in_cannot_be_sent_but_is_understood() {
        for bad in BadHead::ALL {
            let stand_in = bad.stand_in();
            assert_eq!(check(stand_in.as_bytes()), Err(BadHead::Syntax));
            let path = stand_in.split(' ').nth(1).unwrap();
            assert_eq!(BadHead::of_stand_in(path), bad);
        }
    }

    #[test]
    fn a_target_has_one_of_four_forms() {
        let target = |target: &str| verdict(&format!("GET {target} HTTP/1.1\nhost: a\n\n"));
        for good in ["/", "/a?b=c&d[]={e}", "/%2F/../x|y", "*", "http://a/x", "https://a:1"] {
            assert_eq!(target(good), Ok(Follows::Head), "{good}");
        }
        for bad in ["/#a", "#", "/caf\u{e9}", "a", "a:80", "/a\\b`c^", "http://me@a/", "?x", "/<>"]
        {
            assert_eq!(target(bad), Err(BadHead::Target), "{bad}");
        }
    }
}
