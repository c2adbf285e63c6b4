use std::{net::SocketAddr, time::Duration};

use edge::{proxy::Session, serve::Limits};
use futures::{SinkExt, StreamExt};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::{TcpListener, TcpStream},
};
use tokio_tungstenite::{
    WebSocketStream, accept_async, client_async,
    tungstenite::{Error, Message, protocol::frame::coding::CloseCode},
};

use crate::support::{RawClient, Recorder, Server, exchange, proxy, proxy_with, soon, status};

type WebSocket = WebSocketStream<TcpStream>;

/// An upstream that sends every message back.
pub(crate) async fn echo() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            tokio::spawn(async move {
                let (mut out, mut messages) = accept_async(stream).await?.split();
                while let Some(Ok(message)) = messages.next().await {
                    if message.is_text() || message.is_binary() {
                        out.send(message).await?;
                    }
                }
                Ok::<(), Error>(())
            });
        }
    });
    address
}

async fn open(server: &Server) -> WebSocket {
    let stream = RawClient::connect(server.address).await.into_stream();
    let url = format!("ws://{}/chat", server.address);
    let (socket, response) = soon(client_async(url, stream)).await.unwrap();
    assert_eq!(response.status(), 101);
    socket
}

async fn round_trip(socket: &mut WebSocket, message: Message) {
    socket.send(message.clone()).await.unwrap();
    assert_eq!(soon(socket.next()).await.unwrap().unwrap(), message);
}

pub(crate) async fn closed_with<S>(socket: &mut WebSocketStream<S>) -> CloseCode
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    loop {
        match soon(socket.next()).await.unwrap().unwrap() {
            Message::Close(frame) => return frame.expect("a Close frame says why").code,
            _ => continue,
        }
    }
}

#[tokio::test]
async fn messages_cross_both_ways() {
    let server = Server::start(proxy(echo().await)).await;
    let mut socket = open(&server).await;
    round_trip(&mut socket, "hello".into()).await;
    round_trip(&mut socket, vec![7; 200_000].into()).await;
    socket.close(None).await.unwrap();
    assert!(matches!(soon(socket.next()).await.unwrap(), Ok(Message::Close(_))));
}

#[tokio::test]
async fn the_end_of_the_session_closes_with_1008() {
    let (handle, session) = Session::until_changed(None);
    let server = Server::start(proxy_with(echo().await, |_| {}, session)).await;
    let mut socket = open(&server).await;
    round_trip(&mut socket, "hello".into()).await;
    handle.end();
    assert_eq!(closed_with(&mut socket).await, CloseCode::Policy);
    assert!(soon(socket.next()).await.is_none_or(|end| end.is_err()));
}

#[tokio::test]
async fn a_socket_in_which_nobody_speaks_is_closed() {
    let limits = Limits { tunnel_timeout: Duration::from_millis(20), ..Limits::default() };
    let server = Server::start_with(proxy(echo().await), limits, None).await;
    let mut socket = open(&server).await;
    assert_eq!(closed_with(&mut socket).await, CloseCode::Away);
}

#[tokio::test]
async fn a_drain_waits_for_the_socket_and_at_its_deadline_closes_with_1012() {
    let mut limits = Limits::default();
    limits.drain.drain_delay = Duration::ZERO;
    limits.drain.drain_deadline = Duration::from_millis(50);
    let server = Server::start_with(proxy(echo().await), limits, None).await;
    let mut socket = open(&server).await;
    round_trip(&mut socket, "before".into()).await;
    server.drain();
    assert_eq!(closed_with(&mut socket).await, CloseCode::Restart);
    server.ended().await;
}

#[tokio::test]
async fn a_socket_that_ends_lets_a_drain_end() {
    let server = Server::start(proxy(echo().await)).await;
    let mut socket = open(&server).await;
    server.drain();
    round_trip(&mut socket, "still there".into()).await;
    socket.close(None).await.unwrap();
    while soon(socket.next()).await.is_some_and(|message| message.is_ok()) {}
    drop(socket);
    server.ended().await;
}

#[tokio::test]
async fn the_frame_in_flight_is_whole_before_the_close_frame() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let (handle, session) = Session::until_changed(None);
    let address = listener.local_addr().unwrap();
    let server = Server::start(proxy_with(address, |_| {}, session)).await;
    let mut client = RawClient::connect(server.address).await;
    client.say(HANDSHAKE).await;
    let mut upstream = RawClient::from(listener.accept().await.unwrap().0);
    upstream.hear_until("\r\n\r\n").await;
    upstream.say(SWITCHING).await;
    client.hear_until("\r\n\r\n").await;
    upstream.say("\u{2}\u{6}abc").await;
    client.hear_until("abc").await;
    handle.end();
    upstream.hear_end().await;
    upstream.say("def\u{2}\u{1}x").await;
    let heard = client.hear_bytes().await;
    assert!(heard.starts_with(b"def\x88"), "{heard:?}");
    assert!(heard.ends_with(b"\x03\xf0session ended"), "{heard:?}");
}

const HANDSHAKE: &str = "GET / HTTP/1.1\r\nhost: a\r\nconnection: Upgrade\r\nupgrade: WebSocket\r\n\
    sec-websocket-version: 13\r\nsec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";
const SWITCHING: &str =
    "HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: websocket\r\n\r\n";

#[tokio::test]
async fn without_the_upstreams_consent_there_is_no_tunnel() {
    let upstream =
        Recorder::answering("HTTP/1.1 403 Forbidden\r\ncontent-length: 2\r\n\r\nno").await;
    let server = Server::start(proxy(upstream.address)).await;
    let smuggled = format!("{HANDSHAKE}\u{1}\u{5}these are frames\r\n\r\n");
    let answer = exchange(server.address, &smuggled).await;
    assert_eq!(status(&answer), 403, "{answer}");
    let seen = upstream.request();
    assert!(seen.contains("upgrade: websocket\r\n"), "{seen}");
    assert!(!seen.contains("frames"), "{seen}");
}

#[tokio::test]
async fn an_upstream_that_switches_to_something_else_is_502() {
    for other in ["upgrade: h2c", "upgrade: websocket\r\nupgrade: h2c", "x: y"] {
        let switching =
            format!("HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\n{other}\r\n\r\n");
        let upstream = Recorder::answering(switching).await;
        let server = Server::start(proxy(upstream.address)).await;
        let mut client = RawClient::connect(server.address).await;
        client.say(HANDSHAKE).await;
        let answer = client.hear_until("\r\n\r\n").await;
        assert_eq!(status(&answer), 502, "{other}: {answer}");
    }
}

#[tokio::test]
async fn the_handshake_reaches_the_upstream_as_one() {
    let upstream = Recorder::answering(SWITCHING).await;
    let server = Server::start(proxy(upstream.address)).await;
    let mut client = RawClient::connect(server.address).await;
    client.say(HANDSHAKE).await;
    let answer = client.hear_until("\r\n\r\n").await;
    assert_eq!(status(&answer), 101, "{answer}");
    assert_eq!(
        upstream.request(),
        "GET / HTTP/1.1\r\nhost: a\r\nsec-websocket-version: 13\r\n\
         sec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n\
         connection: upgrade\r\nupgrade: websocket\r\n\r\n"
    );
}

/// A refusal is an answer like others: the connection goes on.
#[tokio::test]
async fn after_a_refused_handshake_the_connection_is_good_for_more() {
    let refusal = "HTTP/1.1 403 Forbidden\r\ncontent-length: 2\r\n\r\nno";
    let upstream = Recorder::answering(refusal).await;
    let server = Server::start(proxy(upstream.address)).await;
    let mut client = RawClient::connect(server.address).await;
    for _ in 0..2 {
        client.say(HANDSHAKE).await;
        assert_eq!(status(&client.hear_until("\r\n\r\nno").await), 403);
        client.say("GET /more HTTP/1.1\r\nhost: a\r\n\r\n").await;
        assert_eq!(status(&client.hear_until("\r\n\r\nno").await), 403);
    }
    client.say("GET /# HTTP/1.1\r\nhost: a\r\n\r\n").await;
    assert_eq!(status(&client.hear_until("bad_target").await), 400, "still checked");
    assert_eq!(upstream.requests().len(), 4);
}
