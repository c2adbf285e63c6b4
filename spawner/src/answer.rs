//! Errors as problem+json (RFC 9457) with what the spawner's API promises on top: a stable `reason`
//! and `retry_after_ms`.

use std::time::Duration;

use axum::{
    body::Body,
    response::{IntoResponse, Response},
};
use http::{HeaderValue, StatusCode, header};
use serde_json::json;

use crate::servers::ServerError;

/// A request that the spawner does not do, or not now.
#[derive(Clone, Debug)]
pub struct Refused {
    status: StatusCode,
    reason: &'static str,
    title: &'static str,
    detail: String,
    retry_after: Option<Duration>,
}

impl Refused {
    /// `reason` is stable and one of a closed set; `detail` says what would help.
    #[must_use]
    pub fn new(
        status: StatusCode,
        reason: &'static str,
        title: &'static str,
        detail: impl Into<String>,
    ) -> Self {
        Self { status, reason, title, detail: detail.into(), retry_after: None }
    }

    /// When trying again makes sense.
    #[must_use]
    pub fn retry_after(mut self, delay: impl Into<Option<Duration>>) -> Self {
        self.retry_after = delay.into();
        self
    }

    /// The stable word, also for metrics.
    #[must_use]
    pub fn reason(&self) -> &'static str {
        self.reason
    }
}

impl IntoResponse for Refused {
    fn into_response(self) -> Response {
        let Self { status, reason, title, detail, retry_after } = self;
        let mut document = json!({
            "type": format!("urn:openclaw:problem:{reason}"),
            "title": title,
            "status": status.as_u16(),
            "code": reason,
            "reason": reason,
            "detail": detail,
        });
        if let (Some(delay), Some(fields)) = (retry_after, document.as_object_mut()) {
            let millis = u64::try_from(delay.as_millis()).unwrap_or(u64::MAX);
            fields.insert("retry_after_ms".to_owned(), millis.into());
        }
        let mut response = Response::new(Body::from(document.to_string()));
        *response.status_mut() = status;
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
        if let Some(delay) = retry_after {
            headers.insert(header::RETRY_AFTER, delay.as_secs().max(1).into());
        }
        response
    }
}

impl From<ServerError> for Refused {
    fn from(error: ServerError) -> Self {
        let reason = error.reason();
        let refuse = |status, detail| Self::new(status, reason, TITLE, detail);
        match error {
            ServerError::Fault(fault) => {
                refuse(fault.refusal().status(), fault.message()).retry_after(fault.retry_after())
            }
            ServerError::Template(fault) => refuse(
                StatusCode::INTERNAL_SERVER_ERROR,
                format!("The template for workspaces is wrong: {fault}."),
            ),
            ServerError::NoRandom(fault) => {
                refuse(StatusCode::SERVICE_UNAVAILABLE, format!("{fault}."))
                    .retry_after(Duration::from_secs(2))
            }
            ServerError::NotTheUsers(pod) => refuse(
                StatusCode::CONFLICT,
                format!(
                    "The pod {pod} is not yours: it lacks your label. An administrator has to \
                     delete or rename it."
                ),
            ),
            ServerError::Restless(pod) => refuse(
                StatusCode::CONFLICT,
                format!("The pod {pod} came and went while it was looked at. Try again."),
            )
            .retry_after(Duration::from_secs(1)),
        }
    }
}

const TITLE: &str = "Your workspace cannot be started or stopped";
