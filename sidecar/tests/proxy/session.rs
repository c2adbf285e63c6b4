//! A stream lives as long as its session: what ends it, how, and what extends it.

use axum::body::Body;
use edge::oidc::UnixTime;
use futures::{SinkExt, StreamExt};
use http::{Request, StatusCode, header};
use http_body_util::BodyExt;
use hyper_util::rt::{TokioExecutor, TokioIo};
use serde_json::json;
use tokio::net::TcpStream;
use tokio_tungstenite::{WebSocketStream, tungstenite::Message};

use crate::{
    runtime::{Runtime, WebSocketRuntime},
    sidecar::{Sidecar, next, soon},
};

/// The code and reason with which a WebSocket was closed.
pub(crate) async fn closed_with(socket: &mut WebSocketStream<TcpStream>) -> (u16, String) {
    match soon(socket.next()).await {
        Some(Ok(Message::Close(Some(frame)))) => (frame.code.into(), frame.reason.to_string()),
        other => panic!("no Close frame: {other:?}"),
    }
}

pub(crate) async fn echoes(socket: &mut WebSocketStream<TcpStream>) {
    socket.send("hello".into()).await.unwrap();
    assert_eq!(soon(socket.next()).await.unwrap().unwrap(), Message::text("hello"));
}

#[tokio::test]
async fn a_websocket_ends_with_its_token_and_says_why() {
    let runtime = WebSocketRuntime::start().await;
    let sidecar = Sidecar::before(runtime.address).await;
    let mut socket = sidecar.websocket("/chat", Some(&sidecar.ending("s"))).await.unwrap();
    assert_eq!(closed_with(&mut socket).await, (1008, "session ended".to_owned()));
}

#[tokio::test]
async fn an_event_stream_ends_cleanly_with_its_token_and_a_download_breaks_off() {
    let runtime = Runtime::start().await;
    let sidecar = Sidecar::before(runtime.address).await;
    let mut events = sidecar.open("/events", &sidecar.ending("s")).await;
    let mut download = sidecar.open("/download", &sidecar.ending("s")).await;
    runtime.say("one");
    assert_eq!(next(&mut events).await.as_deref(), Some("data: one\n\n"));
    assert_eq!(next(&mut download).await.as_deref(), Some("data: one\n\n"));
    assert_eq!(next(&mut events).await, None);
    assert!(soon(download.frame()).await.unwrap().is_err(), "it must not look whole");
}

#[tokio::test]
async fn over_http_2_the_stream_ends_and_the_connection_stays() {
    let runtime = Runtime::start().await;
    let sidecar = Sidecar::before(runtime.address).await;
    let io = TokioIo::new(TcpStream::connect(sidecar.data).await.unwrap());
    let (mut client, connection) =
        hyper::client::conn::http2::handshake(TokioExecutor::new(), io).await.unwrap();
    tokio::spawn(connection);
    let request = |path: &str, bearer: &str| {
        Request::get(format!("http://{}{path}", sidecar.data))
            .header(header::AUTHORIZATION, bearer)
            .body(Body::empty())
            .unwrap()
    };
    let ending = sidecar.ending("s");
    let events = client.send_request(request("/events", &ending)).await.unwrap();
    let download = client.send_request(request("/download", &ending)).await.unwrap();
    let (mut events, mut download) =
        (Body::new(events.into_body()), Body::new(download.into_body()));
    assert_eq!(next(&mut events).await, None, "END_STREAM, no reset");
    assert!(soon(download.frame()).await.unwrap().is_err(), "a reset");
    // After a GOAWAY this connection would take no request.
    let again = client.send_request(request("/", &sidecar.bearer())).await.unwrap();
    assert_eq!(again.status(), StatusCode::OK);
}

#[tokio::test]
async fn a_newer_token_of_the_session_extends_its_streams() {
    let (http, chat) = (Runtime::start().await, WebSocketRuntime::start().await);
    let sidecar = Sidecar::before(http.address).await;
    let chatting = Sidecar::before(chat.address).await;
    let mut events = sidecar.open("/events", &sidecar.ending("s")).await;
    let mut socket = chatting.websocket("/chat", Some(&chatting.ending("s"))).await.unwrap();
    // Opened last and not extended: when these have ended, the others would have.
    let mut other_events = sidecar.open("/events", &sidecar.ending("other")).await;
    let other = chatting.ending("other");
    let mut other_socket = chatting.websocket("/chat", Some(&other)).await.unwrap();

    let renewed = sidecar.get("/", &[("authorization", &sidecar.bearer_of("s"))]).await;
    assert_eq!(renewed.status, StatusCode::OK);
    let mut second = chatting.websocket("/chat", Some(&chatting.bearer_of("s"))).await.unwrap();
    echoes(&mut second).await;

    assert_eq!(next(&mut other_events).await, None);
    assert_eq!(closed_with(&mut other_socket).await.0, 1008);
    http.say("still here");
    assert_eq!(next(&mut events).await.as_deref(), Some("data: still here\n\n"));
    echoes(&mut socket).await;
}

#[tokio::test]
async fn an_older_token_shortens_nothing_and_a_refused_one_extends_nothing() {
    let runtime = Runtime::start().await;
    let sidecar = Sidecar::before(runtime.address).await;
    let mut long = sidecar.open("/events", &sidecar.bearer_of("long")).await;
    let mut short = sidecar.open("/events", &sidecar.ending("short")).await;
    let older = sidecar.get("/", &[("authorization", &sidecar.ending("long"))]).await;
    assert_eq!(older.status, StatusCode::OK);
    let later = UnixTime::now().as_secs() + 300;
    for refused in [
        json!({"sid": "short", "exp": later, "aud": "other-app"}),
        json!({"sid": "short", "exp": later, "typ": "ID"}),
        json!({"sid": "short", "exp": later, "sub": edge::oidc::testing::BOB}),
    ] {
        let bearer = format!("Bearer {}", sidecar.token(refused));
        let answer = sidecar.get("/", &[("authorization", &bearer)]).await;
        assert!(answer.status.is_client_error(), "{answer:?}");
    }
    assert_eq!(next(&mut short).await, None);
    runtime.say("still here");
    assert_eq!(next(&mut long).await.as_deref(), Some("data: still here\n\n"));
}

#[tokio::test]
async fn the_spawner_extends_a_stream_without_a_request_of_the_user() {
    let runtime = WebSocketRuntime::start().await;
    let sidecar = Sidecar::before(runtime.address).await;
    let mut socket = sidecar.websocket("/chat", Some(&sidecar.ending("s"))).await.unwrap();
    let mut other = sidecar.websocket("/chat", Some(&sidecar.ending("other"))).await.unwrap();
    let before = sidecar.admin("/activity").await.body;
    assert_eq!(sidecar.extend(&sidecar.bearer_of("s")).await.status, StatusCode::NO_CONTENT);
    for (refused, status) in [
        (json!({"sid": "other", "sub": edge::oidc::testing::BOB}), 403),
        (json!({"sid": "other", "aud": "other-app"}), 401),
    ] {
        let bearer = format!("Bearer {}", sidecar.token(refused));
        assert_eq!(sidecar.extend(&bearer).await.status, status);
    }
    assert_eq!(sidecar.extend("Bearer a.b.c").await.status, StatusCode::UNAUTHORIZED);
    let after = sidecar.admin("/activity").await.body;
    let activity = |report: &str| {
        let report: serde_json::Value = serde_json::from_str(report).unwrap();
        (report["last_client_activity"].clone(), report["inflight"].clone())
    };
    assert_eq!(activity(&before), activity(&after), "it keeps nothing awake");
    assert_eq!(closed_with(&mut other).await.0, 1008);
    echoes(&mut socket).await;
}
