//! WebSocket by HTTP/1.1 upgrade. The upstream decides: only after its 101 does the client get one,
//! and only then do bytes flow that nobody parses (Pingora's CVE-2026-2833 was the other order).

use axum::{body::Body, response::Response};
use http::{HeaderMap, HeaderValue, Request, StatusCode, header};
use hyper::upgrade::OnUpgrade;
use hyper_util::rt::TokioIo;

use super::{
    Fault, Upstream,
    forward::{Life, incoming, outgoing, send},
    headers,
    request::lists_upgrade,
    tunnel,
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
    let mut request = outgoing(request, upstream, edit)?;
    ask_for_websocket(request.headers_mut());
    let mut response = send(upstream, request).await?;
    if response.status() != StatusCode::SWITCHING_PROTOCOLS {
        return Ok(incoming(response, life));
    }
    if !is_websocket(response.headers()) {
        return Err(Fault::Protocol);
    }
    let server = hyper::upgrade::on(&mut response);
    life.tunnels().clone().spawn(join(client, server, life));
    Ok(switching(response))
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

fn ask_for_websocket(headers: &mut HeaderMap) {
    headers.insert(header::CONNECTION, UPGRADE);
    headers.insert(header::UPGRADE, WEBSOCKET);
}

fn is_websocket(headers: &HeaderMap) -> bool {
    let mut protocols = headers.get_all(header::UPGRADE).iter();
    let websocket = protocols
        .next()
        .is_some_and(|protocol| protocol.as_bytes().eq_ignore_ascii_case(b"websocket"));
    websocket && protocols.next().is_none() && lists_upgrade(headers)
}

/// Both ends have switched once the client has its 101. A client that went away meanwhile ends it.
async fn join(client: OnUpgrade, server: OnUpgrade, life: Life) {
    match tokio::try_join!(client, server) {
        Ok((client, server)) => tunnel::run(TokioIo::new(client), TokioIo::new(server), life).await,
        Err(error) => tracing::debug!(%error, "upgrade not completed"),
    }
}
