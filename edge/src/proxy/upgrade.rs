//! WebSocket by HTTP/1.1 upgrade, or by an extended CONNECT over HTTP/2 that becomes one. The upstream
//! decides: only after its 101 does the client get one,
//! and only then do bytes flow that nobody parses (Pingora's CVE-2026-2833 was the other order).

use axum::{body::Body, response::Response};
use http::{HeaderMap, HeaderValue, Method, Request, StatusCode, header};
use hyper::upgrade::OnUpgrade;
use hyper_util::rt::TokioIo;

use super::{
    Fault, Upstream,
    forward::{Life, incoming, outgoing},
    headers,
    opening::Opening,
    request::lists_upgrade,
    send::send,
    tunnel,
    websocket_key::WebSocketKey,
};

const WEBSOCKET: HeaderValue = HeaderValue::from_static("websocket");
const UPGRADE: HeaderValue = HeaderValue::from_static("upgrade");

pub(super) async fn forward(
    mut request: Request<Body>,
    upstream: &Upstream,
    edit: impl FnOnce(&mut HeaderMap),
    life: Life,
) -> Result<Response, Fault> {
    let client = hyper::upgrade::on(&mut request);
    let over_http_2 = request.method() == Method::CONNECT;
    let mut request = outgoing(request, upstream, edit)?;
    let key = if over_http_2 { Some(as_handshake(&mut request)?) } else { None };
    ask_for_websocket(request.headers_mut());
    let mut response = send(upstream, request).await?;
    if response.status() != StatusCode::SWITCHING_PROTOCOLS {
        return Ok(incoming(response, life));
    }
    if !is_websocket(response.headers()) || key.is_some_and(|key| !is_answered(&key, &response)) {
        return Err(Fault::Protocol);
    }
    let server = hyper::upgrade::on(&mut response);
    let opening = Opening::new(upstream.first_message());
    life.tunnels().clone().spawn(join(client, server, opening, life));
    Ok(if over_http_2 { opened(response) } else { switching(response) })
}

/// Makes an extended CONNECT (RFC 8441 section 5) the handshake that an HTTP/1.1 upstream knows.
fn as_handshake(request: &mut Request<Body>) -> Result<WebSocketKey, Fault> {
    let key = WebSocketKey::new().ok_or(Fault::Unreachable)?;
    *request.method_mut() = Method::GET;
    let value = key.header().ok_or(Fault::Unreachable)?;
    request.headers_mut().insert(header::SEC_WEBSOCKET_KEY, value);
    Ok(key)
}

pub(super) fn is_answered(key: &WebSocketKey, response: &Response) -> bool {
    let mut accepts = response.headers().get_all(header::SEC_WEBSOCKET_ACCEPT).iter();
    accepts.next().is_some_and(|accept| key.is_answered_by(accept)) && accepts.next().is_none()
}

/// The 200 by which a WebSocket over HTTP/2 begins.
fn opened(mut response: Response) -> Response {
    headers::to_client(response.headers_mut());
    response.headers_mut().remove(header::SEC_WEBSOCKET_ACCEPT);
    response.headers_mut().remove(header::CONTENT_LENGTH);
    let mut answer = Response::new(Body::empty());
    *answer.headers_mut() = std::mem::take(response.headers_mut());
    answer
}

/// The 101 for the client: the upstream's, with our own connection's fields.
fn switching(mut response: Response) -> Response {
    headers::to_client(response.headers_mut());
    ask_for_websocket(response.headers_mut());
    let mut answer = Response::new(Body::empty());
    *answer.status_mut() = StatusCode::SWITCHING_PROTOCOLS;
    *answer.headers_mut() = std::mem::take(response.headers_mut());
    answer
}

pub(super) fn ask_for_websocket(headers: &mut HeaderMap) {
    headers.insert(header::CONNECTION, UPGRADE);
    headers.insert(header::UPGRADE, WEBSOCKET);
}

pub(super) fn is_websocket(headers: &HeaderMap) -> bool {
    let mut protocols = headers.get_all(header::UPGRADE).iter();
    let websocket = protocols
        .next()
        .is_some_and(|protocol| protocol.as_bytes().eq_ignore_ascii_case(b"websocket"));
    websocket && protocols.next().is_none() && lists_upgrade(headers)
}

/// Both ends have switched once the client has its 101. A client that went away meanwhile ends it.
async fn join(client: OnUpgrade, server: OnUpgrade, opening: Opening, life: Life) {
    match tokio::try_join!(client, server) {
        Ok((client, server)) => {
            tunnel::run(TokioIo::new(client), TokioIo::new(server), opening, life).await;
        }
        Err(error) => tracing::debug!(%error, "upgrade not completed"),
    }
}
