use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use axum::{Router, body::Body, routing::get};
use edge::serve::Limits;
use http::{Request, StatusCode};
use hyper_util::{
    client::legacy::Client,
    rt::{TokioExecutor, TokioIo},
};
use tokio::net::TcpStream;

use crate::support::{RawClient, Server, exchange, soon, status};

fn hello() -> Router {
    Router::new().route("/", get(async || "hello"))
}

fn impatient() -> Limits {
    let soon = Duration::from_millis(20);
    Limits { header_timeout: soon, idle_timeout: soon, ..Limits::default() }
}

#[tokio::test]
async fn a_huge_header_gets_431() {
    let server = Server::start(hello()).await;
    for bytes in [40_000, 400_000] {
        let huge = "x".repeat(bytes);
        let mut client = RawClient::connect(server.address).await;
        // The server may close before it has read all.
        let request = format!("GET / HTTP/1.1\r\nhost: a\r\nx-huge: {huge}\r\n\r\n");
        let head = client.say_some(&request).await;
        assert_eq!(status(&head), 431, "{bytes}: {head}");
    }
    let fits = "x".repeat(20_000);
    let request = format!("GET / HTTP/1.1\r\nhost: a\r\nconnection: close\r\nx: {fits}\r\n\r\n");
    assert_eq!(status(&exchange(server.address, &request).await), 200);
}

#[tokio::test]
async fn a_huge_header_over_http_2_gets_431() {
    let server = Server::start(hello()).await;
    let client = Client::builder(TokioExecutor::new()).http2_only(true).build_http();
    let request = Request::get(format!("http://{}/", server.address))
        .header("x-huge", "x".repeat(20_000))
        .body(Body::empty())
        .unwrap();
    let response = soon(client.request(request)).await.unwrap();
    assert_eq!(response.status(), StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE);
}

/// Each is where a client could leave a server waiting: nothing said, a method that could become
/// the preface of HTTP/2, half a head, the preface alone, a second request that never comes, or not
/// whole.
#[tokio::test]
async fn a_client_that_stalls_is_dropped() {
    let server = Server::start_with(hello(), impatient(), None).await;
    for words in [
        "",
        "P",
        "GET / HTTP/1.1\r\nhost: a\r\n",
        "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
        "GET / HTTP/1.1\r\nhost: a\r\n\r\n",
        "GET / HTTP/1.1\r\nhost: a\r\n\r\nGET",
    ] {
        exchange(server.address, words).await;
    }
}

#[tokio::test]
async fn one_connection_over_the_limit_waits_for_a_place() {
    let inside = Arc::new(AtomicUsize::new(0));
    let most = Arc::new(AtomicUsize::new(0));
    let handler = {
        let (inside, most) = (Arc::clone(&inside), Arc::clone(&most));
        async move || {
            most.fetch_max(inside.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
            for _ in 0..1000 {
                tokio::task::yield_now().await;
            }
            inside.fetch_sub(1, Ordering::SeqCst);
        }
    };
    let limits = Limits { max_connections: 2, ..Limits::default() };
    let server = Server::start_with(Router::new().fallback(handler), limits, None).await;
    let request = "GET / HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n";
    let clients = (0..6).map(|_| exchange(server.address, request));
    for answer in futures::future::join_all(clients).await {
        assert_eq!(status(&answer), 200);
    }
    assert_eq!(most.load(Ordering::SeqCst), 2);
}

#[tokio::test]
async fn http_2_without_tls_is_served() {
    let server = Server::start(hello()).await;
    let stream = TcpStream::connect(server.address).await.unwrap();
    let (mut sender, connection) =
        hyper::client::conn::http2::handshake(TokioExecutor::new(), TokioIo::new(stream))
            .await
            .unwrap();
    tokio::spawn(connection);
    let request = Request::get("http://a/").body(Body::empty()).unwrap();
    assert_eq!(soon(sender.send_request(request)).await.unwrap().status(), StatusCode::OK);
}
