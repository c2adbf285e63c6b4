//! What the user reads when the workspace cannot be started or stopped.

use std::time::Duration;

use edge::problem::Problem;
use http::StatusCode;

use crate::servers::{ServerError, TooMuch};

impl From<ServerError> for Problem {
    fn from(error: ServerError) -> Self {
        let reason = error.reason();
        let refuse = |status, detail: String| Self::new(status, reason, TITLE).detail(detail);
        match error {
            ServerError::Full(full) => {
                let what = match full.what {
                    TooMuch::Starting => "start already",
                    TooMuch::Running => "run already",
                };
                refuse(
                    StatusCode::TOO_MANY_REQUESTS,
                    format!(
                        "As many workspaces as may {what}. Yours is number {} in the queue; ask \
                         again in time to keep the place.",
                        full.place
                    ),
                )
                .retry_after(full.retry_after)
            }
            ServerError::Image(error) => {
                refuse(StatusCode::FORBIDDEN, format!("{error}. An administrator keeps the list."))
            }
            ServerError::OtherImage(_) => refuse(
                StatusCode::CONFLICT,
                "Your workspace runs already, with another image or from an older template. Stop \
                 it first, or restart it."
                    .to_owned(),
            ),
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
            ServerError::Restless(name) => {
                refuse(StatusCode::CONFLICT, format!("{name} came and went. Try again."))
                    .retry_after(Duration::from_secs(1))
            }
            ServerError::HomeDeleting(_) => refuse(
                StatusCode::CONFLICT,
                "Your home is being deleted. Your workspace can be started, with a new home, as soon \
                 as it is gone."
                    .to_owned(),
            )
            .retry_after(Duration::from_secs(2)),
            ServerError::NotTheUsersHome(claim) => refuse(
                StatusCode::CONFLICT,
                format!(
                    "The claim {claim} is not yours: it lacks your label. An administrator has to \
                     label or to remove it."
                ),
            ),
            ServerError::NoHomes => refuse(
                StatusCode::NOT_FOUND,
                "In this installation a workspace keeps nothing when it stops, so there is no home \
                 to look at or to delete."
                    .to_owned(),
            ),
        }
    }
}

const TITLE: &str = "Your workspace cannot be started or stopped";
