//! Cross-origin requests (the Fetch standard, section 3.3). A page of an allowed origin may call, and
//! may read why it was turned away. A preflight carries no token, so it is answered here and never
//! reaches the upstream; no other request passes without what the router behind asks for.

use std::sync::Arc;

use axum::{
    Router,
    body::Body,
    extract::{Request, State},
    middleware::{Next, from_fn_with_state},
    response::Response,
};
use http::{HeaderMap, HeaderValue, Method, StatusCode, header};

/// What a page may read of an answer, besides what every page may.
const EXPOSED: HeaderValue = HeaderValue::from_static("www-authenticate, retry-after");
/// How long a browser may remember the answer to a preflight, in seconds.
const MAX_AGE: HeaderValue = HeaderValue::from_static("600");

/// Which pages of other origins may call.
#[derive(Clone, Debug, Default, clap::Args)]
pub struct CorsArgs {
    /// Origins, such as `https://app.example`, whose pages may call with a token of their own, separated
    /// by commas. Never with cookies
    #[arg(long = "cors-origin", env = "CORS_ORIGINS", value_name = "ORIGIN", value_delimiter = ',', value_parser = origin)]
    origins: Vec<HeaderValue>,
}

impl CorsArgs {
    /// `router`, callable from the allowed origins. Without any, `router` as it is.
    pub fn around(self, router: Router) -> Router {
        if self.origins.is_empty() {
            return router;
        }
        router.layer(from_fn_with_state(Arc::new(self), answer))
    }

    /// The request's origin, if it is one of the allowed.
    fn allowed(&self, headers: &HeaderMap) -> Option<HeaderValue> {
        let mut origins = headers.get_all(header::ORIGIN).iter();
        let origin = origins.next()?;
        (origins.next().is_none() && self.origins.contains(origin)).then(|| origin.clone())
    }
}

async fn answer(State(cors): State<Arc<CorsArgs>>, request: Request, next: Next) -> Response {
    let Some(origin) = cors.allowed(request.headers()) else {
        let mut response = next.run(request).await;
        // A cache must not give this answer to a page that may read it, nor the other way round.
        response.headers_mut().append(header::VARY, HeaderValue::from_static("origin"));
        return response;
    };
    let mut response = if is_preflight(&request) {
        allow_what_is_asked_for(request.headers())
    } else {
        next.run(request).await
    };
    let headers = response.headers_mut();
    headers.append(header::VARY, HeaderValue::from_static("origin"));
    // An upstream that answers for itself knows better.
    if !headers.contains_key(header::ACCESS_CONTROL_ALLOW_ORIGIN) {
        headers.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, origin);
        headers.append(header::ACCESS_CONTROL_EXPOSE_HEADERS, EXPOSED);
    }
    response
}

fn is_preflight(request: &Request) -> bool {
    request.method() == Method::OPTIONS
        && request.headers().contains_key(header::ACCESS_CONTROL_REQUEST_METHOD)
}

/// An allowed origin may use every method and header: what they may do is the token's business.
fn allow_what_is_asked_for(asked: &HeaderMap) -> Response {
    let mut response = Response::new(Body::empty());
    *response.status_mut() = StatusCode::NO_CONTENT;
    let headers = response.headers_mut();
    for (from, to) in [
        (header::ACCESS_CONTROL_REQUEST_METHOD, header::ACCESS_CONTROL_ALLOW_METHODS),
        (header::ACCESS_CONTROL_REQUEST_HEADERS, header::ACCESS_CONTROL_ALLOW_HEADERS),
    ] {
        if let Some(value) = asked.get(from) {
            headers.insert(to, value.clone());
        }
    }
    headers.insert(header::ACCESS_CONTROL_MAX_AGE, MAX_AGE);
    response
}

/// A serialized origin: scheme and host, no path.
fn origin(text: &str) -> Result<HeaderValue, String> {
    let uri: http::Uri = text.parse().map_err(|error| format!("{error}"))?;
    let serialized = match (uri.scheme_str(), uri.authority()) {
        (Some(scheme @ ("http" | "https")), Some(authority)) => format!("{scheme}://{authority}"),
        _ => return Err("an origin looks like https://app.example".to_owned()),
    };
    if serialized != text || text.contains('@') || text != text.to_lowercase() {
        return Err(format!("an origin has no path and small letters, such as {serialized}"));
    }
    text.parse().map_err(|error| format!("{error}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_origin_is_a_scheme_and_a_host() {
        for good in ["https://app.example", "http://127.0.0.1:8080", "https://[::1]:1"] {
            assert_eq!(origin(good).unwrap(), good);
        }
        for bad in ["*", "null", "app.example", "https://a/", "https://a/b", "https://A", "ftp://a"]
        {
            assert!(origin(bad).is_err(), "{bad}");
        }
    }
}
