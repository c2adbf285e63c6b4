//! `POST /me/server/activity`: keeps a server awake, for an hour at most; whoever still works then
//! asks again.

use std::{sync::Arc, time::Duration};

use axum::extract::State;
use contract::{UserId, annotation};
use edge::problem::Problem;
use http::StatusCode;
use k8s_openapi::jiff::Timestamp;
use serde::Deserialize;
use serde_json::json;

use super::{Sent, body, whole};
use crate::{app::App, caller::Caller, cluster::Annotated, state::State as Stage};

/// The longest that one request keeps a server awake.
const LONGEST: Duration = Duration::from_secs(3600);
/// The longest reason, in characters.
const REASON_CHARS: usize = 200;

/// What keeps it awake.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct Activity {
    busy_until: Timestamp,
    #[serde(default)]
    reason: String,
}

/// The own server.
pub(crate) async fn keep_awake(
    State(app): State<Arc<App>>,
    caller: Caller,
    sent: Sent,
) -> Result<StatusCode, Problem> {
    keep(&app, caller.user(), caller.user(), sent).await
}

/// 204 when the pod says so; 409 when there is no pod to keep.
pub(super) async fn keep(
    app: &App,
    user: &UserId,
    by: &UserId,
    sent: Sent,
) -> Result<StatusCode, Problem> {
    let Activity { busy_until, reason } = body(&whole(sent)?)?;
    check(busy_until, &reason, Timestamp::now())?;
    let snapshot = app.snapshot(user)?;
    let state = snapshot.status().state;
    let pod = snapshot.pod.as_deref();
    let Some(pod) = pod.filter(|_| state == Stage::Ready || state.is_pending()) else {
        return Err(nothing_to_keep());
    };
    let annotations = json!({
        (annotation::BUSY_UNTIL): busy_until.to_string(),
        (annotation::BUSY_REASON): reason,
    });
    let done = app.cluster.annotate_pod(pod, None, &annotations).await;
    let done = done.map_err(crate::servers::ServerError::from)?;
    let outcome = if done == Annotated::Changed { "changed" } else { "kept" };
    tracing::info!(target: "audit", action = "busy", %user, %by, until = %busy_until, outcome);
    match done {
        Annotated::Yes(_) => Ok(StatusCode::NO_CONTENT),
        Annotated::Changed => Err(nothing_to_keep()),
    }
}

fn check(until: Timestamp, reason: &str, now: Timestamp) -> Result<(), Problem> {
    let latest = now.saturating_add(LONGEST).unwrap_or(Timestamp::MAX);
    if until <= now || until > latest {
        return Err(super::bad_body(format!(
            "`busyUntil` must lie in the next hour, up to {latest}; it is {until}."
        )));
    }
    if reason.chars().count() > REASON_CHARS || reason.chars().any(char::is_control) {
        return Err(super::bad_body(format!(
            "`reason` must be one line of at most {REASON_CHARS} characters."
        )));
    }
    Ok(())
}

fn nothing_to_keep() -> Problem {
    Problem::new(StatusCode::CONFLICT, "stopped", "There is nothing to keep awake")
        .detail("The workspace is not running.")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_next_hour_can_be_asked_for() {
        let now: Timestamp = "2026-11-23T12:00:00Z".parse().unwrap();
        let check = |until: &str, reason: &str| check(until.parse().unwrap(), reason, now).is_ok();
        assert!(check("2026-11-23T13:00:00Z", "nightly build"));
        assert!(check("2026-11-23T12:00:01Z", ""));
        assert!(!check("2026-11-23T13:00:01Z", ""));
        assert!(!check("2026-11-23T12:00:00Z", ""));
        assert!(!check("9999-12-30T00:00:00Z", ""));
        assert!(!check("2026-11-23T13:00:00Z", "two\nlines"));
        assert!(!check("2026-11-23T13:00:00Z", &"x".repeat(201)));
    }
}
