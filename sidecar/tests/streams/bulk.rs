//! Bodies that are far larger than the memory the sidecar may take.

use std::net::SocketAddr;

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
};

use crate::program::{Program, soon};

const GIB: u64 = 1 << 30;
/// KiB that the peak may grow by: one connection's buffers, and none for each byte that passes.
const MOST_GROWTH: usize = 8 * 1024;

/// An upstream that takes whole bodies and gives as many zeros as the path says.
async fn upstream() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            tokio::spawn(answer(stream));
        }
    });
    address
}

async fn answer(mut stream: TcpStream) {
    while let Some(head) = head(&mut stream).await {
        let length = field(&head, "content-length").unwrap_or(0);
        assert_eq!(take(&mut stream, length).await, length);
        let gives: u64 = head.split(['/', ' ']).nth(2).unwrap().parse().unwrap();
        let answer =
            format!("HTTP/1.1 200 OK\r\nx-took: {length}\r\ncontent-length: {gives}\r\n\r\n");
        stream.write_all(answer.as_bytes()).await.unwrap();
        give(&mut stream, gives).await;
    }
}

/// Reads a head to its end, and not further.
pub(crate) async fn head(stream: &mut TcpStream) -> Option<String> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(stream.read_u8().await.ok()?);
    }
    String::from_utf8(head).ok()
}

fn field(head: &str, name: &str) -> Option<u64> {
    let fields = head.lines().filter_map(|line| line.split_once(": "));
    fields.filter(|(found, _)| *found == name).find_map(|(_, value)| value.parse().ok())
}

async fn give(stream: &mut TcpStream, mut bytes: u64) {
    let zeros = vec![0; 256 * 1024];
    while bytes > 0 {
        let piece = bytes.min(zeros.len() as u64);
        stream.write_all(&zeros[..piece as usize]).await.unwrap();
        bytes -= piece;
    }
}

/// Reads up to `bytes`, and tells how many there were.
async fn take(stream: &mut TcpStream, bytes: u64) -> u64 {
    let mut place = vec![0; 256 * 1024];
    let mut taken = 0;
    while taken < bytes {
        let most = (bytes - taken).min(place.len() as u64) as usize;
        match stream.read(&mut place[..most]).await.unwrap() {
            0 => break,
            count => taken += count as u64,
        }
    }
    taken
}

/// Sends so many bytes up and down, and checks that all arrive.
async fn pass(program: &Program, up: u64, down: u64) {
    let mut stream = program.connect().await;
    let request = Program::head(&format!("POST /{down}"), &format!("content-length: {up}\r\n"));
    stream.write_all(request.as_bytes()).await.unwrap();
    soon(give(&mut stream, up)).await;
    let head = soon(head(&mut stream)).await.unwrap();
    assert_eq!(field(&head, "x-took"), Some(up), "{head}");
    assert_eq!(field(&head, "content-length"), Some(down), "{head}");
    assert_eq!(soon(take(&mut stream, down)).await, down);
}

#[tokio::test]
async fn a_gibibyte_passes_up_and_down_without_being_kept() {
    let program = Program::start(upstream().await, &[]).await;
    for (name, up, down) in [("an upload", GIB, 2), ("a download", 2, GIB)] {
        pass(&program, 1 << 20, 1 << 20).await;
        let before = program.memory("VmHWM");
        pass(&program, up, down).await;
        let growth = program.memory("VmHWM").saturating_sub(before);
        assert!(growth < MOST_GROWTH, "{name}: the peak grew by {growth} KiB from {before} KiB");
    }
}
