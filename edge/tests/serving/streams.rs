//! Bodies flow while they are made, in both directions.

use std::{net::SocketAddr, time::Duration};

use edge::proxy::Session;
use tokio::net::TcpListener;

use crate::support::{RawClient, Recorder, Server, exchange, proxy, proxy_with, soon};

/// An upstream whose side of the conversation the test speaks itself.
struct Puppet {
    listener: TcpListener,
}

impl Puppet {
    async fn start() -> (Self, SocketAddr) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        (Self { listener }, address)
    }

    async fn connection(&self) -> RawClient {
        RawClient::from(soon(self.listener.accept()).await.unwrap().0)
    }
}

const EVENTS: &str = "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream; charset=utf-8\r\n\
                      transfer-encoding: chunked\r\n\r\n";

#[tokio::test]
async fn each_chunk_crosses_before_the_next_is_made() {
    let (puppet, address) = Puppet::start().await;
    let server = Server::start(proxy(address)).await;
    let mut client = RawClient::connect(server.address).await;
    client.say("POST / HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n").await;
    client.say("3\r\none\r\n").await;
    let mut upstream = puppet.connection().await;
    upstream.hear_until("3\r\none\r\n").await;
    upstream.say("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\r\nfirst\r\n").await;
    client.hear_until("5\r\nfirst\r\n").await;
    client.say("3\r\ntwo\r\n0\r\n\r\n").await;
    upstream.hear_until("3\r\ntwo\r\n0\r\n\r\n").await;
    upstream.say("6\r\nsecond\r\n0\r\n\r\n").await;
    client.hear_until("6\r\nsecond\r\n0\r\n\r\n").await;
}

#[tokio::test]
async fn an_event_stream_ends_cleanly_with_its_session() {
    let (puppet, address) = Puppet::start().await;
    let (handle, session) = Session::until_changed(None);
    let server = Server::start(proxy_with(address, |_| {}, session)).await;
    let mut client = RawClient::connect(server.address).await;
    client.say("GET / HTTP/1.1\r\nhost: a\r\n\r\n").await;
    let mut upstream = puppet.connection().await;
    upstream.hear_until("\r\n\r\n").await;
    upstream.say(EVENTS).await;
    upstream.say("9\r\ndata: 1\n\n\r\n").await;
    client.hear_until("data: 1\n\n").await;
    handle.end();
    client.hear_until("\r\n0\r\n\r\n").await;
    assert_eq!(upstream.hear_all().await, "", "the upstream's connection is closed");
    drop(client);
}

#[tokio::test]
async fn an_event_stream_ends_cleanly_at_the_drains_deadline() {
    let (puppet, address) = Puppet::start().await;
    let mut limits = edge::serve::Limits::default();
    limits.drain.drain_delay = Duration::ZERO;
    limits.drain.drain_deadline = Duration::ZERO;
    let server = Server::start_with(proxy(address), limits, None).await;
    let mut client = RawClient::connect(server.address).await;
    client.say("GET / HTTP/1.1\r\nhost: a\r\n\r\n").await;
    let mut upstream = puppet.connection().await;
    upstream.say(EVENTS).await;
    client.hear_until("\r\n\r\n").await;
    server.drain();
    assert_eq!(client.hear_all().await, "0\r\n\r\n");
    server.ended().await;
}

#[tokio::test]
async fn a_client_that_vanishes_takes_its_stream_along() {
    let (puppet, address) = Puppet::start().await;
    let server = Server::start(proxy(address)).await;
    let mut client = RawClient::connect(server.address).await;
    client.say("GET / HTTP/1.1\r\nhost: a\r\n\r\n").await;
    let mut upstream = puppet.connection().await;
    upstream.hear_until("\r\n\r\n").await;
    upstream.say(EVENTS).await;
    client.hear_until("\r\n\r\n").await;
    drop(client);
    upstream.hear_end().await;
}

#[tokio::test]
async fn another_body_outlives_its_session() {
    let (puppet, address) = Puppet::start().await;
    let (handle, session) = Session::until_changed(None);
    let server = Server::start(proxy_with(address, |_| {}, session)).await;
    let mut client = RawClient::connect(server.address).await;
    client.say("GET / HTTP/1.1\r\nhost: a\r\n\r\n").await;
    let mut upstream = puppet.connection().await;
    upstream.say("HTTP/1.1 200 OK\r\ncontent-length: 6\r\n\r\nabc").await;
    client.hear_until("abc").await;
    handle.end();
    upstream.say("def").await;
    client.hear_until("def").await;
}

#[tokio::test]
async fn an_http_1_0_upstream_is_streamed_as_http_1_1() {
    let (puppet, address) = Puppet::start().await;
    let server = Server::start(proxy(address)).await;
    let mut client = RawClient::connect(server.address).await;
    client.say("GET / HTTP/1.1\r\nhost: a\r\n\r\n").await;
    let mut upstream = puppet.connection().await;
    upstream.hear_until("\r\n\r\n").await;
    upstream.say("HTTP/1.0 200 OK\r\n\r\nuntil the end").await;
    let head = client.hear_until("until the end\r\n").await;
    assert!(head.starts_with("HTTP/1.1 200 OK\r\n"), "{head}");
    drop(upstream);
    client.hear_until("0\r\n\r\n").await;
}

#[tokio::test]
async fn trailers_cross_but_claims_in_them_do_not() {
    let upstream = Recorder::answering(
        "HTTP/1.1 200 OK\r\ntrailer: x-sum\r\ntransfer-encoding: chunked\r\n\r\n\
         2\r\nok\r\n0\r\nx-sum: 7\r\n\r\n",
    )
    .await;
    let server = Server::start(proxy(upstream.address)).await;
    let request = "POST / HTTP/1.1\r\nhost: a\r\nte: trailers\r\nconnection: te, close\r\n\
        trailer: x-sum, x-forwarded-user\r\ntransfer-encoding: chunked\r\n\r\n\
        1\r\na\r\n0\r\nx-sum: 5\r\nx-forwarded-user: mallory\r\n\r\n";
    let answer = exchange(server.address, request).await;
    assert!(answer.ends_with("2\r\nok\r\n0\r\nx-sum: 7\r\n\r\n"), "{answer}");
    let seen = upstream.request();
    assert!(seen.ends_with("1\r\na\r\n0\r\nx-sum: 5\r\n\r\n"), "{seen}");
}

#[tokio::test]
async fn a_client_that_expects_100_gets_it_and_then_sends() {
    let upstream = Recorder::start().await;
    let server = Server::start(proxy(upstream.address)).await;
    let mut client = RawClient::connect(server.address).await;
    let head = "POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 3\r\nexpect: 100-continue\r\n\r\n";
    client.say(head).await;
    client.hear_until("HTTP/1.1 100 Continue\r\n\r\n").await;
    client.say("abc").await;
    client.hear_until("200 OK").await;
    let expected = "POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 3\r\n\r\nabc";
    assert_eq!(upstream.request(), expected);
}
