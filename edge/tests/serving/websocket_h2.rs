//! WebSockets over HTTP/2 (RFC 8441) in front of an upstream that knows HTTP/1.1 only.

use axum::body::Body;
use edge::proxy::Session;
use futures::{SinkExt, StreamExt};
use http::{HeaderMap, Method, Request, Response, StatusCode};
use hyper::{body::Incoming, client::conn::http2, ext::Protocol, upgrade::Upgraded};
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::net::TcpStream;
use tokio_tungstenite::{
    WebSocketStream,
    tungstenite::{
        Message,
        protocol::{Role, frame::coding::CloseCode},
    },
};

use crate::{
    support::{Recorder, Server, proxy, proxy_with, soon},
    websocket::{closed_with, echo},
};

type Connection = http2::SendRequest<Body>;

/// An HTTP/2 connection whose server has said what it can.
async fn connect(server: &Server) -> Connection {
    let stream = TcpStream::connect(server.address).await.unwrap();
    let handshake = http2::handshake(TokioExecutor::new(), TokioIo::new(stream));
    let (mut connection, driver) = handshake.await.unwrap();
    tokio::spawn(driver);
    let trace = request(Method::TRACE, "/").body(Body::empty()).unwrap();
    let answer = soon(connection.send_request(trace)).await.unwrap();
    assert_eq!(answer.status(), StatusCode::METHOD_NOT_ALLOWED);
    connection
}

fn request(method: Method, path: &str) -> http::request::Builder {
    Request::builder().method(method).uri(format!("http://a{path}"))
}

async fn ask(connection: &mut Connection, protocol: &'static str) -> Response<Incoming> {
    let request = request(Method::CONNECT, "/chat?room=1")
        .header("sec-websocket-version", "13")
        .header("sec-websocket-protocol", "chat")
        .extension(Protocol::from_static(protocol));
    soon(connection.send_request(request.body(Body::empty()).unwrap())).await.unwrap()
}

async fn open(connection: &mut Connection) -> WebSocketStream<TokioIo<Upgraded>> {
    let answer = ask(connection, "websocket").await;
    assert_eq!(answer.status(), StatusCode::OK);
    assert!(!answer.headers().contains_key("sec-websocket-accept"), "{answer:?}");
    assert!(!answer.headers().contains_key("upgrade"), "{answer:?}");
    let stream = soon(hyper::upgrade::on(answer)).await.unwrap();
    WebSocketStream::from_raw_socket(TokioIo::new(stream), Role::Client, None).await
}

#[tokio::test]
async fn messages_cross_on_several_streams_of_one_connection() {
    let server = Server::start(proxy(echo().await)).await;
    let mut connection = connect(&server).await;
    let mut first = open(&mut connection).await;
    let mut second = open(&mut connection).await;
    for socket in [&mut first, &mut second] {
        for message in [Message::text("hello"), Message::binary(vec![7; 300_000])] {
            socket.send(message.clone()).await.unwrap();
            assert_eq!(soon(socket.next()).await.unwrap().unwrap(), message);
        }
    }
    first.close(None).await.unwrap();
    assert!(matches!(soon(first.next()).await.unwrap(), Ok(Message::Close(_))));
    assert!(soon(first.next()).await.is_none(), "the stream has ended");
    second.send("still there".into()).await.unwrap();
    assert_eq!(soon(second.next()).await.unwrap().unwrap(), "still there".into());
}

#[tokio::test]
async fn the_upstream_gets_a_handshake_of_http_1_1() {
    let refusal = "HTTP/1.1 403 Forbidden\r\ncontent-length: 2\r\n\r\nno";
    let upstream = Recorder::answering(refusal).await;
    let edit = |headers: &mut HeaderMap| {
        headers.insert("authorization", "Bearer gateway".parse().unwrap());
    };
    let server = Server::start(proxy_with(upstream.address, edit, Session::unbounded())).await;
    let answer = ask(&mut connect(&server).await, "websocket").await;
    assert_eq!(answer.status(), StatusCode::FORBIDDEN);
    let seen = upstream.request();
    let (before, key) = seen.split_once("sec-websocket-key: ").expect("a key");
    assert_eq!(
        before,
        "GET /chat?room=1 HTTP/1.1\r\nsec-websocket-version: 13\r\nsec-websocket-protocol: chat\r\n\
         host: a\r\nauthorization: Bearer gateway\r\n"
    );
    assert_eq!(&key[24..], "\r\nconnection: upgrade\r\nupgrade: websocket\r\n\r\n");
}

#[tokio::test]
async fn the_end_of_the_session_ends_the_stream_and_not_the_connection() {
    let (handle, session) = Session::until_changed(None);
    let server = Server::start(proxy_with(echo().await, |_| {}, session)).await;
    let mut connection = connect(&server).await;
    let mut socket = open(&mut connection).await;
    handle.end();
    assert_eq!(closed_with(&mut socket).await, CloseCode::Policy);
    assert!(soon(socket.next()).await.is_none());
    let get = request(Method::TRACE, "/").body(Body::empty()).unwrap();
    assert!(soon(connection.send_request(get)).await.is_ok(), "no GOAWAY");
}

#[tokio::test]
async fn what_is_no_websocket_is_refused() {
    let upstream = Recorder::start().await;
    let server = Server::start(proxy(upstream.address)).await;
    let mut connection = connect(&server).await;
    assert_eq!(ask(&mut connection, "connect-udp").await.status(), StatusCode::BAD_REQUEST);
    let tunnel = Request::builder().method(Method::CONNECT).uri("a:443");
    let answer = soon(connection.send_request(tunnel.body(Body::empty()).unwrap())).await.unwrap();
    assert_eq!(answer.status(), StatusCode::METHOD_NOT_ALLOWED);
    assert_eq!(upstream.connections(), 0);
}

#[tokio::test]
async fn an_upstream_that_did_not_read_the_key_is_502() {
    for accept in ["", "sec-websocket-accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n"] {
        let switching =
            "HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: websocket\r\n";
        let upstream = Recorder::answering(format!("{switching}{accept}\r\n")).await;
        let server = Server::start(proxy(upstream.address)).await;
        let answer = ask(&mut connect(&server).await, "websocket").await;
        assert_eq!(answer.status(), StatusCode::BAD_GATEWAY, "{accept:?}");
    }
}
