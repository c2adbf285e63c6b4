//! Requests byte for byte. The invariant: one client request gives at most one request upstream,
//! with a framing of ours.

use edge::serve::Limits;

use crate::{
    raw_cases::{BROKEN, PASSED, REFUSED},
    support::{RawClient, Recorder, Server, exchange, proxy, status},
};

const GOOD: &str = "POST /good HTTP/1.1\r\nhost: a\r\ncontent-length: 2\r\n\r\nab";

/// The bytes of a case.
fn spelled(case: &str) -> String {
    case.replace("{head}", "POST / HTTP/1.1\r\nhost: a\r\n")
        .replace(
            "{ws}",
            "GET / HTTP/1.1\r\nhost: a\r\nconnection: upgrade\r\nupgrade: websocket\r\n",
        )
        .replace("{smuggled}", "GET /smuggled HTTP/1.1\r\nhost: a\r\n\r\n")
}

/// Checks one answer that refuses.
fn assert_refuses(answer: &str, name: &str, expected: u16, code: &str) {
    assert_eq!(status(answer), expected, "{name} gave {answer}");
    for part in [
        format!(r#""code":"{code}""#),
        "connection: close\r\n".to_owned(),
        "content-type: application/problem+json\r\n".to_owned(),
    ] {
        assert!(answer.contains(&part), "{name}: no {part:?} in {answer}");
    }
}

#[tokio::test]
async fn what_two_parsers_could_read_differently_is_refused() {
    let upstream = Recorder::start().await;
    let server = Server::start(proxy(upstream.address)).await;
    for (name, case, expected, code) in REFUSED {
        let answer = exchange(server.address, &spelled(case)).await;
        assert_refuses(&answer, name, *expected, code);
        assert_eq!(answer.matches("\r\ndate: ").count(), 1, "{name}: one answer: {answer}");
    }
    assert_eq!(upstream.connections(), 0);
    assert!(REFUSED.len() + BROKEN.len() + PASSED.len() >= 60);
}

/// A request before the bad one is answered, whether they come in one piece or in many.
#[tokio::test]
async fn a_refusal_waits_for_its_turn() {
    for (name, case, expected, code) in REFUSED {
        let upstream = Recorder::start().await;
        let server = Server::start(proxy(upstream.address)).await;
        let both = format!("{GOOD}{}", spelled(case));
        let (first, second) = both.split_at(GOOD.len() + 7.min(both.len() - GOOD.len()));
        for pieces in [vec![both.as_str()], vec![first, second]] {
            let mut client = RawClient::connect(server.address).await;
            for piece in pieces {
                client.say_if_heard(piece).await;
                tokio::task::yield_now().await;
            }
            let answers = client.hear_all().await;
            assert_eq!(status(&answers), 200, "{name} gave {answers}");
            let begins = ["HTTP/1.1 4", "HTTP/1.0 4", "HTTP/1.1 5"];
            let second = begins.iter().filter_map(|begin| answers.rfind(begin)).max();
            let second = second.expect(name);
            let refusal = &answers[second..];
            assert_refuses(refusal, name, *expected, code);
        }
        assert_eq!(upstream.requests(), [GOOD, GOOD], "{name}");
    }
}

#[tokio::test]
async fn what_passes_reaches_the_upstream_in_one_form() {
    for (name, request, expected) in PASSED {
        let upstream = Recorder::start().await;
        let server = Server::start(proxy(upstream.address)).await;
        let answer = exchange(server.address, request).await;
        assert_eq!(status(&answer), 200, "{name} gave {answer}");
        assert_eq!(upstream.request(), *expected, "{name}");
    }
}

/// However a request is cut into packets, it is the same request.
#[tokio::test]
async fn what_comes_byte_by_byte_is_read_alike() {
    for (name, request, expected) in PASSED {
        let upstream = Recorder::start().await;
        let server = Server::start(proxy(upstream.address)).await;
        let mut client = RawClient::connect(server.address).await;
        for byte in request.split_inclusive(|_: char| true) {
            client.say(byte).await;
            tokio::task::yield_now().await;
        }
        assert_eq!(status(&client.hear_all().await), 200, "{name}");
        // Chunks are cut as they come.
        if !expected.contains("chunked") {
            assert_eq!(upstream.request(), *expected, "{name}");
        }
    }
}

#[tokio::test]
async fn a_broken_body_never_ends_upstream() {
    for (name, body) in BROKEN {
        let upstream = Recorder::start().await;
        let server = Server::start(proxy(upstream.address)).await;
        let head = "POST / HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n";
        let answer = exchange(server.address, &format!("{head}{body}")).await;
        assert!(matches!(status(&answer), 400 | 0), "{name} gave {answer}");
        for seen in upstream.requests() {
            assert!(!seen.contains("0\r\n\r\n"), "{name} sent {seen:?}");
        }
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
                    POST /2 HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n1\r\na\r\n0\r\n\r\n\
                    GET /3 HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n\
                    GET /4 HTTP/1.1\r\nhost: a\r\n\r\n";
    let answers = exchange(server.address, requests).await;
    assert_eq!(answers.matches("HTTP/1.1 200 OK").count(), 3, "{answers}");
    assert_eq!(
        upstream.requests(),
        [
            "POST /1 HTTP/1.1\r\nhost: a\r\ncontent-length: 2\r\n\r\nab",
            "POST /2 HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n1\r\na\r\n0\r\n\r\n",
            "GET /3 HTTP/1.1\r\nhost: a\r\n\r\n",
        ]
    );
    assert_eq!(upstream.connections(), 1, "an upstream connection is reused");
}

/// A client that first says everything and then listens gets its answer and a clean end, not a reset
/// that could overtake the answer.
#[tokio::test]
async fn a_refusal_is_heard_although_the_client_goes_on_talking() {
    let upstream = Recorder::start().await;
    let server = Server::start_with(proxy(upstream.address), Limits::default(), None).await;
    let megabyte = "x".repeat(1 << 20);
    let fields = "x: y\r\n".repeat(101);
    let length = megabyte.len();
    let get = "GET / HTTP/1.1\r\nhost: a\r\n";
    let post = "POST / HTTP/1.1\r\nhost: a\r\nhost: b\r\n";
    for (name, request, status, code) in [
        ("1 MiB", format!("{get}x: {megabyte}\r\n\r\n"), 431, "header_too_large"),
        ("102 fields", format!("{get}{fields}\r\n{megabyte}"), 431, "header_too_large"),
        ("upload", format!("{post}content-length: {length}\r\n\r\n{megabyte}"), 400, "bad_host"),
    ] {
        let mut client = RawClient::connect_with_little_room(server.address).await;
        client.say(&request).await;
        let answer = String::from_utf8(client.hear_bytes().await).unwrap();
        assert_refuses(&answer, name, status, code);
    }
    assert_eq!(upstream.connections(), 0);
}
