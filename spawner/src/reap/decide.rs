//! Whether a workspace may sleep. Pure: from the pod, what its sidecar said, the rules and the time.

use std::time::Duration;

use edge::{activity::ActivityReport, sleep::Agreement};
use k8s_openapi::jiff::Timestamp;

use crate::{pod::PodView, stop::StopReason};

/// The rules of sleep.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Policy {
    /// How long nobody has to use a workspace before it sleeps. `None`: it never does for that.
    pub idle_timeout: Option<Duration>,
    /// How long an open WebSocket over which its client says nothing keeps a workspace awake.
    pub ws_idle: Duration,
    /// How old a pod may become. From then on it is stopped as soon as nobody uses it.
    pub max_age: Option<Duration>,
    /// How long after [`Self::max_age`] it is stopped even though somebody uses it.
    pub max_age_grace: Duration,
    /// What is done with a ready pod whose sidecar does not answer.
    pub when_unreachable: WhenUnreachable,
    /// Whether the runtime has a word in it.
    pub cooperation: CooperativeSleep,
}

/// Whether a runtime is asked before its pod is put to sleep.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
pub enum CooperativeSleep {
    /// It sleeps only if the runtime agrees
    Required,
    /// It sleeps unless the runtime is at work: one that gives no answer has no word in it
    #[default]
    Preferred,
    /// No runtime is asked
    Off,
}

/// What is done with a ready pod whose sidecar does not answer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
pub enum WhenUnreachable {
    /// It may be at work: it stays awake, and is asked again.
    #[default]
    Keep,
    /// It sleeps.
    Sleep,
}

/// What the sidecar said.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Asked {
    /// It was not asked yet.
    NotYet,
    /// This.
    Told(ActivityReport),
    /// Nothing: it cannot be reached.
    Silent,
}

/// What to do with a pod.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It stays.
    Keep {
        /// Why.
        why: Why,
        /// When it is worth looking again. `None`: not before the pod changes.
        until: Option<Timestamp>,
    },
    /// Only its sidecar knows.
    Ask,
    /// It goes.
    Sleep(StopReason),
}

/// Why a pod stays. A closed set: it is a metric label.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Why {
    /// It is on its way out already.
    Stopping,
    /// It has ended; a start clears it away.
    Over,
    /// Its label says so.
    Exempt,
    /// It was used, or became ready, not long ago.
    Recent,
    /// Somebody asked to keep it awake.
    Busy,
    /// A request is being answered.
    Http,
    /// A client talks over a WebSocket.
    WebSocket,
    /// Its sidecar does not answer.
    Unreachable,
    /// The runtime says that it is at work.
    Working,
    /// The runtime does not say whether it is at work, and has to.
    Silent,
    /// No rule ever ends it.
    NoRule,
}

/// A pod whose readiness comes and goes was ready at the latest this long after its init steps, so
/// that it cannot stay awake by failing its probe from time to time.
const LONGEST_BOOT: Duration = Duration::from_secs(600);
/// When to look again at a pod in the middle of something.
const LOOK_AGAIN: Duration = Duration::from_secs(60);

/// Decides about `pod` at `now`. What is asked is asked of candidates only: [`Verdict::Ask`].
#[must_use]
pub fn decide(pod: &PodView, asked: Asked, policy: &Policy, now: Timestamp) -> Verdict {
    let for_good = |why| Verdict::Keep { why, until: None };
    if pod.stopping {
        return for_good(Why::Stopping);
    }
    if pod.is_over() {
        return for_good(Why::Over);
    }
    if pod.never_sleeps {
        return for_good(Why::Exempt);
    }
    let created = pod.created.unwrap_or(now);
    let renewed = policy.max_age.map(|max| later(created, max));
    if renewed.is_some_and(|renewed| later(renewed, policy.max_age_grace) <= now) {
        return Verdict::Sleep(StopReason::MaxAge);
    }
    let idle = policy.idle_timeout.map(|timeout| later(idle_from(pod, created), timeout));
    let Some(first) = [idle, renewed].into_iter().flatten().min() else {
        return for_good(Why::NoRule);
    };
    match pod.busy.as_ref().map(|busy| busy.until).filter(|until| *until > now) {
        // Until then it is not idle; if it is old, it may still end its work.
        Some(until) => return Verdict::Keep { why: Why::Busy, until: Some(first.max(until)) },
        None if first > now => return Verdict::Keep { why: Why::Recent, until: Some(first) },
        None => {}
    }
    let old = renewed.is_some_and(|renewed| renewed <= now);
    match asked {
        Asked::NotYet => Verdict::Ask,
        Asked::Silent => silent(pod, old, policy, now),
        Asked::Told(report) => told(pod, &report, old, policy, now),
    }
}

/// From when on nobody has to use it: its first readiness, or the end of a request to keep it awake.
fn idle_from(pod: &PodView, created: Timestamp) -> Timestamp {
    let booted = pod.initialized_since.map(|since| later(since, LONGEST_BOOT));
    let ready = [pod.ready_since, booted].into_iter().flatten().min();
    let busy = pod.busy.as_ref().map(|busy| busy.until);
    [ready, busy].into_iter().flatten().fold(created, Timestamp::max)
}

fn silent(pod: &PodView, old: bool, policy: &Policy, now: Timestamp) -> Verdict {
    match policy.when_unreachable {
        _ if !pod.ready => Verdict::Sleep(StopReason::Failed),
        WhenUnreachable::Sleep => Verdict::Sleep(reason(pod, old)),
        WhenUnreachable::Keep => {
            Verdict::Keep { why: Why::Unreachable, until: Some(later(now, LOOK_AGAIN)) }
        }
    }
}

/// The sidecar's times are its own clock's, so only differences between them count.
fn told(
    pod: &PodView,
    report: &ActivityReport,
    old: bool,
    policy: &Policy,
    now: Timestamp,
) -> Verdict {
    let keep = |why, time| Verdict::Keep { why, until: Some(later(now, time)) };
    if report.inflight > 0 {
        return keep(Why::Http, LOOK_AGAIN);
    }
    let unused = report.last_client_activity.map(|at| at.until(report.now));
    let silence = report.last_data_frame.map(|frame| frame.until(report.now));
    if let Some(silence) = silence.filter(|silence| *silence < policy.ws_idle)
        && report.ws_open > 0
    {
        // It may be closed at any time, and from then on only the timeout counts.
        let left = policy.idle_timeout.zip(unused).filter(|_| !old);
        let left = left.map_or(LOOK_AGAIN, |(timeout, unused)| timeout.saturating_sub(unused));
        let silent = policy.ws_idle.saturating_sub(silence);
        return keep(Why::WebSocket, silent.min(left.max(LOOK_AGAIN)));
    }
    if let (false, Some(timeout), Some(unused)) = (old, policy.idle_timeout, unused)
        && unused < timeout
    {
        return keep(Why::Recent, timeout.saturating_sub(unused));
    }
    // The runtime may know better: see `agreed`.
    Verdict::Sleep(reason(pod, old))
}

/// Keeps a pod that might sleep if its runtime does not agree; `None` lets it sleep.
#[must_use]
pub fn agreed(agreement: &Agreement, policy: &Policy, now: Timestamp) -> Option<Verdict> {
    let why = match (agreement, policy.cooperation) {
        (_, CooperativeSleep::Off) | (Agreement::Ready, _) => return None,
        (Agreement::Silent, CooperativeSleep::Preferred) => return None,
        (Agreement::Silent, CooperativeSleep::Required) => Why::Silent,
        (Agreement::Busy { .. }, _) => Why::Working,
    };
    Some(Verdict::Keep { why, until: Some(later(now, LOOK_AGAIN)) })
}

fn reason(pod: &PodView, old: bool) -> StopReason {
    match (old, pod.ready) {
        (true, _) => StopReason::MaxAge,
        (false, true) => StopReason::Idle,
        (false, false) => StopReason::Failed,
    }
}

/// This much later; the last time there is, if that is beyond it.
fn later(time: Timestamp, duration: Duration) -> Timestamp {
    time.saturating_add(duration).unwrap_or(Timestamp::MAX)
}

impl Why {
    /// The name, as metric labels and logs spell it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Stopping => "stopping",
            Self::Over => "over",
            Self::Exempt => "exempt",
            Self::Recent => "recent",
            Self::Busy => "busy",
            Self::Http => "http",
            Self::WebSocket => "websocket",
            Self::Unreachable => "unreachable",
            Self::Working => "working",
            Self::Silent => "silent",
            Self::NoRule => "no_rule",
        }
    }
}

#[cfg(test)]
mod tests;
