use axum::body::Body;
use edge::proxy::Session;
use http::{HeaderValue, Request, header::AUTHORIZATION};
use hyper_util::{client::legacy::Client, rt::TokioExecutor};

use crate::support::{Recorder, Server, exchange, proxy, proxy_with, soon};

#[tokio::test]
async fn only_our_claims_reach_the_upstream() {
    let upstream = Recorder::start().await;
    let edit = |headers: &mut http::HeaderMap| {
        headers.insert(AUTHORIZATION, HeaderValue::from_static("Bearer gateway"));
        headers.insert("x-forwarded-user", HeaderValue::from_static("alice"));
    };
    let server = Server::start(proxy_with(upstream.address, edit, Session::unbounded())).await;
    let request = "GET / HTTP/1.1\r\nhost: a\r\n\
        authorization: Bearer client\r\n\
        proxy-authorization: Basic eDp5\r\n\
        x-forwarded-user: mallory\r\n\
        X_Forwarded_User: mallory\r\n\
        forwarded: for=127.0.0.1\r\n\
        x-forwarded-for: 127.0.0.1\r\n\
        accept: text/plain\r\n\
        connection: close, x-forwarded-user, authorization\r\n\
        connection: x-hop\r\n\
        x-hop: 1\r\n\r\n";
    exchange(server.address, request).await;
    assert_eq!(
        upstream.request(),
        "GET / HTTP/1.1\r\nhost: a\r\naccept: text/plain\r\n\
         authorization: Bearer gateway\r\nx-forwarded-user: alice\r\n\r\n"
    );
}

#[tokio::test]
async fn the_upstreams_connection_is_not_the_clients() {
    let upstream = Recorder::answering(
        "HTTP/1.1 200 OK\r\ncontent-length: 2\r\nconnection: x-hop\r\nx-hop: 1\r\n\
         keep-alive: timeout=5\r\nx-end: 2\r\n\r\nok",
    )
    .await;
    let server = Server::start(proxy(upstream.address)).await;
    let answer =
        exchange(server.address, "GET / HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n").await;
    assert!(answer.contains("x-end: 2") && answer.ends_with("ok"), "{answer}");
    assert!(!answer.contains("x-hop") && !answer.contains("keep-alive"), "{answer}");
}

#[tokio::test]
async fn the_host_of_http_2_is_passed_on() {
    let upstream = Recorder::start().await;
    let server = Server::start(proxy(upstream.address)).await;
    let client = Client::builder(TokioExecutor::new()).http2_only(true).build_http();
    let url = format!("http://{}/x", server.address);
    let request = Request::post(url).body(Body::from("abc")).unwrap();
    assert_eq!(soon(client.request(request)).await.unwrap().status(), 200);
    let seen = upstream.request();
    let host = format!("host: {}\r\n", server.address);
    assert_eq!(seen, format!("POST /x HTTP/1.1\r\n{host}content-length: 3\r\n\r\nabc"));
}

#[tokio::test]
async fn the_answer_to_head_keeps_its_length() {
    let upstream = Recorder::answering("HTTP/1.1 200 OK\r\ncontent-length: 1234\r\n\r\n").await;
    let server = Server::start(proxy(upstream.address)).await;
    let answer =
        exchange(server.address, "HEAD / HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n").await;
    assert!(answer.contains("content-length: 1234\r\n"), "{answer}");
    assert!(answer.ends_with("\r\n\r\n"), "{answer}");
}
