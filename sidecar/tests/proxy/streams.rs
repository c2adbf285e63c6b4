//! What lasts: bodies, event streams, WebSockets, and their end.

use axum::body::{Body, Bytes};
use futures::{SinkExt, StreamExt, channel::mpsc};
use http::{Request, StatusCode, header};
use tokio_tungstenite::tungstenite::{self, Message};

use crate::{
    runtime::{Runtime, WebSocketRuntime},
    sidecar::{GATEWAY_TOKEN, Sidecar, next},
};

/// A request to `/echo` whose first part has come back: what its body is fed with, and the answer.
async fn begun_echo(
    sidecar: &Sidecar,
) -> (mpsc::UnboundedSender<Result<Bytes, std::io::Error>>, Body) {
    let (mut sender, parts) = mpsc::unbounded::<Result<Bytes, std::io::Error>>();
    let request = Request::post(format!("http://{}/echo", sidecar.data))
        .header(header::AUTHORIZATION, sidecar.bearer())
        .body(Body::from_stream(parts))
        .unwrap();
    sender.send(Ok("one".into())).await.unwrap();
    let mut echo = sidecar.stream(request).await;
    assert_eq!(next(&mut echo).await.as_deref(), Some("one"));
    (sender, echo)
}

#[tokio::test]
async fn bodies_are_streamed_in_both_directions() {
    let runtime = Runtime::start().await;
    let sidecar = Sidecar::before(runtime.address).await;
    let (mut sender, mut echo) = begun_echo(&sidecar).await;
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
async fn a_websocket_passes_with_a_token_only() {
    let runtime = WebSocketRuntime::start().await;
    let sidecar = Sidecar::before(runtime.address).await;
    match sidecar.websocket("/chat", None).await {
        Err(tungstenite::Error::Http(response)) => {
            assert_eq!(response.status(), StatusCode::UNAUTHORIZED)
        }
        other => panic!("a WebSocket without a token: {other:?}"),
    }
    assert!(runtime.seen.lock().unwrap().is_none());

    let mut socket = sidecar.websocket("/chat", Some(&sidecar.bearer())).await.unwrap();
    for message in [Message::text("hello"), Message::binary(vec![0; 100_000])] {
        socket.send(message.clone()).await.unwrap();
        assert_eq!(socket.next().await.unwrap().unwrap(), message);
    }
    let seen = runtime.seen.lock().unwrap().clone().unwrap();
    assert_eq!(seen[header::AUTHORIZATION], format!("Bearer {GATEWAY_TOKEN}"));
}

#[tokio::test]
async fn the_sidecar_ends_when_its_runtime_is_gone() {
    let runtime = WebSocketRuntime::start().await;
    let sidecar = Sidecar::before(runtime.address).await;
    // An idle connection of the client's pool stays open.
    assert_eq!(sidecar.admin("/livez").await.status, StatusCode::OK);
    let mut socket = sidecar.websocket("/chat", Some(&sidecar.bearer())).await.unwrap();
    socket.close(None).await.unwrap();
    while socket.next().await.is_some() {}
    sidecar.terminate().await;
}

#[tokio::test]
async fn what_is_in_flight_when_the_sidecar_is_told_to_end_is_not_cut() {
    let runtime = Runtime::start().await;
    let sidecar = Sidecar::before(runtime.address).await;
    let (mut sender, mut echo) = begun_echo(&sidecar).await;
    let the_rest = async {
        sender.send(Ok("two".into())).await.unwrap();
        assert_eq!(next(&mut echo).await.as_deref(), Some("two"));
        drop(sender);
        assert_eq!(next(&mut echo).await, None);
    };
    tokio::join!(sidecar.terminate(), the_rest);
}
