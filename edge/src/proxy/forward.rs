use axum::{
    body::Body,
    response::{IntoResponse, Response},
};
use http::{HeaderMap, HeaderValue, Request, StatusCode, Version, header};

use super::{
    Fault, Session, Upstream, body, headers,
    request::{self, Kind, Refusal},
    send::send,
    upgrade,
};
use crate::{activity::Activity, tunnels::Tunnels};

/// Forwards one request and answers it, whatever happens.
///
/// `edit` adds the headers that the upstream trusts, after all that a client must not say is gone
/// (see [`headers::to_upstream`]); the client's `Host` passes unless `edit` removes or replaces it.
/// Bodies are streamed both ways. A WebSocket is tunnelled once the upstream has agreed. Whatever lasts
/// ends with `session`: a WebSocket and an event stream say goodbye, another body breaks off.
pub async fn forward(
    request: Request<Body>,
    upstream: &Upstream,
    edit: impl FnOnce(&mut HeaderMap),
    session: Session,
) -> Response {
    let kind = match request::check(&request) {
        Ok(kind) => kind,
        Err(refusal) => return refuse(refusal, request.version()),
    };
    let life = Life::new(&request, session);
    let answer = match kind {
        Kind::Plain => plain(request, upstream, edit, life).await,
        // Boxed: it is rare, and would make every request's state larger.
        Kind::WebSocket => Box::pin(upgrade::forward(request, upstream, edit, life)).await,
    };
    answer.unwrap_or_else(Fault::into_response)
}

fn refuse(refusal: Refusal, version: Version) -> Response {
    tracing::debug!(code = refusal.code(), "request refused");
    let mut response = refusal.into_response();
    if version <= Version::HTTP_11 {
        // What follows on this connection may be part of what was refused.
        let close = HeaderValue::from_static("close");
        response.headers_mut().insert(header::CONNECTION, close);
    }
    response
}

async fn plain(
    request: Request<Body>,
    upstream: &Upstream,
    edit: impl FnOnce(&mut HeaderMap),
    life: Life,
) -> Result<Response, Fault> {
    let response = send(upstream, outgoing(request, upstream, edit)?).await?;
    if response.status() == StatusCode::SWITCHING_PROTOCOLS {
        return Err(Fault::Protocol);
    }
    Ok(incoming(response, life))
}

/// The request as the upstream gets it: method and path unchanged, everything else made anew.
pub(super) fn outgoing(
    request: Request<Body>,
    upstream: &Upstream,
    edit: impl FnOnce(&mut HeaderMap),
) -> Result<Request<Body>, Fault> {
    let (client, content) = request.into_parts();
    let mut request = Request::new(body::to_upstream(content));
    *request.method_mut() = client.method;
    // The check has seen a path.
    let path = client.uri.path_and_query().ok_or(Fault::Target)?;
    *request.uri_mut() = upstream.target(path).map_err(|_too_long| Fault::Target)?;
    *request.headers_mut() = client.headers;
    // HTTP/2 carries the host in its `:authority`.
    if let Some(authority) = client.uri.authority()
        && let Ok(host) = authority.as_str().parse()
    {
        request.headers_mut().insert(header::HOST, host);
    }
    headers::to_upstream(request.headers_mut(), edit);
    if !request.headers().contains_key(header::HOST)
        && let Ok(host) = upstream.authority().as_str().parse()
    {
        request.headers_mut().insert(header::HOST, host);
    }
    Ok(request)
}

/// The upstream's response as the client gets it.
pub(super) fn incoming(mut response: Response, life: Life) -> Response {
    response.extensions_mut().clear();
    // The version belongs to the connection: an HTTP/1.0 upstream must not make one of ours.
    *response.version_mut() = Version::HTTP_11;
    headers::to_client(response.headers_mut());
    if is_event_stream(response.headers()) {
        response.map(|content| body::while_alive(content, life))
    } else {
        response.map(|content| body::within(content, life))
    }
}

fn is_event_stream(headers: &HeaderMap) -> bool {
    headers
        .get(header::CONTENT_TYPE)
        .and_then(|value| value.to_str().ok())
        .and_then(|value| value.split(';').next())
        .is_some_and(|kind| kind.trim().eq_ignore_ascii_case("text/event-stream"))
}

/// How long a stream lives: as long as its session and its server.
#[derive(Clone, Debug)]
pub(super) struct Life {
    session: Session,
    tunnels: Tunnels,
}

/// What ended a stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Over {
    /// The session has ended.
    Session,
    /// This server is about to.
    Server,
    /// Neither side said anything for too long.
    Silence,
}

impl Life {
    pub(super) fn new(request: &Request<Body>, session: Session) -> Self {
        let tunnels = request.extensions().get::<Tunnels>().cloned();
        Self { session, tunnels: tunnels.unwrap_or_else(Tunnels::untracked) }
    }

    /// Where WebSockets and their data are counted.
    pub(super) const fn activity(&self) -> Option<&Activity> {
        self.session.activity()
    }

    /// What bounds a body.
    pub(super) const fn session(&self) -> &Session {
        &self.session
    }

    /// Where a stream runs that outlives its request.
    pub(super) fn tunnels(&self) -> &Tunnels {
        &self.tunnels
    }

    /// Resolves when the stream has to end, and tells why.
    pub(super) async fn over(self) -> Over {
        tokio::select! {
            () = self.session.ended() => Over::Session,
            () = self.tunnels.ending() => Over::Server,
        }
    }
}
