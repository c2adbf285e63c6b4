//! Requests byte for byte. The invariant: one client request gives at most one request upstream,
//! with a framing of ours.

use edge::proxy::request::Refusal;

use crate::support::{Recorder, Server, exchange, proxy, status};

/// Each request and the code of its refusal. None reaches the upstream.
const REFUSED_HERE: [(&str, Refusal); 20] = [
    ("TRACE / HTTP/1.1\r\nhost: a\r\n\r\n", Refusal::Method),
    ("CONNECT a:443 HTTP/1.1\r\nhost: a:443\r\n\r\n", Refusal::Method),
    ("OPTIONS * HTTP/1.1\r\nhost: a\r\n\r\n", Refusal::Target),
    ("GET /caf\u{e9} HTTP/1.1\r\nhost: a\r\n\r\n", Refusal::Target),
    ("GET / HTTP/1.1\r\n\r\n", Refusal::Host),
    ("GET / HTTP/1.1\r\nhost:\r\n\r\n", Refusal::Host),
    ("GET / HTTP/1.1\r\nhost: a\r\nhost: a\r\n\r\n", Refusal::Host),
    ("GET / HTTP/1.1\r\nhost: a\r\nHOST: b\r\n\r\n", Refusal::Host),
    ("GET / HTTP/1.1\r\nhost: a, b\r\n\r\n", Refusal::Host),
    ("GET / HTTP/1.1\r\nhost: me@a\r\n\r\n", Refusal::Host),
    ("GET http://b/ HTTP/1.1\r\nhost: a\r\n\r\n", Refusal::Authority),
    (
        "POST / HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n",
        Refusal::TransferEncoding,
    ),
    (
        "POST / HTTP/1.1\r\nhost: a\r\ntransfer-encoding: gzip, chunked\r\n\r\n0\r\n\r\n",
        Refusal::TransferEncoding,
    ),
    (
        "POST / HTTP/1.1\r\nhost: a\r\ntransfer-encoding: ChunKed\r\n\r\n0\r\n\r\n",
        Refusal::TransferEncoding,
    ),
    ("GET / HTTP/1.1\r\nhost: a\r\nexpect: 200-ok\r\n\r\n", Refusal::Expect),
    (
        "GET / HTTP/1.1\r\nhost: a\r\nconnection: upgrade\r\nupgrade: h2c, foo\r\n\r\n",
        Refusal::Upgrade,
    ),
    (
        "GET / HTTP/1.1\r\nhost: a\r\nconnection: upgrade\r\nupgrade: websocket\r\nupgrade: h2c\r\n\r\n",
        Refusal::Upgrade,
    ),
    ("GET / HTTP/1.1\r\nhost: a\r\nupgrade: websocket\r\n\r\n", Refusal::Handshake),
    (
        "POST / HTTP/1.1\r\nhost: a\r\nconnection: upgrade\r\nupgrade: websocket\r\n\r\n",
        Refusal::Handshake,
    ),
    (
        "GET / HTTP/1.1\r\nhost: a\r\nconnection: upgrade\r\nupgrade: websocket\r\ncontent-length: 3\r\n\r\nabc",
        Refusal::Handshake,
    ),
];

/// What hyper refuses before anything of ours sees it.
const REFUSED_BY_THE_PARSER: [&str; 15] = [
    "GET / HTTP/1.1\r\nhost: a\r\ncontent-length: 1\r\ncontent-length: 2\r\n\r\nab",
    "GET / HTTP/1.1\r\nhost: a\r\ncontent-length: 0, 0\r\n\r\n",
    "GET / HTTP/1.1\r\nhost: a\r\ncontent-length: +0\r\n\r\n",
    "GET / HTTP/1.1\r\nhost: a\r\ncontent-length: -1\r\n\r\n",
    "GET / HTTP/1.1\r\nhost: a\r\ncontent-length: 0x1\r\n\r\na",
    "GET / HTTP/1.1\r\nhost: a\r\ntransfer-encoding: xchunked\r\n\r\n",
    "GET / HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked, identity\r\n\r\n",
    "GET / HTTP/1.0\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n",
    "GET / HTTP/1.1\r\nhost : a\r\n\r\n",
    "GET / HTTP/1.1\r\nhost: a\r\n folded\r\n\r\n",
    "GET / HTTP/1.1\r\nhost: a\r\nx: \0\r\n\r\n",
    "GET /\x01 HTTP/1.1\r\nhost: a\r\n\r\n",
    "GET  / HTTP/1.1\r\nhost: a\r\n\r\n",
    "GET / HTTP/3.7\r\nhost: a\r\n\r\n",
    "GE\tT / HTTP/1.1\r\nhost: a\r\n\r\n",
];

/// What is repaired, and what the upstream gets.
const REPAIRED: [(&str, &str); 8] = [
    (
        "\r\nGET / HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n",
        "GET / HTTP/1.1\r\nhost: a\r\n\r\n",
    ),
    ("GET / HTTP/1.1\nhost: a\nconnection: close\n\n", "GET / HTTP/1.1\r\nhost: a\r\n\r\n"),
    (
        "GET /x#fragment HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n",
        "GET /x HTTP/1.1\r\nhost: a\r\n\r\n",
    ),
    (
        "GET http://a/x?y HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n",
        "GET /x?y HTTP/1.1\r\nhost: a\r\n\r\n",
    ),
    (
        "POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 2\r\ncontent-length: 2\r\nconnection: close\r\n\r\nab",
        "POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 2\r\n\r\nab",
    ),
    (
        "POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 5\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\nGET /smuggled HTTP/1.1\r\nhost: a\r\n\r\n",
        "POST / HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n",
    ),
    (
        "POST / HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\ncontent-length: 5\r\n\r\n0\r\n\r\nGET /smuggled HTTP/1.1\r\nhost: a\r\n\r\n",
        "POST / HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n",
    ),
    (
        "GET / HTTP/1.1\r\nhost: a\r\nconnection: upgrade, http2-settings, close\r\nupgrade: h2c\r\nhttp2-settings: AAMAAABkAAQAAP__\r\n\r\n",
        "GET / HTTP/1.1\r\nhost: a\r\n\r\n",
    ),
];

#[tokio::test]
async fn what_two_parsers_could_read_differently_is_refused() {
    let upstream = Recorder::start().await;
    let server = Server::start(proxy(upstream.address)).await;
    for (request, refusal) in REFUSED_HERE {
        let answer = exchange(server.address, request).await;
        let expected = format!(r#""code":"{}""#, refusal.code());
        assert!(answer.contains(&expected), "{request:?} gave {answer}");
        assert!(answer.contains("connection: close"), "{request:?} gave {answer}");
    }
    for request in REFUSED_BY_THE_PARSER {
        let answer = exchange(server.address, request).await;
        assert!(matches!(status(&answer), 400 | 0), "{request:?} gave {answer}");
    }
    assert_eq!(upstream.connections(), 0);
}

#[tokio::test]
async fn what_is_repaired_reaches_the_upstream_in_one_form() {
    for (request, expected) in REPAIRED {
        let upstream = Recorder::start().await;
        let server = Server::start(proxy(upstream.address)).await;
        let answer = exchange(server.address, request).await;
        assert_eq!(status(&answer), 200, "{request:?} gave {answer}");
        assert_eq!(upstream.request(), expected, "from {request:?}");
    }
}

#[tokio::test]
async fn the_bytes_of_a_path_are_not_touched() {
    let upstream = Recorder::start().await;
    let server = Server::start(proxy(upstream.address)).await;
    let path = "/a/../b/./%2e%2E//%2F;x=1?q=%41&r=a+b|{}";
    let request = format!("GET {path} HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n");
    exchange(server.address, &request).await;
    assert_eq!(upstream.request(), format!("GET {path} HTTP/1.1\r\nhost: a\r\n\r\n"));
}

#[tokio::test]
async fn pipelined_requests_are_answered_one_by_one() {
    let upstream = Recorder::start().await;
    let server = Server::start(proxy(upstream.address)).await;
    let requests = "POST /1 HTTP/1.1\r\nhost: a\r\ncontent-length: 2\r\n\r\nab\
                    GET /2 HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n";
    let answers = exchange(server.address, requests).await;
    assert_eq!(answers.matches("HTTP/1.1 200 OK").count(), 2, "{answers}");
    assert_eq!(
        upstream.requests(),
        [
            "POST /1 HTTP/1.1\r\nhost: a\r\ncontent-length: 2\r\n\r\nab",
            "GET /2 HTTP/1.1\r\nhost: a\r\n\r\n",
        ]
    );
    assert_eq!(upstream.connections(), 1, "an upstream connection is reused");
}
