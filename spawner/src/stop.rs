//! Why a workspace was stopped: written to the pod before it is deleted, and shown to whoever asks
//! afterwards.

use std::collections::BTreeMap;

use contract::{UserId, annotation};
use k8s_openapi::jiff::Timestamp;
use serde::Serialize;
use serde_json::{Value, json};

use crate::pod::{Doing, PodView};

/// A stop, as the pod's annotations say it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stop {
    /// Why.
    pub reason: StopReason,
    /// Who did it, if it was a person.
    pub by: Option<UserId>,
}

/// Why a pod was stopped. A closed set: it is a metric label and part of the API.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum StopReason {
    /// Nobody used it.
    Idle,
    /// Its user stopped it.
    User,
    /// Its user or an operator wants a new one.
    Restart,
    /// An operator stopped it.
    Admin,
    /// It was as old as a pod may become.
    MaxAge,
    /// It did not get ready, and nobody could use it.
    Failed,
    /// Its node gave it up.
    Evicted,
    /// Its program needed more memory than it may have.
    Oom,
}

/// How the pod before ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct LastStop {
    /// When.
    pub at: Timestamp,
    /// Why.
    pub reason: StopReason,
    /// Who did it, if it was a person.
    #[serde(serialize_with = "user")]
    pub by: Option<UserId>,
}

impl StopReason {
    /// All there are.
    pub const ALL: [Self; 8] = [
        Self::Idle,
        Self::User,
        Self::Restart,
        Self::Admin,
        Self::MaxAge,
        Self::Failed,
        Self::Evicted,
        Self::Oom,
    ];

    fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|reason| reason.name() == name)
    }

    /// The name, as the API, the annotation and metric labels spell it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Idle => "idle",
            Self::User => "user",
            Self::Restart => "restart",
            Self::Admin => "admin",
            Self::MaxAge => "maxage",
            Self::Failed => "failed",
            Self::Evicted => "evicted",
            Self::Oom => "oom",
        }
    }

    /// For the user, after "Your workspace is not running."
    #[must_use]
    pub fn words(self) -> &'static str {
        match self {
            Self::Idle => "It was put to sleep because nobody used it.",
            Self::User => "You stopped it.",
            Self::Restart => "It was stopped for a restart.",
            Self::Admin => "An administrator stopped it.",
            Self::MaxAge => "It had reached the age at which every workspace is renewed.",
            Self::Failed => "It was stopped because it did not get ready.",
            Self::Evicted => "Its node had no room for it any more.",
            Self::Oom => "Its program needed more memory than its limit allows.",
        }
    }
}

impl Stop {
    /// A stop that nobody in person asked for.
    #[must_use]
    pub fn because(reason: StopReason) -> Self {
        Self { reason, by: None }
    }

    pub(crate) fn of(annotations: &BTreeMap<String, String>) -> Option<Self> {
        let name = annotations.get(annotation::STOP_REASON)?;
        Some(Self {
            reason: StopReason::named(name)?,
            by: annotations.get(annotation::STOPPED_BY).and_then(|user| user.parse().ok()),
        })
    }

    /// What takes the annotations away again, in a merge patch.
    pub(crate) fn no_annotations() -> Value {
        json!({ (annotation::STOP_REASON): null, (annotation::STOPPED_BY): null })
    }

    /// The annotations that say so, in a merge patch.
    #[must_use]
    pub fn annotations(&self) -> Value {
        json!({
            (annotation::STOP_REASON): self.reason.name(),
            (annotation::STOPPED_BY): self.by.as_ref().map(UserId::as_str),
        })
    }
}

impl LastStop {
    /// A stop that is under way.
    #[must_use]
    pub fn of_stop(stop: &Stop, at: Timestamp) -> Self {
        Self { at, reason: stop.reason, by: stop.by.clone() }
    }

    /// What the annotation says.
    #[must_use]
    pub fn text(&self) -> String {
        let Self { at, reason, by } = self;
        let by = by.as_ref().map(|user| format!(" {user}")).unwrap_or_default();
        format!("{at} {}{by}", reason.name())
    }

    /// Reads the annotation. `None` if there is none, or nothing that was written by us.
    pub(crate) fn noted(annotations: &BTreeMap<String, String>) -> Option<Self> {
        let mut words = annotations.get(annotation::LAST_STOP)?.split(' ');
        let at = words.next()?.parse().ok()?;
        let reason = StopReason::named(words.next()?)?;
        Some(Self { at, reason, by: words.next().and_then(|user| user.parse().ok()) })
    }

    /// How `pod`, which is gone, ended. `None` if nobody knows: somebody deleted it by other means.
    #[must_use]
    pub fn of(pod: &PodView, at: Timestamp) -> Option<Self> {
        let stop = pod.stop.clone().or_else(|| by_itself(pod).map(Stop::because))?;
        Some(Self { at, reason: stop.reason, by: stop.by })
    }
}

/// Why a pod that nobody stopped has ended.
fn by_itself(pod: &PodView) -> Option<StopReason> {
    if pod.reason.as_deref() == Some("Evicted") {
        return Some(StopReason::Evicted);
    }
    let out_of_memory = |now: &Doing| matches!(now, Doing::Ended(end) if end.reason == "OOMKilled");
    if pod.is_over() && pod.steps.iter().any(|step| out_of_memory(&step.now)) {
        return Some(StopReason::Oom);
    }
    pod.is_over().then_some(StopReason::Failed)
}

fn user<S: serde::Serializer>(user: &Option<UserId>, serializer: S) -> Result<S::Ok, S::Error> {
    user.as_ref().map(UserId::as_str).serialize(serializer)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use contract::annotation;

    use super::{LastStop, Stop, StopReason};

    #[test]
    fn how_a_pod_ended_is_read_back_from_the_objects_that_outlive_it() {
        let at = "2026-11-23T12:00:00.5Z".parse().unwrap();
        for reason in StopReason::ALL {
            for by in [None, "22222222-2222-4333-8444-555555555555".parse().ok()] {
                let last = LastStop { at, reason, by };
                let noted = [(annotation::LAST_STOP.to_owned(), last.text())].into();
                assert_eq!(LastStop::noted(&noted), Some(last));
            }
        }
        for strange in ["", "idle", "2026-11-23T12:00:00Z", "2026-11-23T12:00:00Z x", "x idle"] {
            let noted = [(annotation::LAST_STOP.to_owned(), strange.to_owned())].into();
            assert_eq!(LastStop::noted(&noted), None, "{strange}");
        }
    }

    #[test]
    fn what_is_written_to_a_pod_is_read_back() {
        for reason in StopReason::ALL {
            let by = "22222222-2222-4333-8444-555555555555".parse().ok();
            let stop = Stop { reason, by };
            let annotations: BTreeMap<String, String> =
                serde_json::from_value(stop.annotations()).unwrap();
            assert_eq!(Stop::of(&annotations), Some(stop));
        }
        let unknown = [("catalyst.openova.io/openclaw-stop-reason".to_owned(), "x".to_owned())];
        assert_eq!(Stop::of(&unknown.into()), None);
    }
}
