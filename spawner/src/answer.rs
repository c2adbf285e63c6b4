//! What the user reads when the workspace cannot be started or stopped.

use std::time::Duration;

use edge::problem::Problem;
use http::StatusCode;

use crate::servers::ServerError;

impl From<ServerError> for Problem {
    fn from(error: ServerError) -> Self {
        let reason = error.reason();
        let refuse = |status, detail: String| Self::new(status, reason, TITLE).detail(detail);
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
