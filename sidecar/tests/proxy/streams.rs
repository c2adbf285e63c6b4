//! What lasts: bodies, event streams, WebSockets, and their end.

use std::time::Duration;

use axum::body::{Body, Bytes};
use edge::oidc::UnixTime;
use futures::{SinkExt, StreamExt, channel::mpsc};
use http::{Request, StatusCode, header};
use http_body_util::BodyExt;
use serde_json::json;
use tokio::{net::TcpStream, time::timeout};
use tokio_tungstenite::{
    WebSocketStream, client_async,
    tungstenite::{self, Message, client::IntoClientRequest},
};

use crate::{
    runtime::{Runtime, WebSocketRuntime},
    sidecar::{GATEWAY_TOKEN, Sidecar},
};

/// How long a test waits for what must happen, instead of for ever.
const PATIENCE: Duration = Duration::from_secs(30);

async fn next(body: &mut Body) -> Option<String> {
    let frame = body.frame().await?.ok()?;
    Some(String::from_utf8(frame.into_data().ok()?.to_vec()).unwrap())
}

async fn websocket(
    sidecar: &Sidecar,
    bearer: Option<&str>,
) -> Result<WebSocketStream<TcpStream>, tungstenite::Error> {
    let mut request = format!("ws://{}/chat", sidecar.data).into_client_request().unwrap();
    if let Some(bearer) = bearer {
        request.headers_mut().insert(header::AUTHORIZATION, bearer.parse().unwrap());
    }
    let stream = TcpStream::connect(sidecar.data).await.unwrap();
    client_async(request, stream).await.map(|(socket, _)| socket)
}

#[tokio::test]
async fn bodies_are_streamed_in_both_directions() {
    let runtime = Runtime::start().await;
    let sidecar = Sidecar::before(runtime.address).await;
    let (mut sender, parts) = mpsc::unbounded::<Result<Bytes, std::io::Error>>();
    let request = Request::post(format!("http://{}/echo", sidecar.data))
        .header(header::AUTHORIZATION, sidecar.bearer())
        .body(Body::from_stream(parts))
        .unwrap();
    sender.send(Ok("one".into())).await.unwrap();
    let mut echo = sidecar.stream(request).await;
    assert_eq!(next(&mut echo).await.as_deref(), Some("one"));
    sender.send(Ok("two".into())).await.unwrap();
    assert_eq!(next(&mut echo).await.as_deref(), Some("two"));
    drop(sender);
    assert_eq!(next(&mut echo).await, None);
}

#[tokio::test]
async fn events_arrive_one_by_one() {
    let runtime = Runtime::start().await;
    let sidecar = Sidecar::before(runtime.address).await;
    let mut events = sidecar.open("/events", &sidecar.bearer()).await;
    // Each is read before the next is sent, so none can be waiting in a buffer.
    for (event, expected) in [("one", "data: one\n\n"), ("two", "data: two\n\n")] {
        runtime.say(event);
        assert_eq!(next(&mut events).await.as_deref(), Some(expected));
    }
}

#[tokio::test]
async fn an_event_stream_ends_with_its_token() {
    let runtime = Runtime::start().await;
    let sidecar = Sidecar::before(runtime.address).await;
    // 30 s of leeway: this token is accepted for two seconds more.
    let ends = UnixTime::now().as_secs() - 28;
    let bearer = format!("Bearer {}", sidecar.token(json!({"exp": ends})));
    let mut events = sidecar.open("/events", &bearer).await;
    runtime.say("one");
    assert_eq!(next(&mut events).await.as_deref(), Some("data: one\n\n"));
    let end = timeout(PATIENCE, events.frame()).await.expect("an end");
    assert!(end.is_none(), "a clean end, not an error");
}

#[tokio::test]
async fn a_websocket_passes_with_a_token_only() {
    let runtime = WebSocketRuntime::start().await;
    let sidecar = Sidecar::before(runtime.address).await;
    match websocket(&sidecar, None).await {
        Err(tungstenite::Error::Http(response)) => {
            assert_eq!(response.status(), StatusCode::UNAUTHORIZED)
        }
        other => panic!("a WebSocket without a token: {other:?}"),
    }
    assert!(runtime.seen.lock().unwrap().is_none());

    let mut socket = websocket(&sidecar, Some(&sidecar.bearer())).await.unwrap();
    for message in [Message::text("hello"), Message::binary(vec![0; 100_000])] {
        socket.send(message.clone()).await.unwrap();
        assert_eq!(socket.next().await.unwrap().unwrap(), message);
    }
    let seen = runtime.seen.lock().unwrap().clone().unwrap();
    assert_eq!(seen[header::AUTHORIZATION], format!("Bearer {GATEWAY_TOKEN}"));
}

#[tokio::test]
async fn a_websocket_ends_with_its_token() {
    let runtime = WebSocketRuntime::start().await;
    let sidecar = Sidecar::before(runtime.address).await;
    let ends = UnixTime::now().as_secs() - 28;
    let bearer = format!("Bearer {}", sidecar.token(json!({"exp": ends})));
    let mut socket = websocket(&sidecar, Some(&bearer)).await.unwrap();
    match timeout(PATIENCE, socket.next()).await.expect("an end") {
        Some(Ok(Message::Close(Some(frame)))) => assert_eq!(u16::from(frame.code), 1008),
        other => panic!("no close frame: {other:?}"),
    }
}

#[tokio::test]
async fn the_sidecar_ends_when_its_runtime_is_gone() {
    let runtime = WebSocketRuntime::start().await;
    let sidecar = Sidecar::before(runtime.address).await;
    // An idle connection of the client's pool stays open.
    assert_eq!(sidecar.admin("/livez").await.status, StatusCode::OK);
    let mut socket = websocket(&sidecar, Some(&sidecar.bearer())).await.unwrap();
    socket.close(None).await.unwrap();
    while socket.next().await.is_some() {}
    sidecar.terminate().await;
}
