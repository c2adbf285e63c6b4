//! What the spawner remembers of a pod: what a user is told, and where the pod is. A cluster's pods
//! are held in memory, so everything else is dropped as soon as it has been read.

use std::{collections::BTreeMap, net::IpAddr, sync::Arc};

use contract::{UserId, annotation, label, object, pod};
use k8s_openapi::{
    api::core::v1::{ContainerState, ContainerStateTerminated, ContainerStatus, Pod, PodCondition},
    jiff::Timestamp,
};

use crate::stop::{LastStop, Stop};

/// A user's pod, trimmed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PodView {
    /// Whose pod it is.
    pub user: UserId,
    /// Tells this pod from the next one of the same name.
    pub uid: String,
    /// The `resourceVersion`, which rises with every change. 0 if the server gave none.
    pub version: u64,
    /// When the pod object was made.
    pub created: Option<Timestamp>,
    /// Whether a delete was asked for.
    pub stopping: bool,
    /// How far the pod is as a whole.
    pub phase: Phase,
    /// Why the pod as a whole is in its phase: `Evicted`, `NodeLost` and the like.
    pub reason: Option<String>,
    /// The words that go with `reason`.
    pub message: Option<String>,
    /// The address in the cluster, once there is one.
    pub ip: Option<IpAddr>,
    /// Whether a node was found, and if not, why.
    pub scheduled: Scheduled,
    /// The sandbox and the volumes are there.
    pub prepared: bool,
    /// The plain init containers are through.
    pub initialized: bool,
    /// Everything in the pod says that it is ready.
    pub ready: bool,
    /// Whether the webhook put the auth sidecar in.
    pub injected: bool,
    /// When it became ready the last time.
    pub ready_since: Option<Timestamp>,
    /// When its init containers were through.
    pub initialized_since: Option<Timestamp>,
    /// Its label says that it never sleeps.
    pub never_sleeps: bool,
    /// Somebody asked to keep it awake.
    pub busy: Option<Busy>,
    /// Why it is being stopped, if somebody said so.
    pub stop: Option<Stop>,
    /// How the pod before it ended, if that was known when it was made.
    pub last_stop: Option<Arc<LastStop>>,
    /// The hash of the template that it was made from.
    pub template: Option<String>,
    /// The containers in the order in which they run.
    pub steps: Vec<Step>,
}

/// A request to keep a pod awake, with an end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Busy {
    /// Until when.
    pub until: Timestamp,
    /// What for.
    pub reason: String,
}

/// The phase of a pod.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Phase {
    /// Not everything runs yet.
    Pending,
    /// Bound to a node, at least one container runs.
    Running,
    /// All containers ended and none will come back.
    Succeeded,
    /// Containers ended with an error, or the node gave the pod up; none will come back.
    Failed,
}

/// What the scheduler says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Scheduled {
    /// Nothing yet.
    NotYet,
    /// It found no node; the scheduler's words.
    Refused(String),
    /// Bound to a node.
    Yes,
}

/// One container of the pod.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Step {
    /// The container's name.
    pub name: String,
    /// The image, as the pod asked for it.
    pub image: String,
    /// An init container (also a native sidecar).
    pub init: bool,
    /// How often the kubelet restarted it.
    pub restarts: u32,
    /// What it does now.
    pub now: Doing,
    /// How it ended the last time, if it was restarted.
    pub last: Option<End>,
}

/// What a container does.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Doing {
    /// Not started: the kubelet's reason and words.
    Waiting {
        /// `ContainerCreating`, `ImagePullBackOff` and the like.
        reason: String,
        /// Often empty.
        message: String,
    },
    /// Runs.
    Running,
    /// Ended.
    Ended(End),
}

/// How a container ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct End {
    /// The exit code.
    pub code: i32,
    /// `Completed`, `Error`, `OOMKilled` and the like.
    pub reason: String,
    /// What the program left in its termination message, or the last lines of its log.
    pub message: String,
}

impl PodView {
    /// Reads `pod`. `None` if it is not the pod that the spawner makes for a user: whoever holds
    /// `use` may label other pods, but the name names the one.
    #[must_use]
    pub fn of(pod: Pod) -> Option<Self> {
        let user: UserId = pod.metadata.labels.as_ref()?.get(label::USER)?.parse().ok()?;
        if pod.metadata.name.as_deref() != Some(object::pod(&user).as_str()) {
            return None;
        }
        let annotations = pod.metadata.annotations.unwrap_or_default();
        let labels = pod.metadata.labels.unwrap_or_default();
        let spec = pod.spec.unwrap_or_default();
        let status = pod.status.unwrap_or_default();
        let conditions = status.conditions.as_deref().unwrap_or_default();
        let init = status.init_container_statuses.unwrap_or_default();
        let main = status.container_statuses.unwrap_or_default();
        Some(Self {
            user,
            uid: pod.metadata.uid.unwrap_or_default(),
            version: version_of(pod.metadata.resource_version.as_deref()),
            created: pod.metadata.creation_timestamp.map(|time| time.0),
            stopping: pod.metadata.deletion_timestamp.is_some(),
            phase: Phase::of(status.phase.as_deref()),
            reason: status.reason,
            message: status.message,
            ip: status.pod_ip.and_then(|ip| ip.parse().ok()),
            scheduled: Scheduled::of(condition(conditions, "PodScheduled")),
            prepared: is_true(conditions, "PodReadyToStartContainers"),
            initialized: is_true(conditions, "Initialized"),
            ready: is_true(conditions, "Ready"),
            ready_since: since(conditions, "Ready"),
            initialized_since: since(conditions, "Initialized"),
            never_sleeps: labels.get(label::SLEEP).is_some_and(|sleep| sleep == label::SLEEP_NEVER),
            busy: Busy::of(&annotations),
            stop: Stop::of(&annotations),
            last_stop: LastStop::noted(&annotations).map(Arc::new),
            template: annotations.get(annotation::TEMPLATE).cloned(),
            injected: spec
                .init_containers
                .is_some_and(|all| all.iter().any(|one| one.name == pod::AUTH_SIDECAR)),
            steps: init
                .into_iter()
                .map(|status| Step::of(status, true))
                .chain(main.into_iter().map(|status| Step::of(status, false)))
                .collect(),
        })
    }

    /// How often containers of this pod were restarted.
    #[must_use]
    pub fn restarts(&self) -> u32 {
        self.steps.iter().map(|step| step.restarts).sum()
    }

    /// Requests can be sent to it.
    #[must_use]
    pub fn is_reachable(&self) -> bool {
        self.ready && self.ip.is_some()
    }

    /// No container of this pod will ever run again.
    #[must_use]
    pub fn is_over(&self) -> bool {
        matches!(self.phase, Phase::Succeeded | Phase::Failed)
    }
}

impl Busy {
    /// An end that cannot be read ends nothing.
    fn of(annotations: &BTreeMap<String, String>) -> Option<Self> {
        Some(Self {
            until: annotations.get(annotation::BUSY_UNTIL)?.parse().ok()?,
            reason: annotations.get(annotation::BUSY_REASON).cloned().unwrap_or_default(),
        })
    }
}

impl Phase {
    fn of(phase: Option<&str>) -> Self {
        match phase {
            Some("Running") => Self::Running,
            Some("Succeeded") => Self::Succeeded,
            Some("Failed") => Self::Failed,
            _ => Self::Pending,
        }
    }
}

impl Scheduled {
    fn of(condition: Option<&PodCondition>) -> Self {
        match condition {
            Some(condition) if condition.status == "True" => Self::Yes,
            Some(condition) => Self::Refused(condition.message.clone().unwrap_or_default()),
            None => Self::NotYet,
        }
    }
}

impl Step {
    fn of(status: ContainerStatus, init: bool) -> Self {
        Self {
            name: status.name,
            image: status.image,
            init,
            restarts: status.restart_count.try_into().unwrap_or(0),
            now: Doing::of(status.state),
            last: status.last_state.and_then(|state| state.terminated).map(End::of),
        }
    }
}

impl Doing {
    fn of(state: Option<ContainerState>) -> Self {
        let state = state.unwrap_or_default();
        if let Some(ended) = state.terminated {
            return Self::Ended(End::of(ended));
        }
        if state.running.is_some() {
            return Self::Running;
        }
        let waiting = state.waiting.unwrap_or_default();
        Self::Waiting {
            reason: waiting.reason.unwrap_or_default(),
            message: waiting.message.unwrap_or_default(),
        }
    }
}

impl End {
    fn of(terminated: ContainerStateTerminated) -> Self {
        Self {
            code: terminated.exit_code,
            reason: terminated.reason.unwrap_or_default(),
            message: terminated.message.unwrap_or_default(),
        }
    }
}

/// A `resourceVersion` as a number. Since Kubernetes 1.35 the API promises that it is one, and that
/// the greater is the newer.
pub(crate) fn version_of(text: Option<&str>) -> u64 {
    text.and_then(|text| text.parse().ok()).unwrap_or(0)
}

fn condition<'a>(conditions: &'a [PodCondition], name: &str) -> Option<&'a PodCondition> {
    conditions.iter().find(|condition| condition.type_ == name)
}

/// Since when the condition is true.
fn since(conditions: &[PodCondition], name: &str) -> Option<Timestamp> {
    let condition = condition(conditions, name).filter(|condition| condition.status == "True")?;
    condition.last_transition_time.as_ref().map(|time| time.0)
}

fn is_true(conditions: &[PodCondition], name: &str) -> bool {
    condition(conditions, name).is_some_and(|condition| condition.status == "True")
}
