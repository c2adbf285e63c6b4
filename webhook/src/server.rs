//! `POST /mutate`: what HTTP adds to a review, and nothing else.

use std::sync::Arc;

use arc_swap::ArcSwap;
use axum::{
    Router,
    body::Body,
    extract::State,
    response::{IntoResponse, Response},
    routing::post,
};
use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Request, StatusCode, header};
use http_body_util::{BodyExt, LengthLimitError, Limited};
use tokio::{
    sync::Semaphore,
    time::{Duration, Instant},
};

use crate::{
    config::Config,
    metrics::Metrics,
    review::{self, Answer},
};

/// Path that the MutatingWebhookConfiguration names.
pub const PATH: &str = "/mutate";
/// The API server takes objects of 3 MiB; an update carries two, and the envelope is small.
pub const MAX_BODY: usize = 7 * 1024 * 1024;
/// Admissions at once. Each may hold a body in memory; more are told to come back, which the API
/// server does by its own timeout and the client's retry.
const MAX_AT_ONCE: usize = 64;
/// How long a body may take. The API server gives up after its `timeoutSeconds`, 30 at most.
const BODY_TIMEOUT: Duration = Duration::from_secs(30);

/// What every request sees.
#[derive(Debug)]
pub struct App {
    /// The configuration now: a request keeps the one it began with.
    pub config: Arc<ArcSwap<Config>>,
    pub metrics: Metrics,
    places: Semaphore,
}

impl App {
    /// An app for `config`.
    #[must_use]
    pub fn new(config: Arc<ArcSwap<Config>>, metrics: Metrics) -> Self {
        Self { config, metrics, places: Semaphore::new(MAX_AT_ONCE) }
    }
}

/// The routes of the TLS port.
pub fn router(app: Arc<App>) -> Router {
    let wrong_method = {
        let app = Arc::clone(&app);
        move || async move { app.refuse(StatusCode::METHOD_NOT_ALLOWED, "only POST is answered here") }
    };
    let elsewhere = {
        let app = Arc::clone(&app);
        move || async move { app.refuse(StatusCode::NOT_FOUND, "admissions are at /mutate") }
    };
    Router::new()
        .route(PATH, post(mutate).fallback(wrong_method))
        .fallback(elsewhere)
        .with_state(app)
}

async fn mutate(State(app): State<Arc<App>>, request: Request<Body>) -> Response {
    let Ok(_place) = app.places.try_acquire() else {
        let text = "too many admissions at once";
        let mut response = app.refuse(StatusCode::TOO_MANY_REQUESTS, text);
        response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from_static("1"));
        return response;
    };
    let _in_flight = app.metrics.begin();
    match body(request).await {
        Ok(body) => app.answer(&body),
        Err((status, text)) => app.refuse(status, text),
    }
}

/// The whole body, or what is wrong with the request before anything of it is understood.
async fn body(request: Request<Body>) -> Result<Bytes, (StatusCode, &'static str)> {
    const TOO_LARGE: (StatusCode, &str) =
        (StatusCode::PAYLOAD_TOO_LARGE, "the body is larger than 7 MiB");
    if !is_json(request.headers()) {
        let text = "the content type must be application/json";
        return Err((StatusCode::UNSUPPORTED_MEDIA_TYPE, text));
    }
    let announced = request.headers().get(header::CONTENT_LENGTH);
    let announced = announced.and_then(|length| length.to_str().ok()?.parse::<usize>().ok());
    if announced.is_some_and(|length| length > MAX_BODY) {
        return Err(TOO_LARGE);
    }
    let collected = Limited::new(request.into_body(), MAX_BODY).collect();
    match tokio::time::timeout(BODY_TIMEOUT, collected).await {
        Ok(Ok(body)) => Ok(body.to_bytes()),
        Ok(Err(error)) if error.is::<LengthLimitError>() => Err(TOO_LARGE),
        Ok(Err(_broken)) => Err((StatusCode::BAD_REQUEST, "the body ended early")),
        Err(_elapsed) => Err((StatusCode::REQUEST_TIMEOUT, "the body took too long")),
    }
}

fn is_json(headers: &HeaderMap) -> bool {
    let content_type = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok());
    let media_type = content_type.and_then(|text| text.split(';').next()).unwrap_or_default();
    media_type.trim().eq_ignore_ascii_case("application/json")
}

impl App {
    fn answer(&self, body: &[u8]) -> Response {
        let began = Instant::now();
        let answer = match review::answer(body, &self.config.load()) {
            Ok(answer) => answer,
            Err(error) => return self.refuse(StatusCode::BAD_REQUEST, &error.to_string()),
        };
        let response = axum::Json(&answer.review).into_response();
        let elapsed = began.elapsed();
        self.metrics.answered(answer.verdict.reason, elapsed.as_secs_f64(), body.len());
        log(&answer, elapsed);
        response
    }

    /// An answer in words to what is no admission. In plain text: of any other type the API server
    /// shows its user nothing but "unknown" (client-go, newUnstructuredResponseError).
    fn refuse(&self, status: StatusCode, text: &str) -> Response {
        self.metrics.refused(status);
        tracing::warn!(status = status.as_u16(), text, "refused");
        (status, format!("{text}\n")).into_response()
    }
}

/// How much of what somebody else chose goes into a line of the log, in characters. Names of objects
/// are at most 253 long.
const SHOWN: usize = 256;

/// One line an admission. Never the object: it may hold what nobody should read.
fn log(answer: &Answer, elapsed: Duration) {
    let Answer { request, verdict, review: _ } = answer;
    let shown = |text: &str| text.chars().take(SHOWN).collect::<String>();
    tracing::info!(
        uid = shown(&request.uid),
        namespace = shown(&request.namespace),
        name = shown(&request.name),
        dry_run = request.dry_run,
        decision = verdict.reason.outcome().as_str(),
        reason = verdict.codes().join(","),
        operations = verdict.operations.len(),
        warnings = verdict.warnings.len(),
        seconds = elapsed.as_secs_f64(),
        "admission"
    );
}
