//! One line for each answer, written when its body has ended. It names no header and no query: both
//! may hold a secret. A head that was refused stands there as `REFUSED` and its code.

use axum::body::Bytes;
use http::{Method, Request, StatusCode};
use http_body::Frame;
use tokio::time::Instant;

/// What the line says.
#[derive(Debug)]
pub(super) struct AccessLog {
    listener: &'static str,
    method: Method,
    /// A copy: the request's own would keep its whole head in memory until the answer has ended.
    path: Box<str>,
    status: StatusCode,
    bytes: u64,
    ended: bool,
    begun: Instant,
}

impl AccessLog {
    pub(super) fn of<B>(request: &Request<B>, listener: &'static str) -> Self {
        Self {
            listener,
            method: request.method().clone(),
            path: request.uri().path().into(),
            status: StatusCode::INTERNAL_SERVER_ERROR,
            bytes: 0,
            ended: false,
            begun: Instant::now(),
        }
    }

    pub(super) fn status(&mut self, status: StatusCode) {
        self.status = status;
    }

    /// Counts what was sent of the body.
    pub(super) fn saw<E>(&mut self, frame: Option<&Result<Frame<Bytes>, E>>) {
        match frame {
            Some(Ok(frame)) => {
                self.bytes += frame.data_ref().map_or(0, |data| data.len() as u64);
            }
            Some(Err(_)) => {}
            None => self.ended = true,
        }
    }
}

impl Drop for AccessLog {
    fn drop(&mut self) {
        tracing::info!(
            target: "access",
            listener = self.listener,
            method = self.method.as_str(),
            path = &*self.path,
            status = self.status.as_u16(),
            bytes = self.bytes,
            ms = u64::try_from(self.begun.elapsed().as_millis()).unwrap_or(u64::MAX),
            "answered"
        );
    }
}
