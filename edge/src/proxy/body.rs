use std::{
    pin::Pin,
    task::{Context, Poll},
};

use axum::body::{Body, Bytes};
use http_body::{Body as HttpBody, Frame, SizeHint};
use http_body_util::BodyExt;

use super::{forward::Life, headers};

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

/// `body` for as long as its life lasts, and then a clean end.
pub(super) fn while_alive(body: Body, life: Life) -> Body {
    let over = Box::pin(async move {
        life.over().await;
    });
    Body::new(WhileAlive { body, over: Some(over) })
}

struct WhileAlive {
    body: Body,
    /// `None` once it has happened.
    over: Option<Pin<Box<dyn Future<Output = ()> + Send>>>,
}

impl HttpBody for WhileAlive {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        if self.over.as_mut().is_some_and(|over| over.as_mut().poll(context).is_ready()) {
            self.over = None;
            // Lets go of the upstream's connection at once.
            self.body = Body::empty();
        }
        Pin::new(&mut self.body).poll_frame(context)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
