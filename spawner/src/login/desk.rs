//! Tells the sidecar of a user something about the user's sessions, on its admin port.

use std::{net::SocketAddr, time::Duration};

use axum::{body::Body, extract::Request};
use contract::UserId;
use edge::proxy::{Session, forward};
use http::{HeaderValue, Method, Uri, header};

use crate::app::App;

/// How long a sidecar may take.
const PATIENCE: Duration = Duration::from_secs(3);

/// Posts `request` to `path`, if there is a sidecar. What it cannot be told is in the log.
pub(super) async fn tell(app: &App, user: &UserId, path: &'static str, mut request: Request<Body>) {
    let Some(ip) = app.pods.of(user).and_then(|snapshot| snapshot.pod.as_ref()?.ip) else {
        return;
    };
    // An address is always a valid authority.
    let Ok(admin) = SocketAddr::new(ip, app.sidecar_admin_port).to_string().parse() else { return };
    *request.method_mut() = Method::POST;
    *request.uri_mut() = Uri::from_static(path);
    request.headers_mut().insert(header::HOST, HeaderValue::from_static("sidecar"));
    let authorization = request.headers().get(header::AUTHORIZATION).cloned();
    let edit = |headers: &mut http::HeaderMap| {
        if let Some(authorization) = authorization {
            headers.insert(header::AUTHORIZATION, authorization);
        }
    };
    let upstream = app.upstream.at(admin);
    let telling = forward(request, &upstream, edit, Session::unbounded());
    match tokio::time::timeout(PATIENCE, telling).await {
        Ok(answer) if answer.status().is_success() => {}
        Ok(answer) => tracing::warn!(path, status = %answer.status(), "a sidecar refuses"),
        Err(_) => tracing::warn!(path, "a sidecar does not answer"),
    }
}
