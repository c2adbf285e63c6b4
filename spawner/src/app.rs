//! The spawner's routes. Only `/-/` is its own; every other path, also `/healthz` or `/api`, belongs
//! to the caller's own pod, so that any image works without rewriting.

use std::{fmt, sync::Arc, time::Duration};

use axum::{
    Router,
    extract::FromRequestParts,
    middleware::map_response,
    response::{IntoResponse, Response},
    routing::get,
};
use contract::UserId;
use edge::{
    oidc::{Rejection, Token, UnixTime, Verified, Verifier},
    problem::Problem,
    proxy::Upstream,
};
use http::{HeaderValue, StatusCode, header, request::Parts};
use tokio::sync::Semaphore;

use crate::{
    api,
    metrics::Metrics,
    model::{API, MY_PROGRESS, MY_SERVER},
    progress, proxy,
    servers::Servers,
    watch::{Pods, Snapshot},
};

/// What a client should wait for a replica that has only just begun.
const WARM_UP: Duration = Duration::from_secs(1);

/// Everything that a request may need.
pub struct App {
    /// Says who asks.
    pub verifier: Arc<Verifier>,
    /// Starts and stops.
    pub servers: Servers,
    /// Knows what there is.
    pub pods: Pods,
    /// How pods are reached; only the address changes from pod to pod.
    pub upstream: Upstream,
    /// Where a pod's sidecar listens: [`contract::port::SIDECAR_DATA`], and another port in tests.
    pub sidecar_port: u16,
    /// The longest that a request waits for a start or a stop.
    pub start_timeout: Duration,
    /// A permit for each request that may wait.
    pub places: Semaphore,
    /// What is counted.
    pub metrics: Metrics,
}

/// Who asks, by a verified token. An extractor: a handler that takes one is not reached without.
#[derive(Debug)]
pub struct Caller {
    /// The `Authorization` to pass on to the sidecar. Sensitive: it does not print.
    pub authorization: HeaderValue,
    /// What it says.
    pub verified: Verified,
}

/// The routes. Needs no socket, so tests can call it as it is.
pub fn router(app: App) -> Router {
    Router::new()
        .route(&format!("{API}/version"), get(api::version))
        .route(&format!("{API}/me"), get(api::me))
        .route(MY_SERVER, get(api::show_server).post(api::start_server).delete(api::stop_server))
        .route(MY_PROGRESS, get(progress::stream))
        .route_layer(map_response(not_stored))
        .method_not_allowed_fallback(wrong_method)
        .fallback(proxy::to_own_pod)
        .with_state(Arc::new(app))
}

impl App {
    /// What is known about `user`'s pod. Refuses as long as nothing is known about any.
    pub(crate) fn snapshot(&self, user: &UserId) -> Result<Snapshot, Problem> {
        self.pods.of(user).ok_or_else(|| {
            let detail = "This replica has only just started and does not know the workspaces yet.";
            Problem::new(StatusCode::SERVICE_UNAVAILABLE, "warming_up", "Not yet")
                .detail(detail)
                .retry_after(WARM_UP)
        })
    }

    async fn authenticate(&self, parts: &Parts) -> Result<Caller, Rejection> {
        let token = Token::from_headers(&parts.headers)?;
        let verified = self.verifier.verify(&token).await?;
        let mut authorization = HeaderValue::try_from(format!("Bearer {}", token.expose()))
            .map_err(|_| Rejection::MalformedToken)?;
        authorization.set_sensitive(true);
        Ok(Caller { authorization, verified })
    }
}

impl Caller {
    /// The user who asks.
    #[must_use]
    pub fn user(&self) -> &UserId {
        &self.verified.user
    }

    /// How long the token is still good for.
    pub(crate) fn time_left(&self) -> Duration {
        UnixTime::now().until(self.verified.expires_at)
    }
}

impl FromRequestParts<Arc<App>> for Caller {
    type Rejection = Response;

    async fn from_request_parts(parts: &mut Parts, app: &Arc<App>) -> Result<Self, Response> {
        app.authenticate(parts).await.map_err(|rejection| {
            app.metrics.refused_token(rejection.reason());
            tracing::debug!(reason = rejection.reason(), %rejection, "token refused");
            rejection.into_response()
        })
    }
}

/// What is true now is not true later: nothing of the API is kept by a browser or a proxy.
async fn not_stored(mut response: Response) -> Response {
    let headers = response.headers_mut();
    headers.entry(header::CACHE_CONTROL).or_insert(HeaderValue::from_static("no-store"));
    response
}

async fn wrong_method() -> Problem {
    Problem::new(
        StatusCode::METHOD_NOT_ALLOWED,
        "method_not_allowed",
        "This method is not allowed here",
    )
    .detail("The Allow header names those that are.")
}

impl fmt::Debug for App {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("App").field("pods", &self.pods).finish_non_exhaustive()
    }
}
