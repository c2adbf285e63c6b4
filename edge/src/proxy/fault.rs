use std::{error::Error, io, time::Duration};

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
            Self::Protocol => "upstream_protocol",
            Self::Target => "target_too_long",
        }
    }

    fn status(self) -> StatusCode {
        match self {
            Self::Refused => StatusCode::SERVICE_UNAVAILABLE,
            Self::Target => StatusCode::URI_TOO_LONG,
            Self::Unreachable | Self::Broken | Self::Protocol => StatusCode::BAD_GATEWAY,
        }
    }
}

impl From<&hyper_util::client::legacy::Error> for Fault {
    fn from(error: &hyper_util::client::legacy::Error) -> Self {
        match (error.is_connect(), was_refused(error)) {
            (true, true) => Self::Refused,
            (true, false) => Self::Unreachable,
            (false, _) => Self::Broken,
        }
    }
}

fn was_refused(error: &dyn Error) -> bool {
    let causes = std::iter::successors(error.source(), |error| (*error).source());
    causes
        .filter_map(|error| error.downcast_ref::<io::Error>())
        .any(|error| error.kind() == io::ErrorKind::ConnectionRefused)
}

impl IntoResponse for Fault {
    fn into_response(self) -> Response {
        let mut problem = Problem::new(self.status(), self.code(), "No answer from the upstream")
            .detail(self.to_string());
        if self == Self::Refused {
            problem = problem.retry_after(RETRY_AFTER);
        }
        let mut response = problem.into_response();
        response.extensions_mut().insert(self);
        response
    }
}
