//! What the containers of a pod say about it.

use contract::pod;

use super::{Reason, State, Status, cause};
use crate::pod::{Doing, End, PodView, Step};

/// The first container that keeps the pod from getting ready, if one does.
pub(super) fn in_the_way(pod: &PodView) -> Option<Status> {
    pod.steps.iter().find_map(|step| match &step.now {
        Doing::Waiting { reason, message } => waiting(step, reason, message),
        Doing::Ended(end) if end.code != 0 => Some(crashed(step, end, false)),
        Doing::Ended(_) | Doing::Running => None,
    })
}

/// Whether a container has not been started yet, as when its image is on its way.
pub(super) fn any_not_started(pod: &PodView) -> bool {
    pod.steps.iter().any(|step| matches!(step.now, Doing::Waiting { .. }))
}

/// Everything was started; the probes do not agree yet.
pub(super) fn starting(pod: &PodView) -> Status {
    match pod.restarts() {
        0 => Status::going(State::Starting, "Your workspace is starting."),
        restarts => Status::held_up(
            State::Starting,
            Reason::Crash,
            format!("Your workspace is starting again; restarts so far: {restarts}."),
        ),
    }
}

/// The pod is over with an error; `why` is what the pod itself says.
pub(super) fn ended(pod: &PodView, why: &str) -> Status {
    let culprit = pod.steps.iter().find_map(|step| match &step.now {
        Doing::Ended(end) if end.code != 0 => Some(crashed(step, end, true)),
        _ => None,
    });
    let mut status = culprit.unwrap_or_else(|| {
        Status::held_up(State::Failed, Reason::Ended, format!("Your workspace ended.{why}"))
    });
    status.message.push_str(" Start it again to get a new one.");
    status
}

/// By the kubelet's waiting reasons (`pkg/kubelet/container/sync_result.go`, `images/types.go`).
fn waiting(step: &Step, reason: &str, message: &str) -> Option<Status> {
    Some(match reason {
        "CreateContainerConfigError" => config_error(step, message),
        "ImagePullBackOff"
        | "ErrImagePull"
        | "InvalidImageName"
        | "ErrImageNeverPull"
        | "ImageInspectError"
        | "RegistryUnavailable"
        | "SignatureValidationFailed" => image(step, message),
        "CrashLoopBackOff" => match &step.last {
            Some(end) => crashed(step, end, true),
            None => Status::held_up(
                State::Failed,
                Reason::Crash,
                format!("{} keeps ending right after its start.", subject(step)),
            ),
        },
        "CreateContainerError" | "RunContainerError" | "StartError" | "PostStartHookError" => {
            let why = cause::sentence(message);
            let message = format!(
                "{} cannot be started.{why} An administrator has to look at the pod template.",
                subject(step)
            );
            Status::held_up(State::Failed, Reason::ContainerStart, message)
        }
        _ => return None,
    })
}

fn config_error(step: &Step, message: &str) -> Status {
    if let Some(missing) = cause::missing_object(message) {
        return missing.status(if step.init { State::Initializing } else { State::Starting });
    }
    let message = format!(
        "{} cannot be set up.{} An administrator has to look at the pod template.",
        subject(step),
        cause::sentence(message)
    );
    Status::held_up(State::Failed, Reason::ContainerConfig, message)
}

fn image(step: &Step, message: &str) -> Status {
    let message = format!(
        "The image {} cannot be downloaded.{} Its name may be wrong, or the registry cannot be \
         reached or wants a login; an administrator has to look.",
        step.image,
        cause::sentence(message)
    );
    Status::held_up(State::Failed, Reason::Image, message)
}

/// A container ended with an error. `for_good`: the kubelet gave up, or waits longer and longer.
fn crashed(step: &Step, end: &End, for_good: bool) -> Status {
    let state = match (for_good, step.init) {
        (true, _) => State::Failed,
        (false, true) => State::Initializing,
        (false, false) => State::Starting,
    };
    if end.reason == "OOMKilled" {
        let message = format!(
            "{} needs more memory than its limit allows. An administrator can raise the limit in \
             the pod template.",
            subject(step)
        );
        return Status::held_up(state, Reason::OutOfMemory, message);
    }
    let told = cause::sentence(cause::last_line(&end.message));
    let message = format!("{} ended with exit code {}.{told}", subject(step), end.code);
    Status::held_up(state, Reason::Crash, message)
}

/// The container in words, to begin a sentence.
fn subject(step: &Step) -> String {
    match (step.name.as_str(), step.init) {
        (pod::TOKEN_SYNC, _) => {
            "The step that puts the gateway token into openclaw.json".to_owned()
        }
        (pod::AUTH_SIDECAR, _) => "The auth sidecar of your workspace".to_owned(),
        (name, true) => format!("The init step {name} of your workspace"),
        (name, false) => format!("The program of your workspace (container {name})"),
    }
}
