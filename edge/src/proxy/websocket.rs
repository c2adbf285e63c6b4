//! A WebSocket of our own to the upstream, for what a program has to say to it itself (RFC 6455). It has
//! no extensions and no subprotocol.

use std::io;

use aws_lc_rs::rand;
use axum::{body::Body, http::uri::PathAndQuery};
use http::{HeaderValue, Request, StatusCode, header};
use hyper::upgrade::Upgraded;
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::{
    Fault, Upstream,
    frames::Head,
    send::send,
    upgrade::{ask_for_websocket, is_answered, is_websocket},
    websocket_key::WebSocketKey,
};

/// First bytes of frames: text, Close and pong, each a whole message.
const TEXT: u8 = 0x81;
const CLOSE: u8 = 0x88;
const PONG: u8 = 0x8a;
/// Taken from the connection at once, in bytes.
const PIECE: usize = 4096;

/// An open WebSocket.
#[derive(Debug)]
pub struct WebSocket {
    io: TokioIo<Upgraded>,
    inbox: Inbox,
}

/// Why a WebSocket has no more to say.
#[derive(Debug, thiserror::Error)]
pub enum WebSocketError {
    /// It could not be opened.
    #[error(transparent)]
    Fault(#[from] Fault),
    /// The connection broke.
    #[error("the connection broke")]
    Broken(#[from] io::Error),
    /// The upstream said goodbye, or went away.
    #[error("the upstream has closed the connection")]
    Closed,
    /// A message is longer than this many bytes.
    #[error("a message of the upstream is longer than {0} bytes")]
    TooLong(usize),
    /// What the upstream sends is no WebSocket.
    #[error("the upstream breaks RFC 6455: {0}")]
    Invalid(&'static str),
}

impl WebSocket {
    /// Opens one at `/` of this upstream, whose messages have at most `longest` bytes. The upstream's
    /// patience holds for the connection and for the answer.
    pub async fn open(upstream: &Upstream, longest: usize) -> Result<Self, WebSocketError> {
        let key = WebSocketKey::new().ok_or(Fault::Unreachable)?;
        let mut response = send(upstream, handshake(upstream, &key)?).await?;
        let switched = response.status() == StatusCode::SWITCHING_PROTOCOLS;
        if !switched || !is_websocket(response.headers()) || !is_answered(&key, &response) {
            return Err(Fault::Protocol.into());
        }
        let io = hyper::upgrade::on(&mut response).await.map_err(|_| Fault::Broken)?;
        Ok(Self { io: TokioIo::new(io), inbox: Inbox::new(longest) })
    }

    /// Says one text message.
    pub async fn say(&mut self, text: &str) -> Result<(), WebSocketError> {
        self.send(TEXT, text.as_bytes()).await
    }

    /// The next message, text or not. Pings are answered meanwhile.
    pub async fn hear(&mut self) -> Result<Vec<u8>, WebSocketError> {
        loop {
            match self.inbox.next()? {
                Some(Heard::Message(message)) => return Ok(message),
                Some(Heard::Ping(payload)) => self.send(PONG, &payload).await?,
                Some(Heard::Close) => return Err(WebSocketError::Closed),
                None => self.receive().await?,
            }
        }
    }

    /// Says goodbye, and does not wait for an answer.
    pub async fn close(mut self) -> Result<(), WebSocketError> {
        self.send(CLOSE, &[]).await?;
        Ok(self.io.shutdown().await?)
    }

    async fn send(&mut self, first: u8, payload: &[u8]) -> Result<(), WebSocketError> {
        let mut mask = [0; 4];
        rand::fill(&mut mask).map_err(|_| io::Error::other("the system has no random bytes"))?;
        let frame = Head::masked(first, payload.len(), mask).frame(payload.to_vec());
        self.io.write_all(&frame).await?;
        Ok(self.io.flush().await?)
    }

    async fn receive(&mut self) -> Result<(), WebSocketError> {
        let held = &mut self.inbox.held;
        held.reserve(PIECE);
        if self.io.read_buf(held).await? == 0 { Err(WebSocketError::Closed) } else { Ok(()) }
    }
}

fn handshake(upstream: &Upstream, key: &WebSocketKey) -> Result<Request<Body>, Fault> {
    let mut request = Request::new(Body::empty());
    let root = PathAndQuery::from_static("/");
    *request.uri_mut() = upstream.target(&root).map_err(|_| Fault::Target)?;
    let headers = request.headers_mut();
    let host = HeaderValue::from_str(upstream.authority().as_str());
    headers.insert(header::HOST, host.map_err(|_| Fault::Unreachable)?);
    headers.insert(header::SEC_WEBSOCKET_KEY, key.header().ok_or(Fault::Unreachable)?);
    headers.insert(header::SEC_WEBSOCKET_VERSION, HeaderValue::from_static("13"));
    ask_for_websocket(headers);
    Ok(request)
}

/// The bytes of a server, and what they add up to.
#[derive(Debug)]
struct Inbox {
    longest: usize,
    held: Vec<u8>,
    /// The parts of a message whose last part is to come.
    begun: Option<Vec<u8>>,
}

#[derive(Debug, PartialEq, Eq)]
enum Heard {
    Message(Vec<u8>),
    Ping(Vec<u8>),
    Close,
}

impl Inbox {
    const fn new(longest: usize) -> Self {
        Self { longest, held: Vec::new(), begun: None }
    }

    /// The next of what is there as a whole.
    fn next(&mut self) -> Result<Option<Heard>, WebSocketError> {
        while let Some((head, payload)) = self.frame()? {
            match head.opcode() {
                0x8 => return Ok(Some(Heard::Close)),
                0x9 => return Ok(Some(Heard::Ping(payload))),
                0xa => {}
                0x0..=0x2 => {
                    let mut message = self.begun.take().unwrap_or_default();
                    message.extend(payload);
                    if head.is_last() {
                        return Ok(Some(Heard::Message(message)));
                    }
                    self.begun = Some(message);
                }
                _ => return Err(WebSocketError::Invalid("an unknown kind of frame")),
            }
        }
        Ok(None)
    }

    /// The next frame that is there as a whole, and may be.
    fn frame(&mut self) -> Result<Option<(Head, Vec<u8>)>, WebSocketError> {
        let Some(head) = Head::read(&self.held) else { return Ok(None) };
        self.allowed(head).map_err(WebSocketError::Invalid)?;
        let length = head.frame_length().filter(|_| head.is_control() || self.has_room(head));
        let length = length.ok_or(WebSocketError::TooLong(self.longest))?;
        if self.held.len() < length {
            return Ok(None);
        }
        let payload = self.held.drain(..length).skip(head.length()).collect();
        Ok(Some((head, payload)))
    }

    /// Whether the message is no longer than may be with this frame.
    fn has_room(&self, head: Head) -> bool {
        let begun = self.begun.as_ref().map_or(0, Vec::len);
        head.payload() <= self.longest.saturating_sub(begun) as u64
    }

    fn allowed(&self, head: Head) -> Result<(), &'static str> {
        if head.is_reserved() {
            Err("an extension that nobody asked for")
        } else if head.mask().is_some() {
            Err("a server's frame with a mask")
        } else if head.is_control() && (!head.is_last() || head.payload() > 125) {
            Err("a control frame that is long or in parts")
        } else if !head.is_control() && (head.opcode() == 0) != self.begun.is_some() {
            Err("parts of messages in disorder")
        } else {
            Ok(())
        }
    }
}

#[cfg(test)]
mod tests {
    use futures::{SinkExt, StreamExt};
    use tokio::net::TcpListener;
    use tokio_tungstenite::{accept_async, tungstenite::Message};

    use super::*;

    /// A server's frame of fewer than 126 bytes.
    fn frame(first: u8, payload: &[u8]) -> Vec<u8> {
        [&[first, payload.len() as u8], payload].concat()
    }

    fn heard(pieces: &[&[u8]]) -> Result<Vec<Heard>, WebSocketError> {
        let mut inbox = Inbox::new(10);
        let mut all = Vec::new();
        for piece in pieces {
            inbox.held.extend_from_slice(piece);
            while let Some(heard) = inbox.next()? {
                all.push(heard);
            }
        }
        Ok(all)
    }

    #[test]
    fn messages_are_put_together_however_the_bytes_are_cut() {
        let said = [
            frame(0x81, b"whole"),
            frame(0x01, b"in "),
            frame(0x89, b"there?"),
            frame(0x00, b"thr"),
            frame(0x8a, b"unasked"),
            frame(0x80, b"ee"),
            frame(0x82, b""),
            frame(0x88, b"\x03\xe8"),
        ]
        .concat();
        for cut in 0..said.len() {
            let (one, two) = said.split_at(cut);
            let expected = [
                Heard::Message(b"whole".to_vec()),
                Heard::Ping(b"there?".to_vec()),
                Heard::Message(b"in three".to_vec()),
                Heard::Message(Vec::new()),
                Heard::Close,
            ];
            assert_eq!(heard(&[one, two]).unwrap(), expected, "{cut}");
        }
    }

    #[test]
    fn what_no_server_may_send_is_refused() {
        let long_ping = [&[0x89, 126, 0, 126][..], &[0; 126]].concat();
        let masked = Head::masked(0x81, 2, [1, 2, 3, 4]).frame(b"hi".to_vec());
        for said in [
            frame(0xc1, b"compressed"),
            frame(0x83, b"unknown"),
            frame(0x8b, b"unknown"),
            frame(0x09, b"part"),
            frame(0x80, b"no start"),
            [frame(0x01, b"one"), frame(0x81, b"two")].concat(),
            long_ping,
            masked,
        ] {
            let error = heard(&[&said]).unwrap_err();
            assert!(matches!(error, WebSocketError::Invalid(_)), "{said:x?}: {error}");
        }
    }

    #[test]
    fn a_message_has_a_longest_length_in_parts_too() {
        let parts = |last: &[u8]| [frame(0x01, b"12345"), frame(0x80, last)].concat();
        assert_eq!(heard(&[&parts(b"67890")]).unwrap(), [Heard::Message(b"1234567890".to_vec())]);
        let endless = [&[0x81, 127][..], &[0xff; 8]].concat();
        for said in [parts(b"678901"), frame(0x81, b"12345678901"), endless] {
            let error = heard(&[&said]).unwrap_err();
            assert!(matches!(error, WebSocketError::TooLong(10)), "{said:x?}: {error}");
        }
    }

    #[tokio::test]
    async fn it_speaks_with_a_server_of_another_make() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let upstream = Upstream::new(&format!("http://{}", listener.local_addr().unwrap()));
        let server = tokio::spawn(async move {
            let (stream, _) = listener.accept().await.unwrap();
            let mut socket = accept_async(stream).await.unwrap();
            socket.send(Message::Ping("there?".into())).await.unwrap();
            let mut said = Vec::new();
            while let Some(message) = socket.next().await {
                let message = message.unwrap();
                if message.is_text() {
                    socket.send(message.clone()).await.unwrap();
                }
                said.push(message);
            }
            said
        });
        let mut socket = WebSocket::open(&upstream.unwrap(), 70_000).await.unwrap();
        for length in [0, 125, 126, 65_535, 65_536] {
            let text = "a".repeat(length);
            socket.say(&text).await.unwrap();
            assert_eq!(socket.hear().await.unwrap(), text.as_bytes());
        }
        socket.close().await.unwrap();
        let said = server.await.unwrap();
        assert!(said.contains(&Message::Pong("there?".into())));
        assert_eq!(said.last(), Some(&Message::Close(None)));
        assert_eq!(said.len(), 7);
    }

    #[tokio::test]
    async fn a_server_that_does_not_switch_is_none() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let upstream = Upstream::new(&format!("http://{}", listener.local_addr().unwrap()));
        tokio::spawn(async move { axum::serve(listener, axum::Router::new()).await.unwrap() });
        let error = WebSocket::open(&upstream.unwrap(), 10).await.unwrap_err();
        assert!(matches!(error, WebSocketError::Fault(Fault::Protocol)), "{error}");
    }
}
