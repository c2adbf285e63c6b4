use std::{
    pin::Pin,
    task::{Context, Poll},
};

use axum::body::{Body, Bytes};
use http_body::{Body as HttpBody, Frame, SizeHint};
use tokio::sync::OwnedSemaphorePermit;

use super::{access_log::AccessLog, metrics::Counted};

/// A request's place among those in flight.
pub(super) type Held = (OwnedSemaphorePermit, Counted);

/// An answer's body. As long as it is there, its request is in flight.
#[derive(Debug)]
pub(super) struct ResponseBody {
    body: Body,
    log: Option<AccessLog>,
    _held: Option<Held>,
}

impl ResponseBody {
    pub(super) fn new(body: Body, log: Option<AccessLog>, held: Option<Held>) -> Self {
        Self { body, log, _held: held }
    }
}

impl HttpBody for ResponseBody {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        let polled = Pin::new(&mut self.body).poll_frame(context);
        if let (Some(log), Poll::Ready(frame)) = (&mut self.log, &polled) {
            log.saw(frame.as_ref());
        }
        polled
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
