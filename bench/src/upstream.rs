//! The upstream of everything measured: the least that speaks HTTP/1.1, so that the rest shows.

use std::net::SocketAddr;

use anyhow::Result;
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
    let listener = TcpListener::bind("127.0.0.1:0").await?;
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
        } else {
            stream.write_all(ANSWER).await?;
        }
        head.clear();
    }
    Ok(())
}
