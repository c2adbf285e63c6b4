use std::time::Duration;

use axum::response::{IntoResponse, Response};
use http::StatusCode;

use crate::problem::Problem;

/// When a client should try an upstream again that was not listening.
const RETRY_AFTER: Duration = Duration::from_secs(1);

/// Why the upstream gave no answer. It is an extension of the response too, so that a caller can
/// count it, or forget an address that nobody answers at.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Fault {
    /// Nobody listens: it is starting, or it has ended.
    #[error("the upstream is not listening")]
    Refused,
    /// No connection for another reason: no route, no name, no TLS, or no answer in time.
    #[error("the upstream cannot be reached")]
    Unreachable,
    /// The connection broke before the answer.
    #[error("the upstream ended the connection without an answer")]
    Broken,
    /// No answer in time.
    #[error("the upstream gave no answer in time")]
    TimedOut,
    /// The client broke off its own request, or its body was none.
    #[error("the request's body is broken")]
    ClientBroken,
    /// The client's body came too slowly.
    #[error("the request's body came too slowly")]
    ClientTimedOut,
    /// An answer that does not fit the request.
    #[error("the upstream switched to a protocol that nobody asked for")]
    Protocol,
    /// With the upstream's prefix the target is longer than a URI can be.
    #[error("the request target is too long for the upstream")]
    Target,
}

impl Fault {
    /// A stable word for logs, metrics and the response's `code`.
    #[must_use]
    pub fn code(self) -> &'static str {
        match self {
            Self::Refused => "upstream_refused",
            Self::Unreachable => "upstream_unreachable",
            Self::Broken => "upstream_broken",
            Self::TimedOut => "upstream_timeout",
            Self::ClientBroken => "bad_body",
            Self::ClientTimedOut => "body_timeout",
            Self::Protocol => "upstream_protocol",
            Self::Target => "target_too_long",
        }
    }

    /// Whether the upstream is not to blame.
    #[must_use]
    pub fn is_the_clients(self) -> bool {
        matches!(self, Self::ClientBroken | Self::ClientTimedOut | Self::Target)
    }

    fn status(self) -> StatusCode {
        match self {
            Self::Refused => StatusCode::SERVICE_UNAVAILABLE,
            Self::Target => StatusCode::URI_TOO_LONG,
            Self::TimedOut => StatusCode::GATEWAY_TIMEOUT,
            Self::ClientBroken => StatusCode::BAD_REQUEST,
            Self::ClientTimedOut => StatusCode::REQUEST_TIMEOUT,
            Self::Unreachable | Self::Broken | Self::Protocol => StatusCode::BAD_GATEWAY,
        }
    }
}

impl IntoResponse for Fault {
    fn into_response(self) -> Response {
        let title =
            if self.is_the_clients() { "Request refused" } else { "No answer from the upstream" };
        let mut problem = Problem::new(self.status(), self.code(), title).detail(self.to_string());
        if self == Self::Refused {
            problem = problem.retry_after(RETRY_AFTER);
        }
        let mut response = problem.into_response();
        response.extensions_mut().insert(self);
        response
    }
}
