//! One request to the upstream and the head of its answer.

use std::{error::Error, io, pin::pin};

use axum::{body::Body, response::Response};
use http::{Method, Request, StatusCode};
use http_body::Body as _;
use hyper::{body::Incoming, client::conn::TrySendError};
use tokio::time::timeout;

use super::{
    Fault, Upstream,
    body::ClientBody,
    pool::{Lease, Leased, NoConnection},
};
use crate::{program::Chain, serve::BodyTimeout};

/// Sends `request`, whose target is a path, over an unused connection or a new one.
///
/// It is sent again only when the upstream cannot have acted on it: it was not written, or it
/// changes nothing, has no body, and the connection had been used before, so that the upstream may
/// just have been closing it (RFC 9110 section 9.2.2).
pub(super) async fn send(upstream: &Upstream, request: Request<Body>) -> Result<Response, Fault> {
    let answer = pin!(exchange(upstream, request));
    match upstream.response_timeout() {
        None => answer.await,
        Some(patience) => timeout(patience, answer).await.unwrap_or(Err(Fault::TimedOut)),
    }
}

async fn exchange(upstream: &Upstream, mut request: Request<Body>) -> Result<Response, Fault> {
    while let Some(lease) = upstream.pool().reuse_soon(upstream.authority()).await {
        let spare = repeatable(&request);
        match try_send(lease, request).await {
            Ok(response) => return Ok(response),
            Err(mut error) => match error.take_message().or(spare) {
                Some(unsent) => request = unsent,
                None => return Err(fault(upstream, error.error())),
            },
        }
    }
    // Boxed, because connecting needs much room, which would be part of each request's state.
    let connected = Box::pin(upstream.pool().connect(upstream.scheme(), upstream.authority()));
    let lease = connected.await.map_err(|error| no_connection(upstream, error))?;
    try_send(lease, request).await.map_err(|error| fault(upstream, error.error()))
}

async fn try_send(
    mut lease: Lease,
    request: Request<Body>,
) -> Result<Response, TrySendError<Request<Body>>> {
    let response: Response<Incoming> = lease.sender.try_send_request(request).await?;
    if response.status() == StatusCode::SWITCHING_PROTOCOLS {
        return Ok(response.map(Body::new));
    }
    Ok(response.map(|body| Leased::body(body, lease)))
}

/// A copy of a request that does no harm when it comes twice.
fn repeatable(request: &Request<Body>) -> Option<Request<Body>> {
    let harmless = matches!(*request.method(), Method::GET | Method::HEAD | Method::OPTIONS);
    if !harmless || !request.body().is_end_stream() {
        return None;
    }
    let mut copy = Request::new(Body::empty());
    *copy.method_mut() = request.method().clone();
    *copy.uri_mut() = request.uri().clone();
    *copy.headers_mut() = request.headers().clone();
    Some(copy)
}

fn no_connection(upstream: &Upstream, error: NoConnection) -> Fault {
    let (fault, error) = match error {
        NoConnection::Failed(error) => {
            let refused = causes(error.as_ref())
                .filter_map(|error| error.downcast_ref::<io::Error>())
                .any(|error| error.kind() == io::ErrorKind::ConnectionRefused);
            let fault = if refused { Fault::Refused } else { Fault::Unreachable };
            (fault, Chain(error.as_ref()).to_string())
        }
        NoConnection::TimedOut => (Fault::Unreachable, "no connection in time".to_owned()),
    };
    log(upstream, fault, &error)
}

fn fault(upstream: &Upstream, error: &hyper::Error) -> Fault {
    let client = causes(error).any(|error| error.is::<ClientBody>());
    let slow = causes(error).any(|error| error.is::<BodyTimeout>());
    let fault = match (client, slow) {
        (true, true) => Fault::ClientTimedOut,
        (true, false) => Fault::ClientBroken,
        (false, _) => Fault::Broken,
    };
    log(upstream, fault, &Chain(error).to_string())
}

fn log(upstream: &Upstream, fault: Fault, error: &str) -> Fault {
    let (upstream, code) = (upstream.authority().as_str(), fault.code());
    if fault.is_the_clients() {
        tracing::debug!(code, error, "request broke off");
    } else {
        tracing::warn!(upstream, code, error, "no answer from the upstream");
    }
    fault
}

/// An error and everything that led to it.
fn causes<'e>(error: &'e (dyn Error + 'static)) -> impl Iterator<Item = &'e (dyn Error + 'static)> {
    std::iter::successors(Some(error), |error| (*error).source())
}
