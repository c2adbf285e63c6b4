//! Which requests a cookie may speak for. A browser sends it with whatever any page asks for, so
//! where the request comes from has to be right: by `Origin` (RFC 6454), which a browser sends with
//! everything that changes something and with every WebSocket, and by Fetch Metadata.
//!
//! Code that a pod serves shares our origin. It is the user's own and may do with the workspace
//! what the user may; but it must not stop it, sign the user out, or read what could. So under
//! `/-/` a change also needs the CSRF token, and pages that hold it are for top-level navigations
//! only, and in a browsing context group of their own (see [`crate::pages`]).

use aws_lc_rs::constant_time::verify_slices_are_equal;
use http::{HeaderMap, HeaderName, Method, header};

/// Why a cookie does not speak for a request. A closed set: it is a metric label.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Crossing {
    /// Browsers always send it.
    #[error("The header Origin is missing, and browsers send it with every such request.")]
    NoOrigin,
    /// It comes from a page of another site.
    #[error("The request comes from another site.")]
    OtherOrigin,
    /// The browser says that the request does not come from a page of this site.
    #[error("The browser says that another site asked for this.")]
    OtherSite,
    /// No browser of today leaves it out over TLS.
    #[error("The header Sec-Fetch-Site is missing; a browser of 2023 or newer sends it.")]
    NoFetchSite,
    /// The form or header does not have this session's token.
    #[error("The page is of another session. Go back, reload it and try again.")]
    CsrfToken,
    /// A script, a frame or an image asked for a page.
    #[error("This page can only be opened in a window of its own.")]
    NotANavigation,
}

impl Crossing {
    /// A bounded name for logs, metrics and the API.
    pub(crate) fn code(self) -> &'static str {
        match self {
            Self::NoOrigin => "origin_missing",
            Self::OtherOrigin => "origin_refused",
            Self::OtherSite => "cross_site",
            Self::NoFetchSite => "fetch_site_missing",
            Self::CsrfToken => "csrf_token",
            Self::NotANavigation => "not_a_navigation",
        }
    }
}

/// Whether a cookie may speak for a request to the own pod or to the API, as far as headers tell.
pub(crate) fn may_pass(method: &Method, headers: &HeaderMap, origin: &str) -> Result<(), Crossing> {
    if !method.is_safe() || headers.contains_key(header::UPGRADE) {
        return same_origin(headers, origin);
    }
    // `SameSite=Lax` keeps the cookie from other sites, but not from other hosts of this site.
    match text(headers, SITE) {
        None | Some("same-origin" | "none") => Ok(()),
        Some(_) if text(headers, MODE) == Some("navigate") => Ok(()),
        Some(_) => Err(Crossing::OtherSite),
    }
}

/// Whether a cookie may speak for a change under `/-/`, with the token that came with the request.
pub(crate) fn may_change(
    headers: &HeaderMap,
    origin: &str,
    token: Option<&str>,
    expected: &str,
) -> Result<(), Crossing> {
    same_origin(headers, origin)?;
    if !headers.contains_key(SITE) {
        return Err(Crossing::NoFetchSite);
    }
    let token = token.unwrap_or_default().as_bytes();
    verify_slices_are_equal(token, expected.as_bytes()).map_err(|_| Crossing::CsrfToken)
}

/// Whether this is a user opening a page in a window, which no script can read.
pub(crate) fn is_page_visit(headers: &HeaderMap) -> Result<(), Crossing> {
    match (text(headers, MODE), text(headers, DEST)) {
        (Some("navigate"), Some("document")) => Ok(()),
        (None, None) if !headers.contains_key(SITE) => Err(Crossing::NoFetchSite),
        _ => Err(Crossing::NotANavigation),
    }
}

/// Whether a person looks at the answer, so that it should be a page and not a document for
/// programs. Decides about words only.
pub(crate) fn wants_page(method: &Method, headers: &HeaderMap) -> bool {
    if let Some(mode) = text(headers, MODE) {
        return mode == "navigate";
    }
    let accept = text(headers, header::ACCEPT).unwrap_or_default();
    (method == Method::GET || method == Method::POST) && accept.contains("text/html")
}

fn same_origin(headers: &HeaderMap, origin: &str) -> Result<(), Crossing> {
    let mut origins = headers.get_all(header::ORIGIN).iter();
    let found = origins.next().ok_or(Crossing::NoOrigin)?;
    if found.as_bytes() != origin.as_bytes() || origins.next().is_some() {
        return Err(Crossing::OtherOrigin);
    }
    match text(headers, SITE) {
        None | Some("same-origin") => Ok(()),
        Some(_) => Err(Crossing::OtherSite),
    }
}

const SITE: HeaderName = HeaderName::from_static("sec-fetch-site");
const MODE: HeaderName = HeaderName::from_static("sec-fetch-mode");
const DEST: HeaderName = HeaderName::from_static("sec-fetch-dest");

/// The one value of a header; a repeated one counts as something strange.
fn text(headers: &HeaderMap, name: HeaderName) -> Option<&str> {
    let mut values = headers.get_all(name).iter();
    let value = values.next()?;
    match values.next() {
        None => Some(value.to_str().unwrap_or("?")),
        Some(_) => Some("?"),
    }
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    const OURS: &str = "https://agents.example";

    fn headers(pairs: &[(&'static str, &'static str)]) -> HeaderMap {
        pairs
            .iter()
            .map(|(name, value)| (HeaderName::from_static(name), HeaderValue::from_static(value)))
            .collect()
    }

    #[test]
    fn what_a_cookie_may_ask_of_the_own_pod() {
        use Crossing::{NoOrigin, OtherOrigin, OtherSite};
        let get = Method::GET;
        let post = Method::POST;
        for (method, sent, verdict) in [
            (&get, &[][..], Ok(())),
            (&get, &[("sec-fetch-site", "same-origin")], Ok(())),
            (&get, &[("sec-fetch-site", "none"), ("sec-fetch-mode", "navigate")], Ok(())),
            (&get, &[("sec-fetch-site", "cross-site"), ("sec-fetch-mode", "navigate")], Ok(())),
            (&get, &[("sec-fetch-site", "same-site"), ("sec-fetch-mode", "cors")], Err(OtherSite)),
            (&get, &[("sec-fetch-site", "cross-site")], Err(OtherSite)),
            (&post, &[], Err(NoOrigin)),
            (&post, &[("sec-fetch-site", "same-origin")], Err(NoOrigin)),
            (&post, &[("origin", OURS)], Ok(())),
            (&post, &[("origin", OURS), ("sec-fetch-site", "same-origin")], Ok(())),
            (&post, &[("origin", OURS), ("sec-fetch-site", "same-site")], Err(OtherSite)),
            (&post, &[("origin", "https://evil.example")], Err(OtherOrigin)),
            (&post, &[("origin", "null")], Err(OtherOrigin)),
            (&post, &[("origin", "http://agents.example")], Err(OtherOrigin)),
            (&post, &[("origin", "https://agents.example:443")], Err(OtherOrigin)),
            (&post, &[("origin", "https://agents.example.evil.example")], Err(OtherOrigin)),
            (&post, &[("origin", OURS), ("origin", "https://evil.example")], Err(OtherOrigin)),
            (&get, &[("upgrade", "websocket")], Err(NoOrigin)),
            (&get, &[("upgrade", "websocket"), ("origin", "null")], Err(OtherOrigin)),
            (&get, &[("upgrade", "websocket"), ("origin", OURS)], Ok(())),
        ] {
            let mut map = HeaderMap::new();
            for (name, value) in sent {
                map.append(HeaderName::from_static(name), HeaderValue::from_static(value));
            }
            assert_eq!(may_pass(method, &map, OURS), verdict, "{method} {sent:?}");
        }
    }

    #[test]
    fn what_a_cookie_may_change_under_our_own_paths() {
        use Crossing::{CsrfToken, NoFetchSite, NoOrigin, OtherOrigin};
        let ours = [("origin", OURS), ("sec-fetch-site", "same-origin")];
        for (sent, token, verdict) in [
            (&ours[..], Some("t-1"), Ok(())),
            (&ours, Some("t-2"), Err(CsrfToken)),
            (&ours, Some(""), Err(CsrfToken)),
            (&ours, None, Err(CsrfToken)),
            (&ours[..1], Some("t-1"), Err(NoFetchSite)),
            (&ours[1..], Some("t-1"), Err(NoOrigin)),
            (&[("origin", "https://evil.example")], Some("t-1"), Err(OtherOrigin)),
        ] {
            let verdict_now = may_change(&headers(sent), OURS, token, "t-1");
            assert_eq!(verdict_now, verdict, "{sent:?} {token:?}");
        }
    }

    #[test]
    fn only_a_window_of_its_own_shows_a_page() {
        for (mode, dest, shown) in [
            ("navigate", "document", true),
            ("navigate", "iframe", false),
            ("navigate", "frame", false),
            ("navigate", "object", false),
            ("navigate", "embed", false),
            ("cors", "empty", false),
            ("same-origin", "empty", false),
            ("no-cors", "image", false),
            ("no-cors", "script", false),
            ("cors", "document", false),
        ] {
            let sent = headers(&[("sec-fetch-mode", mode), ("sec-fetch-dest", dest)]);
            assert_eq!(is_page_visit(&sent).is_ok(), shown, "{mode} {dest}");
        }
        assert_eq!(is_page_visit(&HeaderMap::new()), Err(Crossing::NoFetchSite));
    }

    #[test]
    fn people_get_pages_and_programs_get_documents() {
        for (method, sent, page) in [
            (Method::GET, &[("sec-fetch-mode", "navigate")][..], true),
            (Method::GET, &[("sec-fetch-mode", "cors"), ("accept", "text/html")], false),
            (Method::GET, &[("accept", "text/html,*/*;q=0.8")], true),
            (Method::GET, &[("accept", "*/*")], false),
            (Method::GET, &[], false),
            (Method::PUT, &[("accept", "text/html")], false),
        ] {
            assert_eq!(wants_page(&method, &headers(sent)), page, "{method} {sent:?}");
        }
    }
}
