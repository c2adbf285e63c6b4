//! What came back: a status, a body, a stream of events.

use anyhow::{Context as _, Result, bail};
use http::{HeaderMap, StatusCode, header};
use http_body_util::BodyExt as _;
use hyper::body::Incoming;
use serde::de::DeserializeOwned;
use tokio::time::timeout;

use super::PATIENCE;

/// How much of a body an error shows, in characters.
const SHOWN: usize = 600;

/// What came back.
#[derive(Debug)]
pub struct Answer {
    /// Its status.
    pub status: StatusCode,
    /// Its headers.
    pub headers: HeaderMap,
    pub(super) body: Incoming,
    pub(super) what: String,
}

/// A stream of server-sent events.
#[derive(Debug)]
pub struct Events {
    body: Incoming,
    unread: Vec<u8>,
}

impl Answer {
    /// The answer itself if it has this status; else an error that says what came instead.
    ///
    /// # Errors
    /// Another status.
    pub async fn expect(self, expected: StatusCode) -> Result<Self> {
        if self.status == expected {
            return Ok(self);
        }
        let (what, seen) = (self.what.clone(), self.status);
        let body: String = self.text().await?.chars().take(SHOWN).collect();
        bail!("{what}: expected {expected}, saw {seen}: {}", body.trim())
    }

    /// The whole body as text.
    ///
    /// # Errors
    /// The body broke off.
    pub async fn text(self) -> Result<String> {
        let body = timeout(PATIENCE, self.body.collect()).await;
        let body = body.with_context(|| format!("the body did not end: {}", self.what))?;
        let body = body.with_context(|| format!("the body broke off: {}", self.what))?;
        Ok(String::from_utf8_lossy(&body.to_bytes()).into_owned())
    }

    /// The whole body as JSON.
    ///
    /// # Errors
    /// The body broke off, or is something else.
    pub async fn json<T: DeserializeOwned>(self) -> Result<T> {
        let what = self.what.clone();
        let text = self.text().await?;
        serde_json::from_str(&text).with_context(|| {
            let shown: String = text.chars().take(SHOWN).collect();
            format!("{what}: expected JSON, saw {shown}")
        })
    }

    /// The body as server-sent events, each as it arrives.
    ///
    /// # Errors
    /// The body is no event stream.
    pub fn events(self) -> Result<Events> {
        let kind = self.headers.get(header::CONTENT_TYPE);
        let kind = kind.and_then(|kind| kind.to_str().ok()).unwrap_or_default();
        if !kind.starts_with("text/event-stream") {
            bail!("{}: expected text/event-stream, saw {kind:?}", self.what);
        }
        Ok(Events { body: self.body, unread: Vec::new() })
    }
}

impl Events {
    /// The data of the next event; none at the end.
    ///
    /// # Errors
    /// The stream broke off, or nothing came in time.
    pub async fn next(&mut self) -> Result<Option<String>> {
        loop {
            if let Some(event) = self.take_event() {
                return Ok(Some(event));
            }
            let frame = timeout(PATIENCE, self.body.frame()).await.context("no event came")?;
            match frame {
                None => return Ok(None),
                Some(frame) => {
                    if let Ok(data) = frame.context("the events broke off")?.into_data() {
                        self.unread.extend_from_slice(&data);
                    }
                }
            }
        }
    }

    /// Takes the data of one complete event out of what has arrived. Comments are no events.
    fn take_event(&mut self) -> Option<String> {
        loop {
            let end = self.unread.windows(2).position(|pair| pair == b"\n\n")?;
            let event: Vec<u8> = self.unread.drain(..end + 2).collect();
            let event = String::from_utf8_lossy(&event);
            let data = event.lines().filter_map(|line| line.strip_prefix("data:"));
            let data: Vec<_> = data.map(|line| line.strip_prefix(' ').unwrap_or(line)).collect();
            if !data.is_empty() {
                return Some(data.join("\n"));
            }
        }
    }
}
