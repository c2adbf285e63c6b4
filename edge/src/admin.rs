//! What a server tells the kubelet and Prometheus, on a port of its own: `/livez`, `/readyz`,
//! `/metrics`.

use std::sync::Arc;

use axum::{
    Extension, Router,
    extract::State,
    response::{IntoResponse, Response},
    routing::get,
};
use http::{StatusCode, header};
use prometheus_client::{encoding::text::encode, registry::Registry};

use crate::{readiness::Readiness, shutdown::Shutdown};

/// Media type of [`prometheus_client`]'s text (OpenMetrics 1.0).
const OPENMETRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// The admin routes. A program merges its own into it.
///
/// Served by [`crate::serve::serve`], `/readyz` fails from the first signal on.
pub fn router(readiness: Readiness, registry: Arc<Registry>) -> Router {
    Router::new()
        .route("/livez", get(async || "ok\n"))
        .route("/readyz", get(readyz).with_state(readiness))
        .route("/metrics", get(metrics).with_state(registry))
}

/// 200 or 503, and a line per gate that says why.
async fn readyz(
    State(readiness): State<Readiness>,
    shutdown: Option<Extension<Shutdown>>,
) -> (StatusCode, String) {
    if shutdown.is_some_and(|Extension(shutdown)| shutdown.is_draining()) {
        return (StatusCode::SERVICE_UNAVAILABLE, "shutdown: draining\n".to_owned());
    }
    let snapshot = readiness.snapshot();
    let status = if snapshot.is_ready() { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    (status, format!("{snapshot}{}\n", if snapshot.is_ready() { "ready" } else { "not ready" }))
}

async fn metrics(State(registry): State<Arc<Registry>>) -> Response {
    let mut text = String::new();
    match encode(&mut text, &registry) {
        Ok(()) => ([(header::CONTENT_TYPE, OPENMETRICS)], text).into_response(),
        // Formatting into a String fails only when a metric's own encoder does.
        Err(std::fmt::Error) => StatusCode::INTERNAL_SERVER_ERROR.into_response(),
    }
}

#[cfg(test)]
mod tests {
    use axum::body::{Body, to_bytes};
    use http::Request;
    use prometheus_client::metrics::counter::Counter;
    use tower::ServiceExt;

    use super::*;

    async fn get(router: &Router, request: Request<Body>) -> (StatusCode, String) {
        let response = router.clone().oneshot(request).await.unwrap();
        let status = response.status();
        let body = to_bytes(response.into_body(), 4096).await.unwrap();
        (status, String::from_utf8(body.to_vec()).unwrap())
    }

    fn request(path: &str) -> Request<Body> {
        Request::get(path).body(Body::empty()).unwrap()
    }

    #[tokio::test]
    async fn readyz_names_what_is_missing() {
        let readiness = Readiness::new();
        let keys = readiness.gate("keys");
        let router = router(readiness, Arc::default());
        assert_eq!(get(&router, request("/livez")).await, (StatusCode::OK, "ok\n".to_owned()));
        let (status, text) = get(&router, request("/readyz")).await;
        assert_eq!((status.as_u16(), text.as_str()), (503, "keys: starting\nnot ready\n"));
        keys.ready();
        let (status, text) = get(&router, request("/readyz")).await;
        assert_eq!((status.as_u16(), text.as_str()), (200, "keys: ready\nready\n"));
    }

    #[tokio::test]
    async fn a_draining_server_is_not_ready() {
        let (trigger, shutdown) = Shutdown::manual();
        let router = router(Readiness::new(), Arc::default()).layer(Extension(shutdown));
        assert_eq!(get(&router, request("/readyz")).await.0, StatusCode::OK);
        trigger.drain();
        let (status, text) = get(&router, request("/readyz")).await;
        assert_eq!((status.as_u16(), text.as_str()), (503, "shutdown: draining\n"));
    }

    #[tokio::test]
    async fn metrics_are_openmetrics_text() {
        let mut registry = Registry::default();
        let seen = Counter::<u64>::default();
        registry.register("seen", "What was seen", seen.clone());
        seen.inc();
        let router = router(Readiness::new(), Arc::new(registry));
        let (_, text) = get(&router, request("/metrics")).await;
        assert_eq!(text, "# HELP seen What was seen.\n# TYPE seen counter\nseen_total 1\n# EOF\n");
    }
}
