use std::{
    net::SocketAddr,
    sync::{Arc, Mutex},
};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
};

/// An upstream that keeps every byte it gets and gives every request the same answer.
pub(crate) struct Recorder {
    pub(crate) address: SocketAddr,
    seen: Arc<Mutex<Vec<Vec<String>>>>,
}

impl Recorder {
    pub(crate) async fn answering(answer: impl Into<String>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let seen = Arc::new(Mutex::new(Vec::new()));
        tokio::spawn(accept(listener, answer.into(), Arc::clone(&seen)));
        Self { address, seen }
    }

    /// An upstream that says `200 ok`.
    pub(crate) async fn start() -> Self {
        Self::answering("HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok").await
    }

    /// How many connections there were.
    pub(crate) fn connections(&self) -> usize {
        self.seen.lock().unwrap().len()
    }

    /// All requests, byte for byte.
    pub(crate) fn requests(&self) -> Vec<String> {
        self.seen.lock().unwrap().iter().flatten().cloned().collect()
    }

    /// The one request that there was.
    pub(crate) fn request(&self) -> String {
        match <[String; 1]>::try_from(self.requests()) {
            Ok([request]) => request,
            Err(requests) => panic!("not one request: {requests:#?}"),
        }
    }
}

async fn accept(listener: TcpListener, answer: String, seen: Arc<Mutex<Vec<Vec<String>>>>) {
    while let Ok((stream, _)) = listener.accept().await {
        let number = {
            let mut seen = seen.lock().unwrap();
            seen.push(Vec::new());
            seen.len() - 1
        };
        tokio::spawn(converse(stream, answer.clone(), number, Arc::clone(&seen)));
    }
}

async fn converse(
    mut stream: TcpStream,
    answer: String,
    number: usize,
    seen: Arc<Mutex<Vec<Vec<String>>>>,
) {
    let mut bytes = Vec::new();
    while let Ok(byte) = stream.read_u8().await {
        bytes.push(byte);
        if is_whole(&bytes) {
            let request = String::from_utf8(std::mem::take(&mut bytes)).unwrap();
            seen.lock().unwrap()[number].push(request);
            stream.write_all(answer.as_bytes()).await.unwrap();
        }
    }
    if !bytes.is_empty() {
        seen.lock().unwrap()[number].push(String::from_utf8_lossy(&bytes).into_owned());
    }
}

/// Whether `bytes` are one request, read as strictly as anybody could.
fn is_whole(bytes: &[u8]) -> bool {
    let text = String::from_utf8_lossy(bytes).to_lowercase();
    let Some((head, body)) = text.split_once("\r\n\r\n") else {
        return false;
    };
    if head.contains("\r\ntransfer-encoding: chunked") {
        return body == "0\r\n\r\n" || body.contains("\r\n0\r\n") && body.ends_with("\r\n\r\n");
    }
    let length = head
        .split("\r\n")
        .filter_map(|line| line.strip_prefix("content-length: "))
        .map(|length| length.parse::<usize>().unwrap())
        .sum::<usize>();
    body.len() >= length
}
