//! An API server that has too much to do says when to come again: in a header, under a line of text
//! (API Priority and Fairness). kube's errors keep the text alone, so the time is put into the status
//! that they are read from.

use axum::{
    BoxError,
    body::{Body, Bytes, HttpBody},
};
use http::{Response, StatusCode, header};
use kube::{Client, Config, client::ClientBuilder};
use serde_json::json;
use tower::util::MapResponseLayer;

/// A client whose errors know when to come again.
pub(crate) fn client(mut config: Config) -> Result<Client, kube::Error> {
    // Its own retries may take longer than a call, which then says nothing of the cause.
    config.default_retry = false;
    Ok(ClientBuilder::try_from(config)?.with_layer(&MapResponseLayer::new(told)).build())
}

fn told<B>(response: Response<B>) -> Response<Body>
where
    B: HttpBody<Data = Bytes> + Send + 'static,
    B::Error: Into<BoxError>,
{
    match seconds(&response) {
        None => response.map(Body::new),
        Some(seconds) => {
            let status = json!({
                "kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure",
                "reason": "TooManyRequests", "code": 429, "message": "too many requests",
                "details": {"retryAfterSeconds": seconds},
            });
            response.map(|_text| Body::from(status.to_string()))
        }
    }
}

/// After how many seconds to come again, where only the header says so.
fn seconds<B>(response: &Response<B>) -> Option<u32> {
    let value = |name| response.headers().get(name)?.to_str().ok();
    let is_status =
        value(header::CONTENT_TYPE).is_some_and(|kind| kind.starts_with("application/json"));
    let overloaded = response.status() == StatusCode::TOO_MANY_REQUESTS;
    let seconds = value(header::RETRY_AFTER)?.parse().ok()?;
    (overloaded && !is_status).then_some(seconds)
}
