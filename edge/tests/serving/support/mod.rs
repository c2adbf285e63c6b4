//! Servers, upstreams and clients that the tests read like sentences with.

mod recorder;
mod server;

use std::{future::Future, net::SocketAddr, time::Duration};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpSocket, TcpStream},
    time::timeout,
};

pub(crate) use self::{
    recorder::Recorder,
    server::{Server, proxy, proxy_with},
};

/// Waits for what has to happen. The limit only turns a hang into a failure.
pub(crate) async fn soon<T>(future: impl Future<Output = T>) -> T {
    timeout(Duration::from_secs(20), future).await.expect("it never happened")
}

/// A client that says exactly what a test wants it to.
pub(crate) struct RawClient {
    stream: TcpStream,
}

impl RawClient {
    pub(crate) async fn connect(address: SocketAddr) -> Self {
        Self { stream: soon(TcpStream::connect(address)).await.unwrap() }
    }

    /// A client whose system keeps next to nothing of what the server does not read.
    pub(crate) async fn connect_with_little_room(address: SocketAddr) -> Self {
        let socket = TcpSocket::new_v4().unwrap();
        socket.set_send_buffer_size(16 * 1024).unwrap();
        Self { stream: soon(socket.connect(address)).await.unwrap() }
    }

    pub(crate) async fn say(&mut self, text: &str) {
        self.stream.write_all(text.as_bytes()).await.unwrap();
    }

    /// Says `text` unless the server has hung up.
    pub(crate) async fn say_if_heard(&mut self, text: &str) {
        let _ = self.stream.write_all(text.as_bytes()).await;
    }

    /// Says as much of `text` as the server takes, and gives the first line of its answer.
    pub(crate) async fn say_some(&mut self, text: &str) -> String {
        let (mut reads, mut writes) = self.stream.split();
        let mut head = [0; 64];
        let answered = async { reads.read(&mut head).await.unwrap_or(0) };
        let (count, _cut) =
            soon(async { tokio::join!(answered, writes.write_all(text.as_bytes())) }).await;
        String::from_utf8_lossy(&head[..count]).into_owned()
    }

    /// Says a byte again and again, or nothing, until the server answers; gives the whole answer.
    pub(crate) async fn trickle_until_answered(mut self, trickles: bool) -> String {
        let (mut reads, mut writes) = self.stream.split();
        let mut answer = Vec::new();
        let heard = reads.read_to_end(&mut answer);
        let said = async {
            while trickles && writes.write_all(b"x").await.is_ok() {
                tokio::task::yield_now().await;
            }
            std::future::pending::<()>().await;
        };
        soon(async {
            tokio::select! {
                // A reset after the answer is as good an end as any.
                _ = heard => {}
                () = said => {}
            }
        })
        .await;
        String::from_utf8_lossy(&answer).into_owned()
    }

    /// Reads until `end` has arrived, and gives all that was read.
    pub(crate) async fn hear_until(&mut self, end: &str) -> String {
        let mut heard = Vec::new();
        while !String::from_utf8_lossy(&heard).contains(end) {
            let byte = soon(self.stream.read_u8()).await;
            heard.push(byte.unwrap_or_else(|error| {
                panic!("{error} before {end:?}, after {}", String::from_utf8_lossy(&heard))
            }));
        }
        String::from_utf8(heard).unwrap()
    }

    /// Reads until the server has closed the connection.
    pub(crate) async fn hear_all(mut self) -> String {
        let mut heard = Vec::new();
        // A reset after the answer is as good an end as any.
        let _ = soon(self.stream.read_to_end(&mut heard)).await;
        String::from_utf8_lossy(&heard).into_owned()
    }

    /// All bytes until the server has closed the connection.
    pub(crate) async fn hear_bytes(mut self) -> Vec<u8> {
        let mut heard = Vec::new();
        soon(self.stream.read_to_end(&mut heard)).await.unwrap();
        heard
    }

    /// Waits until the other side says nothing more.
    pub(crate) async fn hear_end(&mut self) {
        assert!(soon(self.stream.read_u8()).await.is_err(), "more was said");
    }

    pub(crate) fn into_stream(self) -> TcpStream {
        self.stream
    }
}

impl From<TcpStream> for RawClient {
    fn from(stream: TcpStream) -> Self {
        Self { stream }
    }
}

/// What a server says to `request` before it closes the connection.
pub(crate) async fn exchange(address: SocketAddr, request: &str) -> String {
    let mut client = RawClient::connect(address).await;
    client.say(request).await;
    client.hear_all().await
}

/// The status code of an HTTP/1.1 answer; 0 when there is none.
pub(crate) fn status(answer: &str) -> u16 {
    answer.split(' ').nth(1).and_then(|code| code.parse().ok()).unwrap_or(0)
}
