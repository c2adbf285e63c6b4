//! A user's pod as the spawner sees it: a sidecar that says what it got.

use std::time::Duration;

use axum::{
    Json, Router,
    body::{Body, to_bytes},
    response::{IntoResponse, Response},
};
use futures::stream;
use http::{Request, header};
use serde_json::json;

/// Answers every request with what arrived, and `/stream` with an endless event stream.
pub(crate) fn router() -> Router {
    Router::new().fallback(echo)
}

async fn echo(request: Request<Body>) -> Response {
    if request.uri().path() == "/stream" {
        return endless();
    }
    let (head, body) = request.into_parts();
    let text = |name: &str| head.headers.get(name).and_then(|value| value.to_str().ok());
    let seen = json!({
        "method": head.method.as_str(),
        "target": head.uri.to_string(),
        "authorization": text("authorization"),
        "x-forwarded-user": text("x-forwarded-user"),
        "body": String::from_utf8(to_bytes(body, 1 << 20).await.unwrap().to_vec()).unwrap(),
    });
    Json(seen).into_response()
}

/// One event, and then nothing for as long as anybody listens.
fn endless() -> Response {
    let events = stream::unfold(true, |first| async move {
        if !first {
            tokio::time::sleep(Duration::from_secs(3600)).await;
        }
        Some((Ok::<_, std::convert::Infallible>("data: one\n\n"), false))
    });
    ([(header::CONTENT_TYPE, "text/event-stream")], Body::from_stream(events)).into_response()
}
