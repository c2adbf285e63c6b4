//! Who reads slowly slows the other side down; nobody keeps in memory what is not read.

use std::{
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpSocket, TcpStream},
};

use crate::support::{Server, exchange, proxy, soon, status};

/// Far more than all sockets on the way hold.
const BYTES: u64 = 256 * 1024 * 1024;
/// What they may hold: two connections, each with a sender's and a receiver's buffer.
const MOST_HELD: u64 = 32 * 1024 * 1024;

/// An upstream that gives [`BYTES`] to `/down`, does not read what comes to `/up` until it may, and
/// says `ok` to all else.
struct Upstream {
    address: SocketAddr,
    /// Bytes that left for `/down`.
    given: Arc<AtomicU64>,
    may_read: Arc<tokio::sync::Semaphore>,
}

impl Upstream {
    async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let given = Arc::new(AtomicU64::new(0));
        let may_read = Arc::new(tokio::sync::Semaphore::new(0));
        let upstream = Self { address, given, may_read };
        let (given, may_read) = (upstream.given.clone(), upstream.may_read.clone());
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(answer(stream, given.clone(), may_read.clone()));
            }
        });
        upstream
    }
}

async fn answer(
    mut stream: TcpStream,
    given: Arc<AtomicU64>,
    may_read: Arc<tokio::sync::Semaphore>,
) -> std::io::Result<()> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(stream.read_u8().await?);
    }
    let mut length = 2;
    if head.starts_with(b"POST /up ") {
        may_read.acquire().await.unwrap().forget();
        count(&mut stream, BYTES).await;
    } else if head.starts_with(b"GET /down ") {
        length = BYTES;
    }
    let head = format!("HTTP/1.1 200 OK\r\ncontent-length: {length}\r\n\r\n");
    stream.write_all(head.as_bytes()).await?;
    if length == BYTES {
        return give(&mut stream, length, &given).await;
    }
    stream.write_all(b"ok").await
}

async fn give(
    stream: &mut (impl AsyncWriteExt + Unpin),
    mut bytes: u64,
    given: &AtomicU64,
) -> std::io::Result<()> {
    let zeros = vec![0; 64 * 1024];
    while bytes > 0 {
        let piece = bytes.min(zeros.len() as u64);
        let count = stream.write(&zeros[..piece as usize]).await? as u64;
        given.fetch_add(count, Ordering::SeqCst);
        bytes -= count;
    }
    Ok(())
}

/// Reads up to `most` bytes, and tells how many there were.
async fn count(stream: &mut (impl AsyncReadExt + Unpin), most: u64) -> u64 {
    let mut place = vec![0; 64 * 1024];
    let mut seen = 0;
    while seen < most {
        match soon(stream.read(&mut place)).await.unwrap() {
            0 => break,
            count => seen += count as u64,
        }
    }
    seen
}

/// A client with a small window.
async fn connect(server: &Server) -> TcpStream {
    let socket = TcpSocket::new_v4().unwrap();
    socket.set_recv_buffer_size(64 * 1024).unwrap();
    socket.connect(server.address).await.unwrap()
}

/// Waits until `bytes` stands still while the server answers others.
async fn stands_still(bytes: &AtomicU64, server: &Server) -> u64 {
    let mut before = None;
    loop {
        for _ in 0..50 {
            let request = "GET / HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n";
            assert_eq!(status(&exchange(server.address, request).await), 200);
        }
        let now = bytes.load(Ordering::SeqCst);
        if now > 0 && before.replace(now) == Some(now) {
            return now;
        }
    }
}

#[tokio::test]
async fn a_slow_reader_stops_the_upstream() {
    let upstream = Upstream::start().await;
    let server = Server::start(proxy(upstream.address)).await;
    let mut client = connect(&server).await;
    let request = "GET /down HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n";
    client.write_all(request.as_bytes()).await.unwrap();
    let held = soon(stands_still(&upstream.given, &server)).await;
    assert!(held < MOST_HELD, "{held} bytes were taken from the upstream");
    assert!(count(&mut client, u64::MAX).await > BYTES, "and then all arrive");
}

#[tokio::test]
async fn a_slow_upstream_stops_the_client() {
    let upstream = Upstream::start().await;
    let server = Server::start(proxy(upstream.address)).await;
    let (mut reads, mut writes) = connect(&server).await.into_split();
    let head = format!(
        "POST /up HTTP/1.1\r\nhost: a\r\nconnection: close\r\ncontent-length: {BYTES}\r\n\r\n"
    );
    let sent = Arc::new(AtomicU64::new(0));
    let sending = tokio::spawn({
        let sent = sent.clone();
        async move {
            writes.write_all(head.as_bytes()).await.unwrap();
            give(&mut writes, BYTES, &sent).await.unwrap();
            writes
        }
    });
    let held = soon(stands_still(&sent, &server)).await;
    assert!(held < MOST_HELD, "{held} bytes were taken from the client");
    upstream.may_read.add_permits(1);
    let mut answer = String::new();
    soon(reads.read_to_string(&mut answer)).await.unwrap();
    assert_eq!(status(&answer), 200, "{answer}");
    drop(soon(sending).await.unwrap());
}
