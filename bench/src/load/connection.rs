use std::net::SocketAddr;

use anyhow::{Context as _, Result, bail};
use bytes::{Bytes, BytesMut};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
};

/// A connection that is opened anew when the server has closed it, as any client does.
pub(crate) struct Connection {
    address: SocketAddr,
    stream: Option<TcpStream>,
    buffer: BytesMut,
}

/// A whole response.
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) head: Bytes,
    pub(crate) body: Bytes,
}

impl Answer {
    /// The values of a field of the head, in order.
    pub(crate) fn values(&self, name: &str) -> Vec<String> {
        let head = String::from_utf8_lossy(&self.head);
        let fields = head.lines().filter_map(|line| line.split_once(": "));
        let named = fields.filter(|(known, _)| known.eq_ignore_ascii_case(name));
        named.map(|(_, value)| value.to_owned()).collect()
    }
}

/// What a response's head says.
struct Head {
    status: u16,
    /// Of the head, the empty line included.
    bytes: usize,
    content_length: usize,
    closes: bool,
}

/// No program here sends a longer head.
const LONGEST_HEAD: usize = 16 * 1024;

impl Connection {
    pub(crate) fn new(address: SocketAddr) -> Self {
        Self { address, stream: None, buffer: BytesMut::with_capacity(2048) }
    }

    /// Opens it now rather than with the first request.
    pub(crate) async fn open(&mut self) -> Result<()> {
        if self.stream.is_none() {
            let stream = TcpStream::connect(self.address).await.context("cannot connect")?;
            stream.set_nodelay(true)?;
            self.stream = Some(stream);
            self.buffer.clear();
        }
        Ok(())
    }

    /// Sends `request` and reads the answer. A kept connection that was closed meanwhile costs a
    /// second attempt on a new one.
    pub(crate) async fn exchange(&mut self, request: &Bytes) -> Result<Answer> {
        let kept = self.stream.is_some();
        match self.attempt(request).await {
            Err(_) if kept && self.buffer.is_empty() => {
                self.stream = None;
                self.attempt(request).await
            }
            outcome => outcome,
        }
    }

    async fn attempt(&mut self, request: &Bytes) -> Result<Answer> {
        self.open().await?;
        let stream = self.stream.as_mut().context("not open")?;
        stream.write_all(request).await?;
        let head = loop {
            if stream.read_buf(&mut self.buffer).await? == 0 {
                bail!("closed before the answer");
            }
            match head(&self.buffer)? {
                Some(head) => break head,
                None if self.buffer.len() > LONGEST_HEAD => bail!("an endless answer"),
                None => {}
            }
        };
        while self.buffer.len() < head.bytes + head.content_length {
            if stream.read_buf(&mut self.buffer).await? == 0 {
                bail!("closed within the answer");
            }
        }
        let mut answer = self.buffer.split_to(head.bytes + head.content_length);
        let body = answer.split_off(head.bytes).freeze();
        if head.closes {
            self.stream = None;
        }
        Ok(Answer { status: head.status, head: answer.freeze(), body })
    }
}

/// Reads a response's head once it is whole.
fn head(bytes: &[u8]) -> Result<Option<Head>> {
    let Some(end) = bytes.windows(4).position(|four| four == b"\r\n\r\n") else {
        return Ok(None);
    };
    let text = std::str::from_utf8(bytes.get(..end).unwrap_or_default())?;
    let mut lines = text.split("\r\n");
    let status = lines.next().and_then(|line| line.split(' ').nth(1)).context("no status")?;
    let mut head =
        Head { status: status.parse()?, bytes: end + 4, content_length: 0, closes: false };
    for (name, value) in lines.filter_map(|line| line.split_once(':')) {
        if name.eq_ignore_ascii_case("content-length") {
            head.content_length = value.trim().parse()?;
        } else if name.eq_ignore_ascii_case("connection") {
            head.closes = value.trim().eq_ignore_ascii_case("close");
        } else if name.eq_ignore_ascii_case("transfer-encoding") {
            bail!("an answer whose length is not known");
        }
    }
    Ok(Some(head))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_head_is_read_once_it_is_whole() {
        let whole =
            b"HTTP/1.1 401 Unauthorized\r\nContent-Length: 5\r\nconnection: close\r\n\r\nhello";
        assert!(head(&whole[..whole.len() - 6]).unwrap().is_none());
        let head = head(whole).unwrap().unwrap();
        assert_eq!((head.status, head.content_length, head.closes), (401, 5, true));
        assert_eq!(&whole[head.bytes..], b"hello");
    }

    #[test]
    fn what_cannot_be_counted_is_an_error() {
        assert!(head(b"nonsense\r\n\r\n").is_err());
        assert!(head(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n").is_err());
    }
}
