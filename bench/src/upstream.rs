//! The upstream of everything measured: the least that speaks HTTP/1.1, so that the rest shows.

use std::net::SocketAddr;

use anyhow::{Context as _, Result};
use aws_lc_rs::digest::{SHA1_FOR_LEGACY_USE_ONLY, digest};
use base64::{Engine as _, prelude::BASE64_STANDARD};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
};

/// What a verified request gets.
const ANSWER: &[u8] =
    b"HTTP/1.1 200 OK\r\ncontent-type: text/plain\r\ncontent-length: 14\r\n\r\nHello, world!\n";

/// A path whose answer is the request's own head: tells what a proxy made of it.
pub(crate) const ECHO: &str = "/echo";

/// Serves on a free port until the runtime ends.
pub(crate) async fn start() -> Result<SocketAddr> {
    start_at(SocketAddr::from(([127, 0, 0, 1], 0))).await
}

/// Serves there until the runtime ends.
pub(crate) async fn start_at(address: SocketAddr) -> Result<SocketAddr> {
    let listener = TcpListener::bind(address).await;
    let listener = listener.with_context(|| format!("cannot listen on {address}"))?;
    let address = listener.local_addr()?;
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            // A connection that breaks is the proxy's to report.
            tokio::spawn(async move { serve(stream).await.ok() });
        }
    });
    Ok(address)
}

/// Answers requests without a body, one after the other.
async fn serve(mut stream: TcpStream) -> std::io::Result<()> {
    stream.set_nodelay(true)?;
    let mut head = Vec::with_capacity(4096);
    while stream.read_buf(&mut head).await? > 0 {
        if !head.ends_with(b"\r\n\r\n") {
            continue;
        }
        if head.starts_with(b"GET /echo ") {
            let text = format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n", head.len());
            stream.write_all(&[text.as_bytes(), &head].concat()).await?;
        } else if head.starts_with(b"GET /ws ") {
            return idle_web_socket(stream, &head).await;
        } else {
            stream.write_all(ANSWER).await?;
        }
        head.clear();
    }
    Ok(())
}

/// Opens a WebSocket (RFC 6455 section 4.2.2) and says nothing until the other side is gone.
async fn idle_web_socket(mut stream: TcpStream, head: &[u8]) -> std::io::Result<()> {
    let head = String::from_utf8_lossy(head).into_owned();
    let field = |line: &str| {
        let (name, value) = line.split_once(": ")?;
        name.eq_ignore_ascii_case("sec-websocket-key").then(|| value.to_owned())
    };
    let key = head.lines().find_map(field).unwrap_or_default();
    drop(head);
    let answer = format!(
        "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
         Sec-WebSocket-Accept: {}\r\n\r\n",
        accept(&key)
    );
    stream.write_all(answer.as_bytes()).await?;
    while stream.read(&mut [0; 16]).await? > 0 {}
    Ok(())
}

/// What proves that the key was understood (RFC 6455 section 1.3).
fn accept(key: &str) -> String {
    let text = format!("{key}258EAFA5-E914-47DA-95CA-C5AB0DC85B11");
    BASE64_STANDARD.encode(digest(&SHA1_FOR_LEGACY_USE_ONLY, text.as_bytes()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_key_of_the_rfc_is_accepted_as_there() {
        assert_eq!(accept("dGhlIHNhbXBsZSBub25jZQ=="), "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
    }
}
