use std::{net::SocketAddr, sync::Arc, time::Duration};

use axum::{Router, routing::get};
use edge::{admin, args::DrainArgs, readiness::Readiness, serve::Limits};
use tokio::{net::TcpStream, sync::Semaphore};

use crate::support::{RawClient, Server, exchange, soon, status};

const REQUEST: &str = "GET / HTTP/1.1\r\nhost: a\r\n\r\n";
const READYZ: &str = "GET /readyz HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n";

/// A handler that tells when it was reached, and answers when it may.
struct Held {
    reached: Arc<Semaphore>,
    may_answer: Arc<Semaphore>,
}

impl Held {
    fn new() -> (Router, Self) {
        let held =
            Self { reached: Arc::new(Semaphore::new(0)), may_answer: Arc::new(Semaphore::new(0)) };
        let (reached, may_answer) = (Arc::clone(&held.reached), Arc::clone(&held.may_answer));
        let handler = async move || {
            reached.add_permits(1);
            may_answer.acquire().await.unwrap().forget();
            "answered"
        };
        (Router::new().route("/", get(handler)), held)
    }

    async fn reached(&self) {
        soon(self.reached.acquire()).await.unwrap().forget();
    }
}

/// Waits until nothing listens at `address`.
async fn closed(address: SocketAddr) {
    soon(async { while TcpStream::connect(address).await.is_ok() {} }).await;
}

fn drain(delay: u64, deadline: u64) -> Limits {
    let drain = DrainArgs {
        drain_delay: Duration::from_secs(delay),
        drain_deadline: Duration::from_secs(deadline),
    };
    Limits { drain, ..Limits::default() }
}

#[tokio::test]
async fn a_request_in_flight_is_answered_and_then_the_server_ends() {
    let (router, held) = Held::new();
    let server = Server::start(router).await;
    let mut client = RawClient::connect(server.address).await;
    client.say(REQUEST).await;
    held.reached().await;
    server.drain();
    closed(server.address).await;
    held.may_answer.add_permits(1);
    let answer = client.hear_all().await;
    assert!(answer.contains("connection: close") && answer.ends_with("answered"), "{answer}");
    server.ended().await;
}

#[tokio::test]
async fn during_the_delay_each_answer_says_that_it_is_the_last() {
    let router = Router::new().route("/", get(async || "hello"));
    let server = Server::start_with(router, drain(3600, 7200), None).await;
    let mut client = RawClient::connect(server.address).await;
    client.say(REQUEST).await;
    let before = client.hear_until("hello").await;
    assert!(!before.contains("connection: close"), "{before}");
    server.drain();
    client.say(REQUEST).await;
    let last = client.hear_all().await;
    assert!(last.contains("connection: close") && last.ends_with("hello"), "{last}");
    server.abort();
    server.ended().await;
}

#[tokio::test]
async fn a_connection_made_just_before_the_end_is_answered() {
    let server = Server::start(Router::new().route("/", get(async || "hello"))).await;
    let mut client = RawClient::connect(server.address).await;
    // It is accepted by then, because connections are in their order.
    let mut idle = RawClient::connect(server.address).await;
    idle.say(REQUEST).await;
    idle.hear_until("hello").await;
    server.drain();
    assert_eq!(idle.hear_all().await, "");
    client.say(REQUEST).await;
    let answer = client.hear_all().await;
    assert!(answer.ends_with("hello"), "{answer}");
    server.ended().await;
}

#[tokio::test]
async fn an_idle_connection_is_closed() {
    let server = Server::start(Router::new().route("/", get(async || "hello"))).await;
    let mut client = RawClient::connect(server.address).await;
    client.say(REQUEST).await;
    client.hear_until("hello").await;
    server.drain();
    assert_eq!(client.hear_all().await, "");
    server.ended().await;
}

#[tokio::test]
async fn during_the_delay_it_is_not_ready_but_serves() {
    let routes = admin::router(Readiness::new(), Arc::default());
    let server = Server::start_with(routes, drain(3600, 7200), None).await;
    assert_eq!(status(&exchange(server.address, READYZ).await), 200);
    server.drain();
    let answer = exchange(server.address, READYZ).await;
    assert_eq!(status(&answer), 503);
    assert!(answer.ends_with("shutdown: draining\n"), "{answer}");
    server.abort();
    server.ended().await;
}

#[tokio::test]
async fn at_the_deadline_what_hangs_is_cut() {
    let (router, held) = Held::new();
    let server = Server::start_with(router, drain(0, 0), None).await;
    let mut client = RawClient::connect(server.address).await;
    client.say(REQUEST).await;
    held.reached().await;
    server.drain();
    assert_eq!(client.hear_all().await, "");
    server.ended().await;
}

#[tokio::test]
async fn a_second_signal_waits_for_no_deadline() {
    let (router, held) = Held::new();
    let server = Server::start_with(router, drain(0, 3600), None).await;
    let mut client = RawClient::connect(server.address).await;
    client.say(REQUEST).await;
    held.reached().await;
    server.drain();
    server.abort();
    server.ended().await;
    assert_eq!(client.hear_all().await, "");
}
