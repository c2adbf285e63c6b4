//! What a user is told about sleep: what keeps the workspace awake, and when it may end.

use std::time::Duration;

use edge::activity::ActivityReport;
use k8s_openapi::jiff::Timestamp;
use serde::Serialize;

use super::decide::{Asked, Policy, Verdict, Why, decide};
use crate::pod::PodView;

/// What is known about the end of a workspace.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Outlook {
    /// Not before this time. `None`: nothing ends it, or it is not known.
    pub stops_at: Option<Timestamp>,
    /// What was done last.
    pub activity: Option<Activity>,
}

/// What keeps, or last kept, a workspace awake.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Activity {
    /// `http`, `ws` or `busy`.
    pub kind: &'static str,
    /// When it was; for `busy`, until when.
    pub at: Timestamp,
    /// Who says so: `sidecar`, or the reason given by whoever asked to keep it awake.
    pub source: String,
}

/// Looks ahead from what the sidecar said.
#[must_use]
pub fn outlook(pod: &PodView, asked: Asked, policy: &Policy, now: Timestamp) -> Outlook {
    let activity = match (&pod.busy, asked) {
        (Some(busy), _) if busy.until > now => {
            Some(Activity { kind: "busy", at: busy.until, source: busy.reason.clone() })
        }
        (_, Asked::Told(report)) => last_used(&report, now),
        _ => None,
    };
    let used = activity.as_ref().map(|activity| activity.at);
    let after = |timeout: Duration| used?.saturating_add(timeout).ok();
    let stops_at = match decide(pod, asked, policy, now) {
        Verdict::Keep { why: Why::Recent | Why::Busy, until } => {
            until.max(policy.idle_timeout.and_then(after))
        }
        // The next look is sooner, in case it is closed.
        Verdict::Keep { why: Why::WebSocket, .. } => after(policy.ws_idle),
        Verdict::Keep { until, .. } => until,
        Verdict::Sleep(_) => Some(now),
        Verdict::Ask => None,
    };
    Outlook { stops_at, activity }
}

/// The sidecar's clock is not ours: only the time since then counts.
fn last_used(report: &ActivityReport, now: Timestamp) -> Option<Activity> {
    let last = report.last_client_activity?;
    let at = now.checked_sub(last.until(report.now)).ok()?;
    let kind = if report.last_data_frame == Some(last) { "ws" } else { "http" };
    Some(Activity { kind, at, source: "sidecar".to_owned() })
}
