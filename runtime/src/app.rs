use axum::{
    Extension, Router,
    body::Body,
    extract::State,
    response::{IntoResponse, Response},
    routing::{any, get},
};
use edge::{problem::problem, shutdown::Shutdown};
use http::{Request, StatusCode, header};

use crate::{newapi::NewApi, page, socket};

const JSON: [(header::HeaderName, &str); 1] = [(header::CONTENT_TYPE, "application/json")];

/// All routes. `/healthz` and `/readyz` answer JSON, because OpenClaw answers unknown paths with
/// 200 and a page, and one probe should fit both.
pub fn app(newapi: NewApi) -> Router {
    Router::new()
        .route("/", get(page::chat))
        .route("/healthz", get(async || (JSON, r#"{"ok":true}"#)))
        .route("/readyz", get(readyz))
        .route("/v1", any(to_newapi))
        .route("/v1/{*path}", any(to_newapi))
        .route("/ws", any(socket::chat))
        .fallback(unknown)
        .with_state(newapi)
}

/// Ready from the start, until the program is asked to stop. Whether NewAPI answers is not asked:
/// an outage there is no reason to take the user's pod out of service.
async fn readyz(shutdown: Option<Extension<Shutdown>>) -> Response {
    if shutdown.is_some_and(|Extension(shutdown)| shutdown.is_draining()) {
        return (StatusCode::SERVICE_UNAVAILABLE, JSON, r#"{"ready":false}"#).into_response();
    }
    (JSON, r#"{"ready":true}"#).into_response()
}

async fn to_newapi(State(newapi): State<NewApi>, request: Request<Body>) -> Response {
    newapi.forward(request).await
}

async fn unknown() -> Response {
    let served = "this runtime serves /, /healthz, /readyz, /ws and /v1/*";
    problem(StatusCode::NOT_FOUND, "not_found", "No such path", served)
}
