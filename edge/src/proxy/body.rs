//! What becomes of bodies on their way: the same frames, for as long as the session lasts.

use std::{
    pin::Pin,
    task::{Context, Poll},
};

use axum::body::{Body, Bytes};
use http_body::{Body as HttpBody, Frame, SizeHint};
use http_body_util::BodyExt;

use super::{Session, forward::Life, headers};

/// A body that announces no more than this needs no watch: with the head and a first read nearly all
/// of it has come.
const SHORT: u64 = 64 * 1024;

/// What went wrong with a client's body, told apart from what goes wrong with the upstream.
#[derive(Debug, thiserror::Error)]
#[error("the request's body broke off")]
pub(super) struct ClientBody(#[source] axum::Error);

/// A client's body for the upstream: the same frames, and no claims in the trailers either.
pub(super) fn to_upstream(body: Body) -> Body {
    if body.is_end_stream() {
        return body;
    }
    // A body of known length has no trailers, and it is sent with that length.
    if body.size_hint().exact().is_some() {
        return Body::new(body.map_err(ClientBody));
    }
    let body = body.map_frame(|mut frame| {
        if let Some(trailers) = frame.trailers_mut() {
            headers::remove_claims(trailers);
        }
        frame
    });
    Body::new(body.map_err(ClientBody))
}

/// `body` for as long as its life lasts, and then a clean end: what an event stream's reader expects.
pub(super) fn while_alive(body: Body, life: Life) -> Body {
    let session = life.session().clone();
    let over = async move {
        life.over().await;
    };
    watched(body, session, Ending::Clean, over)
}

/// `body` for as long as the session lasts. Then it breaks off, because a download that was cut must
/// not look whole.
pub(super) fn within(body: Body, life: Life) -> Body {
    if body.size_hint().exact().is_some_and(|length| length <= SHORT) {
        return body;
    }
    let session = life.session().clone();
    watched(body, session.clone(), Ending::Broken, session.ended())
}

fn watched(
    body: Body,
    session: Session,
    ending: Ending,
    over: impl Future<Output = ()> + Send + 'static,
) -> Body {
    Body::new(Watched { body, session, ending, over: Some(Box::pin(over)) })
}

/// How a body ends before its time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Ending {
    Clean,
    Broken,
}

/// The session ended before the body did.
#[derive(Debug, thiserror::Error)]
#[error("the session ended before the answer")]
struct CutOff;

struct Watched {
    body: Body,
    session: Session,
    ending: Ending,
    /// Sets its timer at the first wait, so a body that is there already has none. `None` once it has
    /// happened.
    over: Option<Pin<Box<dyn Future<Output = ()> + Send>>>,
}

impl Watched {
    /// Lets go of the upstream's connection at once.
    fn cut(&mut self) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        self.over = None;
        self.body = Body::empty();
        Poll::Ready(match self.ending {
            Ending::Clean => None,
            Ending::Broken => Some(Err(axum::Error::new(CutOff))),
        })
    }
}

impl HttpBody for Watched {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        // A body that never makes anybody wait has to end too.
        if self.over.is_some() && self.session.has_ended() {
            return self.cut();
        }
        let frame = Pin::new(&mut self.body).poll_frame(context);
        let waits = frame.is_pending();
        if waits && self.over.as_mut().is_some_and(|over| over.as_mut().poll(context).is_ready()) {
            return self.cut();
        }
        frame
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use futures::{StreamExt, stream};
    use http::Request;
    use tokio::time::{Instant, timeout};

    use super::*;

    const MINUTE: Duration = Duration::from_secs(60);

    fn life() -> Life {
        let session = Session::until(Instant::now() + MINUTE);
        Life::new(&Request::new(Body::empty()), session)
    }

    /// A body that says something and then nothing for ever.
    fn stalled() -> Body {
        let first = stream::once(async { Ok::<_, std::io::Error>(Bytes::from("some")) });
        Body::from_stream(first.chain(stream::pending()))
    }

    #[tokio::test(start_paused = true)]
    async fn an_event_stream_ends_cleanly_and_another_body_breaks_off() {
        let start = Instant::now();
        let mut events = while_alive(stalled(), life());
        let mut download = within(stalled(), life());
        for body in [&mut events, &mut download] {
            assert!(body.frame().await.unwrap().is_ok());
        }
        assert!(events.frame().await.is_none());
        assert_eq!(start.elapsed(), MINUTE);
        let cut = timeout(MINUTE, download.frame()).await.expect("an end").unwrap().unwrap_err();
        assert!(cut.to_string().contains("session ended"), "{cut}");
        assert!(download.frame().await.is_none());
    }

    #[tokio::test(start_paused = true)]
    async fn a_body_that_never_waits_ends_too() {
        let endless = stream::repeat_with(|| Ok::<_, std::io::Error>(Bytes::from("x")));
        let mut download = within(Body::from_stream(endless), life());
        assert!(download.frame().await.unwrap().is_ok());
        tokio::time::advance(MINUTE).await;
        assert!(download.frame().await.unwrap().is_err());
    }

    #[tokio::test(start_paused = true)]
    async fn a_short_body_of_known_length_is_left_alone() {
        let mut short = within(Body::from(vec![0; SHORT as usize]), life());
        let mut long = within(Body::from(vec![0; SHORT as usize + 1]), life());
        tokio::time::advance(2 * MINUTE).await;
        assert!(short.frame().await.unwrap().is_ok());
        assert!(long.frame().await.unwrap().is_err());
    }
}
