//! What to tell a user about the workspace: derived from the pod and its events alone, every time
//! anew. The API, the progress stream, held requests and metrics all ask here, so they agree, on any
//! replica and after any restart.

mod cause;
mod home;
mod reason;
mod steps;

use contract::secret;

pub use reason::Reason;

use crate::{
    note::{Note, NoteKind},
    pod::{Phase, PodView, Scheduled},
    stop::StopReason,
};

/// How far the workspace is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, serde::Serialize)]
pub enum State {
    /// There is no pod.
    Stopped,
    /// There is no pod, because as many are starting as may. Not the pod says so but the queue.
    Queued,
    /// The pod object is there, and nobody has looked at it yet.
    Creating,
    /// No node yet.
    Scheduling,
    /// No node yet, and the cluster is adding one.
    ScalingUp,
    /// An image is on its way.
    Pulling,
    /// Volumes and init containers.
    Initializing,
    /// The program runs and is not ready yet.
    Starting,
    /// Requests are served.
    Ready,
    /// It is being put to sleep: a delete is under way because it was not used or is old.
    Suspending,
    /// Any other delete is under way.
    Stopping,
    /// It will not get ready unless somebody changes something.
    Failed,
}

/// A state and what to say about it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Status {
    /// How far.
    pub state: State,
    /// What is in the way, if something is.
    pub reason: Option<Reason>,
    /// For the user: what happens, or what is wrong and who can do what.
    pub message: String,
}

impl State {
    /// All there are.
    pub const ALL: [Self; 12] = [
        Self::Stopped,
        Self::Queued,
        Self::Creating,
        Self::Scheduling,
        Self::ScalingUp,
        Self::Pulling,
        Self::Initializing,
        Self::Starting,
        Self::Ready,
        Self::Suspending,
        Self::Stopping,
        Self::Failed,
    ];

    /// The one with this name.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|state| state.name() == name)
    }

    /// The name, as the API and metric labels spell it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Stopped => "Stopped",
            Self::Queued => "Queued",
            Self::Creating => "Creating",
            Self::Scheduling => "Scheduling",
            Self::ScalingUp => "ScalingUp",
            Self::Pulling => "Pulling",
            Self::Initializing => "Initializing",
            Self::Starting => "Starting",
            Self::Ready => "Ready",
            Self::Suspending => "Suspending",
            Self::Stopping => "Stopping",
            Self::Failed => "Failed",
        }
    }

    /// How far, in percent: a rising number for a progress bar, not a measure of time.
    #[must_use]
    pub fn progress(self) -> u8 {
        match self {
            Self::Stopped | Self::Suspending | Self::Stopping => 0,
            Self::Queued => 2,
            Self::Creating => 5,
            Self::Scheduling => 15,
            Self::ScalingUp => 20,
            Self::Pulling => 35,
            Self::Initializing => 55,
            Self::Starting => 75,
            Self::Ready | Self::Failed => 100,
        }
    }

    /// On the way to [`State::Ready`].
    #[must_use]
    pub fn is_pending(self) -> bool {
        !self.is_ending() && !matches!(self, Self::Stopped | Self::Ready | Self::Failed)
    }

    /// On the way to [`State::Stopped`].
    #[must_use]
    pub fn is_ending(self) -> bool {
        matches!(self, Self::Suspending | Self::Stopping)
    }
}

impl Status {
    /// Waiting at this place, from 1, for others to have started.
    #[must_use]
    pub fn queued(place: usize) -> Self {
        let message = match place {
            1 => "Many workspaces are starting. Yours is next in the queue.".to_owned(),
            _ => format!("Many workspaces are starting. Yours is number {place} in the queue."),
        };
        Self::going(State::Queued, message)
    }

    /// On the way, with nothing in it.
    fn going(state: State, message: impl Into<String>) -> Self {
        Self { state, reason: None, message: message.into() }
    }

    /// Something is in the way.
    fn held_up(state: State, reason: Reason, message: impl Into<String>) -> Self {
        Self { state, reason: Some(reason), message: message.into() }
    }

    /// It is ready, as far as the cluster says, and somebody else is at its address.
    pub(crate) fn lost() -> Self {
        Self::held_up(State::Starting, Reason::AddressTaken, ADDRESS_TAKEN)
    }

    /// Whether whoever waits should go on waiting: it is on its way, and nobody has to act first.
    #[must_use]
    pub fn is_worth_waiting(&self) -> bool {
        self.state.is_pending() && !self.reason.is_some_and(Reason::needs_somebody)
    }
}

/// Derives what to say from the `pod` and the notes about it. Notes about other pods are ignored.
#[must_use]
pub fn derive(pod: Option<&PodView>, notes: &[Note]) -> Status {
    let Some(pod) = pod else {
        return Status::going(State::Stopped, "Your workspace is not running.");
    };
    if pod.stopping {
        return ending(pod);
    }
    if pod.is_over() {
        return over(pod);
    }
    if !pod.injected {
        return Status::held_up(State::Failed, Reason::NotInjected, NOT_INJECTED);
    }
    if pod.is_reachable() {
        return Status::going(State::Ready, "Your workspace is running.");
    }
    let notes = Notes { pod, all: notes };
    match &pod.scheduled {
        Scheduled::NotYet => Status::going(State::Creating, "Your workspace is being created."),
        Scheduled::Refused(why) => unscheduled(why, &notes),
        Scheduled::Yes => on_a_node(pod, &notes),
    }
}

/// The notes about one pod.
struct Notes<'a> {
    pod: &'a PodView,
    all: &'a [Note],
}

impl Notes<'_> {
    fn newest(&self, kind: NoteKind) -> Option<&Note> {
        self.all
            .iter()
            .filter(|note| note.kind == kind && note.pod_uid == self.pod.uid)
            .max_by_key(|note| note.version)
    }

    /// Whether `kind` happened, and `undone` has not happened since.
    fn holds(&self, kind: NoteKind, undone: NoteKind) -> bool {
        let version = |kind| self.newest(kind).map(|note| note.version);
        version(kind).is_some() && version(kind) > version(undone)
    }
}

fn ending(pod: &PodView) -> Status {
    let (state, message) = match pod.stop.as_ref().map(|stop| stop.reason) {
        Some(StopReason::Idle) => {
            (State::Suspending, "Your workspace is being put to sleep because nobody used it.")
        }
        Some(StopReason::MaxAge) => (
            State::Suspending,
            "Your workspace is being put to sleep because it is as old as one may become.",
        ),
        Some(StopReason::Restart) => {
            (State::Stopping, "Your workspace is being stopped. Then it is started again.")
        }
        _ => (State::Stopping, "Your workspace is being stopped."),
    };
    Status::going(state, message)
}

fn over(pod: &PodView) -> Status {
    let why = pod.message.as_deref().map(cause::sentence).unwrap_or_default();
    let (reason, what) = match (pod.reason.as_deref(), pod.phase) {
        (Some("Evicted"), _) => (Reason::Evicted, "Your workspace was stopped by its node."),
        (_, Phase::Succeeded) => (Reason::Ended, "Your workspace's program ended by itself."),
        _ => return steps::ended(pod, &why),
    };
    Status::held_up(State::Failed, reason, format!("{what}{why} Start it again to get a new one."))
}

fn unscheduled(why: &str, notes: &Notes<'_>) -> Status {
    if notes.holds(NoteKind::ScaleUp, NoteKind::NoScaleUp) {
        let message = "All nodes are full; the cluster is adding one for your workspace. \
                       This takes a few minutes.";
        return Status::going(State::ScalingUp, message);
    }
    if why.is_empty() {
        return Status::going(State::Scheduling, "Looking for a node for your workspace.");
    }
    if let Some(status) = home::refused(why) {
        return status;
    }
    let why_short = cause::sentence(why);
    let message = format!(
        "No node has room for your workspace.{why_short} \
         It starts by itself when one has; if this lasts, tell an administrator."
    );
    Status::held_up(State::Scheduling, Reason::Unschedulable, message)
}

fn on_a_node(pod: &PodView, notes: &Notes<'_>) -> Status {
    if let Some(status) = steps::in_the_way(pod) {
        return status;
    }
    if !pod.prepared
        && let Some(status) = not_prepared(notes)
    {
        return status;
    }
    if notes.holds(NoteKind::Pulling, NoteKind::Pulled) && steps::any_not_started(pod) {
        let message = "The image of your workspace is being downloaded to its node.";
        return Status::going(State::Pulling, message);
    }
    if !pod.initialized {
        return Status::going(State::Initializing, "Your workspace is being prepared.");
    }
    steps::starting(pod)
}

/// Why the sandbox or a volume is not there. Only events say so.
fn not_prepared(notes: &Notes<'_>) -> Option<Status> {
    if let Some(note) = notes.newest(NoteKind::VolumeFailed) {
        let missing =
            cause::missing_object(&note.message).map(|missing| missing.status(State::Initializing));
        return Some(missing.unwrap_or_else(|| {
            let why = cause::sentence(&note.message);
            let message = format!(
                "A volume of your workspace cannot be mounted yet.{why} The node keeps trying; \
                 if this lasts, tell an administrator."
            );
            Status::held_up(State::Initializing, Reason::Volume, message)
        }));
    }
    let note = notes.newest(NoteKind::SandboxFailed)?;
    let message = format!(
        "The node cannot set up your workspace's network yet.{} It keeps trying; if this lasts, \
         tell an administrator.",
        cause::sentence(&note.message)
    );
    Some(Status::held_up(State::Initializing, Reason::Sandbox, message))
}

/// Said of a pod at whose address another user's sidecar answered.
const ADDRESS_TAKEN: &str = "The address of your workspace belongs to another pod by now, which let \
    nothing through. It goes on as soon as the cluster says where your workspace is; if this lasts, \
    stop and start it.";

/// Said of a pod that nothing could be forwarded to.
const NOT_INJECTED: &str = "Your workspace was created without its auth sidecar, so it cannot be \
    reached. An administrator has to look at the webhook (MutatingWebhookConfiguration); then stop \
    and start the workspace.";

/// What a Secret is for, in a user's words; empty for Secrets that are not ours.
fn purpose(name: &str) -> &'static str {
    if name.starts_with(secret::NEWAPI_KEY_PREFIX) {
        ", which holds your model key,"
    } else if name.starts_with(secret::GATEWAY_PREFIX) {
        ", which holds your gateway token,"
    } else {
        ""
    }
}

#[cfg(test)]
mod tests;
