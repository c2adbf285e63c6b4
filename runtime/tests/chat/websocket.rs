use futures::{SinkExt, StreamExt};
use tokio::net::TcpStream;
use tokio_tungstenite::{
    MaybeTlsStream, WebSocketStream, connect_async,
    tungstenite::{self, Message, protocol::frame::coding::CloseCode},
};

use crate::support::{FakeNewApi, Runtime, nobody, soon};

type Socket = WebSocketStream<MaybeTlsStream<TcpStream>>;

impl Runtime {
    async fn open(&self) -> Socket {
        soon(connect_async(format!("ws://{}/ws", self.address))).await.unwrap().0
    }
}

/// All messages of one answer.
async fn ask(socket: &mut Socket, request: &str) -> Vec<String> {
    socket.send(Message::text(request)).await.unwrap();
    let mut messages = Vec::new();
    while messages.last().is_none_or(|last| last != "[DONE]") {
        let message = soon(socket.next()).await.unwrap().unwrap();
        messages.push(message.into_text().unwrap().to_string());
    }
    messages
}

#[tokio::test]
async fn each_message_is_answered_by_its_chunks() {
    let newapi = FakeNewApi::start().await;
    let runtime = Runtime::using(newapi.address).await;
    let mut socket = runtime.open().await;
    for model in ["first", "second"] {
        let request = format!(r#"{{"model":"{model}","stream":false}}"#);
        let chunks = ask(&mut socket, &request).await;
        assert_eq!(chunks, [r#"{"word":1}"#, r#"{"word":2}"#, "[DONE]"]);
        let seen = newapi.last();
        assert_eq!(seen.body, format!(r#"{{"model":"{model}","stream":true}}"#));
        assert_eq!(seen.headers["authorization"], "Bearer sk-alice");
    }
}

#[tokio::test]
async fn a_failure_is_a_message_and_the_conversation_goes_on() {
    let runtime = Runtime::using(nobody()).await;
    let mut socket = runtime.open().await;
    for (request, failure) in [("{}", "upstream_refused"), ("hello", "expected value")] {
        let messages = ask(&mut socket, request).await;
        assert_eq!(messages.len(), 2, "{messages:?}");
        assert!(messages[0].contains(failure), "{messages:?}");
    }
}

#[tokio::test]
async fn a_plain_request_is_told_to_upgrade() {
    let runtime = Runtime::using(nobody()).await;
    let stream = TcpStream::connect(runtime.address).await.unwrap();
    let (mut sender, connection) =
        hyper::client::conn::http1::handshake(hyper_util::rt::TokioIo::new(stream)).await.unwrap();
    tokio::spawn(connection);
    let request = http::Request::get("/ws").header("host", "a").body(axum::body::Body::empty());
    let response = soon(sender.send_request(request.unwrap())).await.unwrap();
    assert_eq!(response.status(), 426);
    assert_eq!(response.headers()["upgrade"], "websocket");
}

#[tokio::test]
async fn at_the_end_the_client_is_told() {
    let runtime = Runtime::using(nobody()).await;
    let mut socket = runtime.open().await;
    runtime.drain();
    let Message::Close(Some(frame)) = soon(socket.next()).await.unwrap().unwrap() else {
        panic!("not a Close frame");
    };
    assert_eq!(frame.code, CloseCode::Away);
    let end = soon(socket.next()).await;
    assert!(matches!(end, None | Some(Err(tungstenite::Error::ConnectionClosed))), "{end:?}");
    runtime.ended().await;
}
