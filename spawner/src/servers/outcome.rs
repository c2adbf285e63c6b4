//! What became of a start: told once, by the replica that created the pod.

use std::time::Duration;

use contract::UserId;
use tokio::time::Instant;

use crate::{
    metrics::Metrics,
    state::State,
    watch::{Follower, Snapshot},
};

/// How long a start is observed. One that takes longer is told as such.
const OBSERVED: Duration = Duration::from_secs(600);

/// Follows the pod with this `uid` until it is ready, has failed or is gone; then counts and logs it.
pub(super) async fn observe(user: UserId, uid: String, mut follower: Follower, metrics: Metrics) {
    let begun = Instant::now();
    let over = |seen: &Snapshot| {
        !seen.is_pod(&uid)
            || matches!(seen.status().state, State::Ready | State::Failed)
            || seen.status().state.is_ending()
    };
    let seen = follower.until(OBSERVED, over).await;
    let outcome = name(&seen, &uid);
    let took = begun.elapsed();
    metrics.start_ended(outcome, took);
    let seconds = took.as_secs_f64();
    if outcome == "ready" {
        tracing::info!(target: "audit", action = "started", %user, outcome, seconds);
    } else {
        let message = seen.status().message;
        tracing::warn!(target: "audit", action = "started", %user, outcome, seconds, message);
    }
}

/// A closed set: it is a metric label.
fn name(seen: &Snapshot, uid: &str) -> &'static str {
    let status = seen.status();
    match (status.state, status.reason) {
        _ if !seen.is_pod(uid) => "called_off",
        (State::Ready, _) => "ready",
        (state, _) if state.is_ending() => "called_off",
        (_, Some(reason)) => reason.name(),
        (_, None) => "too_slow",
    }
}
