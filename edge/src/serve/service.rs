//! What happens around the router for each request: places, limits, counts and the access log.

use std::{net::SocketAddr, sync::Arc, time::Duration};

use axum::{
    body::Body,
    extract::ConnectInfo,
    response::{IntoResponse, Response},
};
use http::{HeaderValue, Request, StatusCode, Version, header};
use hyper::body::Incoming;
use tower::ServiceExt;

use super::{
    Server,
    access_log::AccessLog,
    answer::Answer,
    head::{self, BadHead},
    metrics::TOO_MANY_REQUESTS,
    request_body,
    response_body::{Held, ResponseBody},
};
use crate::{problem::Problem, tunnels::Tunnels};

/// When a client should come back that found no place.
const RETRY_AFTER: Duration = Duration::from_secs(1);

impl Server {
    /// Answers one request. Nothing fails: a router's error type is empty.
    pub(super) async fn answer(
        self: Arc<Self>,
        request: Request<Incoming>,
        peer: SocketAddr,
        tunnels: Tunnels,
        answer: Arc<Answer>,
    ) -> Result<Response<ResponseBody>, std::convert::Infallible> {
        let metrics = &self.limits.metrics;
        let log = self.limits.access_log.then(|| AccessLog::of(&request, self.name));
        if let Some(bad) = refused(&request) {
            metrics.refused(bad.code());
            tracing::debug!(%peer, code = bad.code(), "request refused");
            return Ok(finished(bad.into_response(), log, None));
        }
        let Ok(place) = Arc::clone(&self.requests).try_acquire_owned() else {
            metrics.refused(TOO_MANY_REQUESTS);
            return Ok(finished(no_place(), log, None));
        };
        let held = Some((place, metrics.request()));
        let version = request.version();
        let request = self.dress(request, peer, tunnels);
        let mut response = match self.router.clone().oneshot(request).await {
            Ok(response) => response,
            Err(never) => match never {},
        };
        self.say_last(version, &mut response);
        answer.given(response.status() == StatusCode::SWITCHING_PROTOCOLS);
        Ok(finished(response, log, held))
    }

    /// From the first signal on, each answer over HTTP/1.1 is the last of its connection. One that is
    /// closed between two requests instead may have the next one on its way, and whoever sent a POST
    /// into it cannot know whether to send it again (RFC 9112 section 9.5).
    fn say_last(&self, version: Version, response: &mut Response) {
        let http_1 = version <= Version::HTTP_11;
        if http_1
            && self.shutdown.is_draining()
            && response.status() != StatusCode::SWITCHING_PROTOCOLS
        {
            let close = HeaderValue::from_static("close");
            response.headers_mut().insert(header::CONNECTION, close);
        }
    }

    fn dress(
        &self,
        request: Request<Incoming>,
        peer: SocketAddr,
        tunnels: Tunnels,
    ) -> Request<Body> {
        let mut request = request.map(|body| request_body::bounded(body, &self.limits));
        let extensions = request.extensions_mut();
        extensions.insert(ConnectInfo(peer));
        extensions.insert(self.shutdown.clone());
        extensions.insert(tunnels);
        request
    }
}

/// What the guard below hyper put into the place of a request.
fn refused(request: &Request<Incoming>) -> Option<BadHead> {
    let stand_in =
        request.version() == Version::HTTP_11 && request.method().as_str() == head::REFUSED;
    stand_in.then(|| BadHead::of_stand_in(request.uri().path()))
}

fn no_place() -> Response {
    Problem::new(StatusCode::SERVICE_UNAVAILABLE, TOO_MANY_REQUESTS, "Too many requests")
        .detail("This server has as many requests under way as it takes.")
        .retry_after(RETRY_AFTER)
        .into_response()
}

fn finished(
    response: Response,
    mut log: Option<AccessLog>,
    held: Option<Held>,
) -> Response<ResponseBody> {
    if let Some(log) = &mut log {
        log.status(response.status());
    }
    response.map(|body| ResponseBody::new(body, log, held))
}
