//! A user's pod as the spawner sees it: a sidecar that says what it got.

use std::time::Duration;

use axum::{
    Json, Router,
    body::{Body, to_bytes},
    response::{IntoResponse, Response},
    routing::get,
};
use futures::{SinkExt as _, StreamExt as _, stream};
use http::{Request, StatusCode, header};
use hyper_util::rt::TokioIo;
use serde_json::json;
use tokio_tungstenite::{
    WebSocketStream,
    tungstenite::{handshake::derive_accept_key, protocol::Role},
};

/// Answers every request with what arrived, `/stream` with an endless event stream, and `/echo` with
/// a WebSocket that says what it hears.
pub(crate) fn router() -> Router {
    Router::new().route("/echo", get(talk)).fallback(echo)
}

async fn talk(mut request: Request<Body>) -> Response {
    let accept = derive_accept_key(request.headers()["sec-websocket-key"].as_bytes());
    let upgraded = hyper::upgrade::on(&mut request);
    tokio::spawn(async move {
        let io = TokioIo::new(upgraded.await.unwrap());
        let mut socket = WebSocketStream::from_raw_socket(io, Role::Server, None).await;
        while let Some(Ok(message)) = socket.next().await {
            if message.is_text() && socket.send(message).await.is_err() {
                return;
            }
        }
    });
    let headers = [
        (header::UPGRADE, "websocket".to_owned()),
        (header::CONNECTION, "upgrade".to_owned()),
        (header::SEC_WEBSOCKET_ACCEPT, accept),
    ];
    (StatusCode::SWITCHING_PROTOCOLS, headers).into_response()
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
