//! OpenClaw's WebSocket: the gateway token goes into the client's first message, and nowhere else.

use futures::{SinkExt, StreamExt};
use http::header;
use serde_json::{Value, json};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};
use tokio_tungstenite::tungstenite::Message;

use crate::{
    runtime::WebSocketRuntime,
    sidecar::{GATEWAY_TOKEN, Sidecar, soon},
};

/// What the Control UI says first.
fn connect() -> Value {
    json!({
        "type": "req", "id": "1", "method": "connect",
        "params": {
            "minProtocol": 4, "maxProtocol": 4, "role": "operator", "scopes": ["operator.admin"],
            "client": {"id": "openclaw-control-ui", "platform": "Linux x86_64", "mode": "webchat"},
            "device": {
                "id": "d", "publicKey": "k", "signature": "s", "signedAt": 1, "nonce": "n-1",
            },
        },
    })
}

/// What the runtime got of each message.
async fn arrived<const N: usize>(sidecar: &Sidecar, messages: [Message; N]) -> [Message; N] {
    let mut socket = sidecar.websocket("/", Some(&sidecar.bearer())).await.unwrap();
    let mut arrived = Vec::new();
    for message in messages {
        socket.send(message).await.unwrap();
        arrived.push(soon(socket.next()).await.unwrap().unwrap());
    }
    arrived.try_into().unwrap()
}

#[tokio::test]
async fn the_first_message_gets_the_token_and_a_device_of_ours() {
    let runtime = WebSocketRuntime::start().await;
    let sidecar = Sidecar::before(runtime.address).await;
    let said = Message::text(connect().to_string());
    let [first, second] = arrived(&sidecar, [said.clone(), said.clone()]).await;
    let first: Value = serde_json::from_str(first.to_text().unwrap()).unwrap();
    assert_eq!(first["params"]["auth"], json!({"token": GATEWAY_TOKEN}));
    assert_eq!(first["params"]["device"]["nonce"], "n-1");
    assert_ne!(first["params"]["device"]["publicKey"], "k");
    assert_eq!(second, said, "a later message is the client's own");
    let again: Value = {
        let [again] = arrived(&sidecar, [said]).await;
        serde_json::from_str(again.to_text().unwrap()).unwrap()
    };
    let device = |message: &Value| message["params"]["device"]["id"].clone();
    assert_eq!(device(&again), device(&first), "the same device at every connection");
}

#[tokio::test]
async fn other_runtimes_get_what_their_clients_say() {
    let runtime = WebSocketRuntime::start().await;
    let sidecar = Sidecar::before(runtime.address).await;
    for first in [
        Message::text("hello"),
        Message::binary(connect().to_string().into_bytes()),
        Message::text(r#"{"type":"req","method":"chat.send","params":{}}"#),
        Message::text("x".repeat(300_000)),
    ] {
        let said = Message::text(connect().to_string());
        let [echo, next] = arrived(&sidecar, [first.clone(), said.clone()]).await;
        assert!(echo == first && next == said, "{} bytes", first.len());
    }
}

#[tokio::test]
async fn no_token_is_put_in_where_the_runtime_wants_none() {
    let runtime = WebSocketRuntime::start().await;
    for mode in ["trusted-proxy", "none"] {
        let flags = ["--gateway-auth", mode];
        let keys = Some(edge::oidc::testing::Idp::shared().jwks());
        let sidecar = Sidecar::with(runtime.address, &flags, keys).await;
        let said = Message::text(connect().to_string());
        let [echo] = arrived(&sidecar, [said.clone()]).await;
        assert_eq!(echo, said, "{mode}");
    }
}

/// Byte for byte, from a client that nobody's library helps: a ping first, then the connect message
/// in pieces.
#[tokio::test]
async fn the_message_is_replaced_however_its_bytes_arrive() {
    let runtime = WebSocketRuntime::start().await;
    let sidecar = Sidecar::before(runtime.address).await;
    let mut socket = TcpStream::connect(sidecar.data).await.unwrap();
    let handshake = format!(
        "GET / HTTP/1.1\r\n{}: {}\r\n{}: {}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
         Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n",
        header::HOST,
        sidecar.data,
        header::AUTHORIZATION,
        sidecar.bearer(),
    );
    socket.write_all(handshake.as_bytes()).await.unwrap();
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(soon(socket.read_u8()).await.unwrap());
    }
    assert!(head.starts_with(b"HTTP/1.1 101 "), "{}", String::from_utf8_lossy(&head));

    let ping = [0x89, 0x82, 0, 0, 0, 0, b'h', b'i'];
    let said = connect().to_string();
    let frame = [&[0x81, 0xfe][..], &(said.len() as u16).to_be_bytes(), &[0; 4]].concat();
    for piece in [&ping[..], &frame[..3], &frame[3..], &said.as_bytes()[..100]] {
        socket.write_all(piece).await.unwrap();
    }
    // The answer to the ping shows that everything before has been passed on, and nothing more.
    let mut pong = [0; 4];
    soon(socket.read_exact(&mut pong)).await.unwrap();
    assert_eq!(pong, [0x8a, 2, b'h', b'i']);
    socket.write_all(&said.as_bytes()[100..]).await.unwrap();
    let mut head = [0; 4];
    soon(socket.read_exact(&mut head)).await.unwrap();
    assert_eq!(head[..2], [0x81, 126]);
    let mut echo = vec![0; usize::from(u16::from_be_bytes([head[2], head[3]]))];
    soon(socket.read_exact(&mut echo)).await.unwrap();
    let echo: Value = serde_json::from_slice(&echo).unwrap();
    assert_eq!(echo["params"]["auth"]["token"], GATEWAY_TOKEN);
}
