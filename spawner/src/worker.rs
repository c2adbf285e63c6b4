//! The service worker of the address of workspaces. A worker under the root would have the spawner's
//! own pages in its scope too, so a pod's is never let in: whichever a pod's page registers there, it
//! gets ours, which leads the page to the login when the session is over.

use axum::response::{IntoResponse, Response};
use http::{HeaderMap, HeaderValue, Uri, header};

const SCRIPT: &str = include_str!("worker.js");

/// Whether a browser asks for a worker's script right under the root (Service Workers section 6.1,
/// `Service-Worker: script`). One in a folder has that folder as its scope.
pub(crate) fn is_asked_for(headers: &HeaderMap, uri: &Uri) -> bool {
    headers.contains_key("service-worker")
        && !headers.contains_key(header::AUTHORIZATION)
        && uri.path().rfind('/').is_none_or(|last| last == 0)
}

/// The script. It holds nothing of anybody's, so whoever is signed out gets it too: his browser would
/// keep an older one.
pub(crate) fn script() -> Response {
    let headers = [
        (header::CONTENT_TYPE, HeaderValue::from_static("text/javascript; charset=utf-8")),
        (header::CACHE_CONTROL, HeaderValue::from_static("no-cache")),
        (header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff")),
    ];
    (headers, SCRIPT).into_response()
}
