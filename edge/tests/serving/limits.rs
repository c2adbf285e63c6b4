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
use prometheus_client::{encoding::text::encode, registry::Registry};
use tokio::{net::TcpStream, sync::Semaphore};

use crate::support::{RawClient, Recorder, Server, exchange, proxy, soon, status};

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

/// The lines of `/metrics` that `limits` counts into.
fn counted(limits: &Limits) -> String {
    let mut registry = Registry::default();
    limits.metrics.register(&mut registry);
    let mut text = String::new();
    encode(&mut text, &registry).unwrap();
    text
}

/// Waits until a line is there.
async fn counts(limits: &Limits, line: &str) {
    soon(async {
        while !counted(limits).lines().any(|counted| counted == line) {
            tokio::task::yield_now().await;
        }
    })
    .await;
}

#[tokio::test]
async fn half_a_head_gets_408() {
    let limits = impatient();
    let server = Server::start_with(hello(), limits.clone(), None).await;
    let answer = exchange(server.address, "GET / HTTP/1.1\r\nhost: a\r\n").await;
    assert_eq!(status(&answer), 408, "{answer}");
    assert!(answer.contains(r#""code":"header_timeout""#), "{answer}");
    counts(&limits, "openclaw_http_timeouts_total{kind=\"header\"} 1").await;
    counts(&limits, "openclaw_http_refused_total{code=\"header_timeout\"} 1").await;
    // Nothing was asked, so nothing is answered.
    assert_eq!(exchange(server.address, "").await, "");
    counts(&limits, "openclaw_http_timeouts_total{kind=\"header\"} 2").await;
    exchange(server.address, "GET / HTTP/1.1\r\nhost: a\r\n\r\n").await;
    counts(&limits, "openclaw_http_timeouts_total{kind=\"idle\"} 1").await;
    counts(&limits, "openclaw_http_connections 0").await;
}

#[tokio::test]
async fn one_request_over_the_limit_gets_503() {
    let (reached, may_end) = (Arc::new(Semaphore::new(0)), Arc::new(Semaphore::new(0)));
    let handler = {
        let (reached, may_end) = (Arc::clone(&reached), Arc::clone(&may_end));
        async move || {
            reached.add_permits(1);
            may_end.acquire().await.unwrap().forget();
        }
    };
    let limits = Limits { max_requests: 1, ..Limits::default() };
    let router = Router::new().fallback(handler);
    let server = Server::start_with(router, limits.clone(), None).await;
    let request = "GET / HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n";
    let mut first = RawClient::connect(server.address).await;
    first.say(request).await;
    soon(reached.acquire()).await.unwrap().forget();
    let answer = exchange(server.address, request).await;
    assert_eq!(status(&answer), 503, "{answer}");
    assert!(answer.contains("retry-after: 1\r\n"), "{answer}");
    assert!(answer.contains(r#""code":"too_many_requests""#), "{answer}");
    counts(&limits, "openclaw_http_refused_total{code=\"too_many_requests\"} 1").await;
    counts(&limits, "openclaw_http_requests_in_flight 1").await;
    may_end.add_permits(2);
    assert_eq!(status(&first.hear_all().await), 200);
    counts(&limits, "openclaw_http_requests_in_flight 0").await;
    assert_eq!(status(&exchange(server.address, request).await), 200);
}

/// A body that pauses, and one that never pauses but trickles.
#[tokio::test]
async fn a_body_that_is_too_slow_gets_408() {
    let upstream = Recorder::start().await;
    let soon = Duration::from_millis(20);
    let pausing = Limits { body_timeout: soon, ..Limits::default() };
    let trickling =
        Limits { body_timeout: soon, min_body_rate: 1_000_000_000_000, ..Limits::default() };
    for (limits, trickles) in [(pausing, false), (trickling, true)] {
        let server = Server::start_with(proxy(upstream.address), limits.clone(), None).await;
        let mut client = RawClient::connect(server.address).await;
        client.say("POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 1000000000\r\n\r\n").await;
        let answer = client.trickle_until_answered(trickles).await;
        assert_eq!(status(&answer), 408, "{answer}");
        assert!(answer.contains(r#""code":"body_timeout""#), "{answer}");
        counts(&limits, "openclaw_http_timeouts_total{kind=\"body\"} 1").await;
    }
}

/// A client that takes nothing is let go, and so is what feeds it.
#[tokio::test]
async fn a_client_that_takes_nothing_is_dropped() {
    let endless = async || {
        let bytes = futures::stream::repeat_with(|| Ok::<_, std::io::Error>(vec![0; 64 * 1024]));
        Body::from_stream(bytes)
    };
    let limits = Limits { write_timeout: Duration::from_millis(20), ..Limits::default() };
    let router = Router::new().route("/", get(endless));
    let server = Server::start_with(router, limits.clone(), None).await;
    let mut client = RawClient::connect(server.address).await;
    client.say("GET / HTTP/1.1\r\nhost: a\r\n\r\n").await;
    counts(&limits, "openclaw_http_timeouts_total{kind=\"write\"} 1").await;
    counts(&limits, "openclaw_http_requests_in_flight 0").await;
    drop(client);
}
