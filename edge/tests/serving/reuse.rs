//! Connections to the upstream: which are used again, and when a request may be sent twice.

use std::net::SocketAddr;

use tokio::net::TcpListener;

use crate::support::{RawClient, Server, proxy, soon, status};

const GET: &str = "GET / HTTP/1.1\r\nhost: a\r\n\r\n";
const POST: &str = "POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 2\r\n\r\nab";
const OK: &str = "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok";

async fn listen() -> (TcpListener, SocketAddr) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    (listener, address)
}

async fn accept(listener: &TcpListener) -> RawClient {
    RawClient::from(soon(listener.accept()).await.unwrap().0)
}

/// A client whose first request was answered over an upstream connection that is still there.
async fn warm(server: &Server, listener: &TcpListener) -> (RawClient, RawClient) {
    let mut client = RawClient::connect(server.address).await;
    client.say(GET).await;
    let mut upstream = accept(listener).await;
    upstream.hear_until("\r\n\r\n").await;
    upstream.say(OK).await;
    client.hear_until("\r\n\r\nok").await;
    (client, upstream)
}

#[tokio::test]
async fn an_upstream_that_hangs_up_on_a_reused_connection_is_asked_again() {
    let (listener, address) = listen().await;
    let server = Server::start(proxy(address)).await;
    let (mut client, mut upstream) = warm(&server, &listener).await;
    client.say(GET).await;
    upstream.hear_until("\r\n\r\n").await;
    drop(upstream);
    let mut second = accept(&listener).await;
    assert_eq!(second.hear_until("\r\n\r\n").await, GET);
    second.say(OK).await;
    assert_eq!(status(&client.hear_until("\r\n\r\nok").await), 200);
}

#[tokio::test]
async fn what_may_have_changed_something_is_not_sent_twice() {
    let (listener, address) = listen().await;
    let server = Server::start(proxy(address)).await;
    let (mut client, mut upstream) = warm(&server, &listener).await;
    client.say(POST).await;
    upstream.hear_until("\r\n\r\nab").await;
    drop(upstream);
    let answer = client.hear_until("upstream_broken").await;
    assert_eq!(status(&answer), 502, "{answer}");
}

#[tokio::test]
async fn an_upstream_that_hangs_up_on_a_new_connection_is_not_asked_again() {
    let (listener, address) = listen().await;
    let server = Server::start(proxy(address)).await;
    let mut client = RawClient::connect(server.address).await;
    client.say(GET).await;
    let mut upstream = accept(&listener).await;
    upstream.hear_until("\r\n\r\n").await;
    drop(upstream);
    assert_eq!(status(&client.hear_until("upstream_broken").await), 502);
}

#[tokio::test]
async fn a_connection_whose_answer_was_not_read_to_its_end_is_not_used_again() {
    let (listener, address) = listen().await;
    let server = Server::start(proxy(address)).await;
    let mut leaver = RawClient::connect(server.address).await;
    leaver.say(GET).await;
    let mut first = accept(&listener).await;
    first.hear_until("\r\n\r\n").await;
    first.say("HTTP/1.1 200 OK\r\ncontent-length: 1000\r\n\r\nsome").await;
    leaver.hear_until("some").await;
    drop(leaver);
    first.hear_end().await;
    let (_client, _second) = warm(&server, &listener).await;
}

/// What an upstream says unasked must not become the answer to somebody's next request.
#[tokio::test]
async fn an_answer_too_many_answers_nobody() {
    let (listener, address) = listen().await;
    let server = Server::start(proxy(address)).await;
    let mut client = RawClient::connect(server.address).await;
    client.say(GET).await;
    let mut first = accept(&listener).await;
    first.hear_until("\r\n\r\n").await;
    first.say(&format!("{OK}HTTP/1.1 200 OK\r\ncontent-length: 6\r\n\r\nforged")).await;
    client.hear_until("\r\n\r\nok").await;
    first.hear_end().await;
    client.say(GET).await;
    let mut second = accept(&listener).await;
    second.hear_until("\r\n\r\n").await;
    second.say("HTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\ntrue").await;
    let answer = client.hear_until("true").await;
    assert!(!answer.contains("forged"), "{answer}");
}

#[tokio::test]
async fn what_comes_before_the_answer_is_not_the_answer() {
    let (listener, address) = listen().await;
    let server = Server::start(proxy(address)).await;
    let mut client = RawClient::connect(server.address).await;
    client.say(GET).await;
    let mut upstream = accept(&listener).await;
    upstream.hear_until("\r\n\r\n").await;
    let hint = "HTTP/1.1 103 Early Hints\r\nlink: </a.css>\r\n\r\n";
    upstream.say(&format!("HTTP/1.1 100 Continue\r\n\r\n{hint}{OK}")).await;
    assert_eq!(status(&client.hear_until("\r\n\r\nok").await), 200);
}

#[tokio::test]
async fn an_answer_without_a_body_ends_with_its_head() {
    let (listener, address) = listen().await;
    let server = Server::start(proxy(address)).await;
    let (mut client, mut upstream) = warm(&server, &listener).await;
    for (request, head) in [
        (GET, "HTTP/1.1 204 No Content\r\n\r\n"),
        (GET, "HTTP/1.1 304 Not Modified\r\netag: \"1\"\r\n\r\n"),
        ("HEAD / HTTP/1.1\r\nhost: a\r\n\r\n", "HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\n"),
    ] {
        client.say(request).await;
        upstream.hear_until("\r\n\r\n").await;
        upstream.say(head).await;
        let answer = client.hear_until("\r\n\r\n").await;
        assert!(answer.starts_with(&head[..12]), "{answer}");
    }
    client.say(GET).await;
    upstream.hear_until("\r\n\r\n").await;
    upstream.say(OK).await;
    assert!(client.hear_until("\r\n\r\nok").await.starts_with("HTTP/1.1 200"), "in step");
}

/// A request that is refused by its head gets its answer, and no invitation to send a body.
#[tokio::test]
async fn a_refused_client_is_not_told_to_continue() {
    let (_listener, address) = listen().await;
    let server = Server::start(proxy(address)).await;
    let head = "POST / HTTP/1.1\r\nhost: a\r\nhost: b\r\ncontent-length: 3\r\nexpect: 100-continue\r\n\r\n";
    let answer = crate::support::exchange(server.address, head).await;
    assert_eq!(status(&answer), 400, "{answer}");
    assert!(!answer.contains("100 Continue"), "{answer}");
}
