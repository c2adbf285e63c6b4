use std::{
    pin::Pin,
    task::{Context, Poll},
    time::Duration,
};

use axum::body::{Body, Bytes};
use http_body::{Body as HttpBody, Frame, SizeHint};
use hyper::body::Incoming;
use tokio::time::Instant;

use super::{
    Limits,
    metrics::{ServeMetrics, Timeout},
    timer::Timer,
};

/// A request's body came too slowly.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the request's body came too slowly")]
pub struct BodyTimeout;

/// `body` as slowly as the limits allow, and not slower.
pub(super) fn bounded(body: Incoming, limits: &Limits) -> Body {
    if body.is_end_stream() || limits.body_timeout.is_zero() {
        return Body::new(body);
    }
    Body::new(Bounded {
        body,
        timer: Timer::of(limits.body_timeout),
        window: limits.body_timeout,
        least: least(limits),
        waited: Duration::ZERO,
        since: None,
        bytes: 0,
        metrics: limits.metrics.clone(),
    })
}

/// The bytes that each window must bring, beside which a pause is judged by its length alone.
fn least(limits: &Limits) -> u64 {
    let millis = u64::try_from(limits.body_timeout.as_millis()).unwrap_or(u64::MAX);
    limits.min_body_rate.saturating_mul(millis) / 1000
}

/// The clock runs only while somebody waits for the client: a reader that is slow itself, such as an
/// upstream under pressure, is not the client's fault.
struct Bounded {
    body: Incoming,
    timer: Timer,
    window: Duration,
    /// Bytes that each window must bring.
    least: u64,
    /// How much of the window was waited.
    waited: Duration,
    since: Option<Instant>,
    bytes: u64,
    metrics: ServeMetrics,
}

impl Bounded {
    /// Counts what has come. Fails when a whole window of waiting has brought too little.
    fn count(&mut self, frame: &Frame<Bytes>) -> Result<(), BodyTimeout> {
        self.timer.stop();
        self.waited += self.since.take().map_or(Duration::ZERO, |since| since.elapsed());
        self.bytes += frame.data_ref().map_or(0, |data| data.len() as u64);
        if self.bytes >= self.least {
            (self.waited, self.bytes) = (Duration::ZERO, 0);
        }
        if self.waited < self.window { Ok(()) } else { Err(BodyTimeout) }
    }
}

impl HttpBody for Bounded {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        let outcome = match Pin::new(&mut self.body).poll_frame(context) {
            Poll::Ready(Some(Ok(frame))) => self.count(&frame).map(|()| frame),
            Poll::Ready(other) => {
                return Poll::Ready(other.map(|frame| frame.map_err(axum::Error::new)));
            }
            Poll::Pending => {
                self.since.get_or_insert_with(Instant::now);
                std::task::ready!(self.timer.poll(context));
                Err(BodyTimeout)
            }
        };
        if outcome.is_err() {
            self.metrics.timed_out(Timeout::Body);
        }
        Poll::Ready(Some(outcome.map_err(axum::Error::new)))
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
