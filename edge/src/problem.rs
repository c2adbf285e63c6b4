//! Errors as `application/problem+json` (RFC 9457), for people and for programs: `code` is stable,
//! the texts are not. The spawner's API promises the same word as `reason`, and `retry_after_ms`; so
//! every program has them, and a client need not know who in the chain answered.

use std::time::Duration;

use axum::{
    body::Body,
    response::{IntoResponse, Response},
};
use http::{HeaderValue, StatusCode, header};

/// One error answer.
#[derive(Clone, Debug)]
pub struct Problem {
    status: StatusCode,
    code: &'static str,
    title: &'static str,
    detail: Option<String>,
    retry_after: Option<Duration>,
}

/// The members of RFC 9457 section 3.1, and ours.
#[derive(serde::Serialize)]
struct Document {
    #[serde(rename = "type")]
    kind: String,
    title: &'static str,
    status: u16,
    #[serde(skip_serializing_if = "Option::is_none")]
    detail: Option<String>,
    code: &'static str,
    reason: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    retry_after_ms: Option<u64>,
}

impl Problem {
    /// `code` is a stable snake_case word, one of a closed set; `title` says the same to a person in every case.
    #[must_use]
    pub fn new(status: StatusCode, code: &'static str, title: &'static str) -> Self {
        Self { status, code, title, detail: None, retry_after: None }
    }

    /// What was wrong this time, and what would help.
    #[must_use]
    pub fn detail(mut self, detail: impl Into<String>) -> Self {
        self.detail = Some(detail.into());
        self
    }

    /// When trying again makes sense: `Retry-After` in whole seconds, at least one.
    #[must_use]
    pub fn retry_after(mut self, delay: impl Into<Option<Duration>>) -> Self {
        self.retry_after = delay.into();
        self
    }

    /// The status of the answer.
    #[must_use]
    pub fn status(&self) -> StatusCode {
        self.status
    }

    /// What it says to a person in every case.
    #[must_use]
    pub fn title(&self) -> &'static str {
        self.title
    }

    /// What it says to a person this time, if there is more than the title.
    #[must_use]
    pub fn text(&self) -> Option<&str> {
        self.detail.as_deref()
    }

    /// When trying again makes sense.
    #[must_use]
    pub fn wait(&self) -> Option<Duration> {
        self.retry_after
    }

    /// The stable word, also for metrics.
    #[must_use]
    pub fn code(&self) -> &'static str {
        self.code
    }
}

/// The answer carries the problem as an extension too, for whoever words it for people.
impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let problem = self.clone();
        let document = Document {
            kind: format!("urn:openclaw:problem:{}", self.code),
            title: self.title,
            status: self.status.as_u16(),
            detail: self.detail,
            code: self.code,
            reason: self.code,
            retry_after_ms: self
                .retry_after
                .map(|delay| u64::try_from(delay.as_millis()).unwrap_or(u64::MAX)),
        };
        // Strings and numbers always serialize.
        let text = serde_json::to_vec(&document).unwrap_or_default();
        let mut response = Response::new(Body::from(text));
        *response.status_mut() = self.status;
        response.extensions_mut().insert(problem);
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
        if let Some(delay) = self.retry_after {
            headers.insert(header::RETRY_AFTER, delay.as_secs().max(1).into());
        }
        response
    }
}

/// An error answer with all texts given.
pub fn problem(
    status: StatusCode,
    code: &'static str,
    title: &'static str,
    detail: impl Into<String>,
) -> Response {
    Problem::new(status, code, title).detail(detail).into_response()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_problem_is_readable_by_people_and_programs() {
        let response = Problem::new(StatusCode::SERVICE_UNAVAILABLE, "upstream_down", "Not there")
            .detail("it is starting")
            .retry_after(Duration::from_millis(300))
            .into_response();
        assert_eq!(response.status(), StatusCode::SERVICE_UNAVAILABLE);
        assert_eq!(response.headers()[header::RETRY_AFTER], "1");
        assert_eq!(response.headers()[header::CONTENT_TYPE], "application/problem+json");
        let body = axum::body::to_bytes(response.into_body(), 1024).await.unwrap();
        let document: serde_json::Value = serde_json::from_slice(&body).unwrap();
        assert_eq!(
            document,
            serde_json::json!({
                "type": "urn:openclaw:problem:upstream_down",
                "title": "Not there",
                "status": 503,
                "code": "upstream_down",
                "reason": "upstream_down",
                "retry_after_ms": 300,
                "detail": "it is starting",
            })
        );
    }
}
