//! HTTP/2 frame by frame: what a peer does that wants to cost more than it pays, and the end.

use std::time::Duration;

use axum::{Router, routing::get};
use edge::serve::Limits;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

use crate::support::{Server, soon};

const HEADERS: u8 = 1;
const RST_STREAM: u8 = 3;
const SETTINGS: u8 = 4;
const PING: u8 = 6;
const GOAWAY: u8 = 7;
const CONTINUATION: u8 = 9;
/// END_STREAM and END_HEADERS.
const WHOLE: u8 = 5;
const ACK: u8 = 1;

/// `GET http://a/` in HPACK's static table (RFC 7541 appendix A).
const GET: &[u8] = &[0x82, 0x84, 0x86, 0x41, 1, b'a'];

struct Peer {
    stream: TcpStream,
}

struct Frame {
    kind: u8,
    flags: u8,
    stream: u32,
    payload: Vec<u8>,
}

fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len()).unwrap().to_be_bytes();
    let mut frame = length[1..].to_vec();
    frame.extend([kind, flags]);
    frame.extend(stream.to_be_bytes());
    frame.extend(payload);
    frame
}

impl Peer {
    async fn connect(server: &Server) -> Self {
        let mut stream = TcpStream::connect(server.address).await.unwrap();
        stream.write_all(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n").await.unwrap();
        stream.write_all(&frame(SETTINGS, 0, 0, &[])).await.unwrap();
        Self { stream }
    }

    /// Says as much as the server takes.
    async fn say(&mut self, bytes: &[u8]) {
        let _ = self.stream.write_all(bytes).await;
    }

    async fn next(&mut self) -> Option<Frame> {
        let mut head = [0; 9];
        soon(self.stream.read_exact(&mut head)).await.ok()?;
        let length = u32::from_be_bytes([0, head[0], head[1], head[2]]);
        let mut payload = vec![0; length as usize];
        soon(self.stream.read_exact(&mut payload)).await.ok()?;
        let stream = u32::from_be_bytes([head[5], head[6], head[7], head[8]]);
        Some(Frame { kind: head[3], flags: head[4], stream, payload })
    }

    /// The last stream of the GOAWAY that comes, and its error code.
    async fn goaway(&mut self) -> (u32, u32) {
        loop {
            let frame = self.next().await.expect("a GOAWAY before the end");
            if frame.kind == GOAWAY {
                let word = |from: usize| {
                    u32::from_be_bytes(frame.payload[from..from + 4].try_into().unwrap())
                };
                return (word(0), word(4));
            }
        }
    }
}

fn hello() -> Router {
    Router::new().route("/", get(async || "hello"))
}

#[tokio::test]
async fn streams_that_are_opened_and_reset_at_once_end_the_connection() {
    let server = Server::start(hello()).await;
    let mut peer = Peer::connect(&server).await;
    let mut flood = Vec::new();
    for stream in (1..4000).step_by(2) {
        flood.extend(frame(HEADERS, WHOLE, stream, GET));
        flood.extend(frame(RST_STREAM, 0, stream, &8_u32.to_be_bytes()));
    }
    peer.say(&flood).await;
    const ENHANCE_YOUR_CALM: u32 = 11;
    assert_eq!(peer.goaway().await.1, ENHANCE_YOUR_CALM);
    while peer.next().await.is_some() {}
}

#[tokio::test]
async fn a_head_that_never_ends_ends_the_connection() {
    let server = Server::start(hello()).await;
    let mut peer = Peer::connect(&server).await;
    peer.say(&frame(HEADERS, 1, 1, GET)).await;
    // A literal field of 8 KiB, without indexing: `x: xx...`.
    let mut field = vec![0, 1, b'x', 0x7f, 0x81, 0x3f];
    field.extend([b'x'; 8192]);
    for _ in 0..200 {
        peer.say(&frame(CONTINUATION, 0, 1, &field)).await;
    }
    while peer.next().await.is_some() {}
}

#[tokio::test]
async fn one_stream_over_the_limit_is_refused_and_the_others_go_on() {
    let limits = Limits { h2_streams: 2, ..Limits::default() };
    let pending = Router::new().fallback(async || std::future::pending::<()>().await);
    let server = Server::start_with(pending, limits, None).await;
    let mut peer = Peer::connect(&server).await;
    while !matches!(peer.next().await.unwrap(), Frame { kind: SETTINGS, flags: 0, .. }) {}
    peer.say(&frame(SETTINGS, ACK, 0, &[])).await;
    for stream in [1, 3, 5] {
        peer.say(&frame(HEADERS, WHOLE, stream, GET)).await;
    }
    let refused = loop {
        let frame = peer.next().await.unwrap();
        assert_ne!(frame.kind, GOAWAY);
        if frame.kind == RST_STREAM {
            break frame;
        }
    };
    const REFUSED_STREAM: [u8; 4] = [0, 0, 0, 7];
    assert_eq!((refused.stream, refused.payload.as_slice()), (5, &REFUSED_STREAM[..]));
}

/// The first GOAWAY leaves every stream its chance, the second tells which was the last; the stream
/// that runs is answered.
#[tokio::test]
async fn a_drain_says_goaway_twice_and_answers_what_runs() {
    let may_answer = std::sync::Arc::new(tokio::sync::Semaphore::new(0));
    let reached = std::sync::Arc::new(tokio::sync::Semaphore::new(0));
    let router = Router::new().fallback({
        let (may_answer, reached) = (may_answer.clone(), reached.clone());
        async move || {
            reached.add_permits(1);
            may_answer.acquire().await.unwrap().forget();
            "answered"
        }
    });
    let mut limits = Limits::default();
    limits.drain.drain_delay = Duration::ZERO;
    let server = Server::start_with(router, limits, None).await;
    let mut peer = Peer::connect(&server).await;
    peer.say(&frame(HEADERS, WHOLE, 1, GET)).await;
    soon(reached.acquire()).await.unwrap().forget();
    server.drain();
    assert_eq!(peer.goaway().await, (i32::MAX as u32, 0));
    let ping = loop {
        let frame = peer.next().await.unwrap();
        if frame.kind == PING && frame.flags == 0 {
            break frame.payload;
        }
    };
    peer.say(&frame(PING, ACK, 0, &ping)).await;
    assert_eq!(peer.goaway().await, (1, 0));
    may_answer.add_permits(1);
    let mut heard = Vec::new();
    while let Some(frame) = peer.next().await {
        heard.extend(frame.payload);
    }
    assert!(String::from_utf8_lossy(&heard).contains("answered"));
    server.ended().await;
}
