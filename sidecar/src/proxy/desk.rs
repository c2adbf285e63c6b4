//! What the spawner asks and tells, on the admin port. Others in the pod network may reach that too:
//! a logout is believed for its signature alone, a token for what it says, as at the gate, and the
//! activity holds no secret.

use std::sync::Arc;

use axum::{
    Form, Json, Router,
    extract::{DefaultBodyLimit, State, rejection::FormRejection},
    response::{IntoResponse, Response},
    routing::{get, post},
};
use contract::{UserId, path};
use edge::{
    activity::{Activity, ActivityReport},
    oidc::{LogoutRejection, Rejection, Token, UnixTime, Verifier},
    problem::Problem,
    sessions::Sessions,
    sleep::Agreement,
};
use http::{HeaderMap, HeaderValue, StatusCode, header};
use serde::Deserialize;

use super::metrics::GateMetrics;
use crate::openclaw::Suspension;

/// The part of the admin port that is about the user's sessions.
#[derive(Debug)]
pub(super) struct Desk {
    /// The `aud` of a logout token.
    pub(super) client: String,
    /// Whose tokens extend streams.
    pub(super) user: UserId,
    pub(super) verifier: Arc<Verifier>,
    pub(super) sessions: Arc<Sessions>,
    pub(super) activity: Activity,
    pub(super) suspension: Arc<Suspension>,
    pub(super) metrics: GateMetrics,
}

/// OpenID Connect Back-Channel Logout 1.0 section 2.5. What else is in the form is not for us.
#[derive(Deserialize)]
struct LogoutRequest {
    logout_token: String,
}

/// A form with the longest token that is looked at, and a little beside it.
///
/// There is no limit on the rate: whoever used it up could hold off the issuer's own logout. A token
/// costs about as much as reading its request, and fetching keys for it is rationed.
const MAX_FORM: usize = Token::MAX_BYTES + 1024;

impl Desk {
    pub(super) fn router(self) -> Router {
        Router::new()
            .route(path::ACTIVITY, get(tell_activity))
            .route(path::SESSION, post(extend))
            .route(path::SLEEP, post(prepare_sleep).delete(go_on))
            .route(path::BACKCHANNEL_LOGOUT, post(log_out))
            .layer(DefaultBodyLimit::max(MAX_FORM))
            .with_state(Arc::new(self))
    }

    /// Extends the streams of the session whose token this is, as a request with it would.
    async fn extend(&self, headers: &HeaderMap) -> Result<(), Rejection> {
        let verified = self.verifier.verify(&Token::from_headers(headers)?).await?;
        self.sessions.admit(verified.of(&self.user)?, UnixTime::now()).map(drop)
    }

    /// Ends the sessions that the token names, and refuses their tokens from now on.
    async fn log_out(&self, token: &str) -> Result<(), LogoutRejection> {
        let verdict = match Token::from_text(token) {
            Ok(token) => self.verifier.verify_logout(&token, &self.client).await,
            Err(malformed) => Err(malformed.into()),
        };
        self.metrics.count_logout(&verdict);
        let sessions = self.sessions.log_out(&verdict?, UnixTime::now());
        tracing::info!(sessions, "logged out by the issuer");
        Ok(())
    }
}

async fn tell_activity(State(desk): State<Arc<Desk>>) -> Json<ActivityReport> {
    Json(desk.activity.report())
}

/// Whoever asks can hold up what the runtime would begin by itself, for two minutes; no client, because
/// the gate lets the runtime go on first.
async fn prepare_sleep(State(desk): State<Arc<Desk>>) -> Json<Agreement> {
    // A task of its own: whoever asked may go away, and what has begun must still be known here.
    let asking = tokio::spawn(async move { desk.suspension.prepare().await });
    Json(asking.await.unwrap_or(Agreement::Silent))
}

async fn go_on(State(desk): State<Arc<Desk>>) -> StatusCode {
    desk.suspension.resume().await;
    StatusCode::NO_CONTENT
}

/// 204, or what the gate would say.
async fn extend(State(desk): State<Arc<Desk>>, headers: HeaderMap) -> Response {
    let verdict = desk.extend(&headers).await;
    desk.metrics.count(&verdict);
    match verdict {
        Ok(()) => StatusCode::NO_CONTENT.into_response(),
        Err(rejection) => {
            let reason = rejection.reason();
            tracing::info!(reason, detail = %rejection, "no stream is extended");
            rejection.into_response()
        }
    }
}

/// Section 2.8: 200 also when there was nothing to end, 400 for what is not believed; never cached.
async fn log_out(
    State(desk): State<Arc<Desk>>,
    form: Result<Form<LogoutRequest>, FormRejection>,
) -> Response {
    let mut response = match form {
        Ok(Form(LogoutRequest { logout_token })) => match desk.log_out(&logout_token).await {
            Ok(()) => StatusCode::OK.into_response(),
            Err(rejection) => {
                tracing::warn!(reason = rejection.reason(), detail = %rejection, "logout refused");
                rejection.into_response()
            }
        },
        Err(malformed) => {
            tracing::warn!(reason = "malformed_form", detail = %malformed, "logout refused");
            Problem::new(StatusCode::BAD_REQUEST, "invalid_request", "The logout is malformed")
                .detail("a form with one `logout_token` of at most 16 KiB is expected")
                .into_response()
        }
    };
    let no_store = HeaderValue::from_static("no-store");
    response.headers_mut().insert(header::CACHE_CONTROL, no_store);
    response
}
