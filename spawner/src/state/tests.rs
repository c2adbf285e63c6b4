//! Pods as a real API server shows them, shortened to what matters, and what a user is told.

use serde_json::{Value, json};

use super::{Reason, State, Status, derive};
use crate::{
    note::{Note, NoteKind},
    pod::PodView,
    stop::{Stop, StopReason},
};

const USER: &str = "11111111-2222-4333-8444-555555555555";

/// A pod of alice with this status.
fn pod(status: Value) -> PodView {
    read(json!({
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {
            "name": format!("openclaw-{USER}"),
            "namespace": "tenant",
            "uid": "0d6c9f3e-0000-4000-8000-000000000001",
            "resourceVersion": "1041",
            "creationTimestamp": "2026-11-23T12:00:00Z",
            "labels": {"catalyst.openova.io/openclaw-user": USER},
        },
        "spec": {
            "initContainers": [
                {"name": "openclaw-token-sync", "image": "sidecar:1"},
                {"name": "openclaw-auth", "image": "sidecar:1", "restartPolicy": "Always"},
            ],
            "containers": [{"name": "runtime", "image": "registry.example/runtime:1"}],
        },
        "status": status,
    }))
}

fn read(pod: Value) -> PodView {
    PodView::of(serde_json::from_value(pod).unwrap()).unwrap()
}

/// The conditions of a pod on a node, of which these are true.
fn conditions(of_true: &[&str]) -> Value {
    ["PodScheduled", "PodReadyToStartContainers", "Initialized", "ContainersReady", "Ready"]
        .map(|name| {
            let status = if of_true.contains(&name) { "True" } else { "False" };
            json!({"type": name, "status": status, "lastTransitionTime": "2026-11-23T12:00:01Z"})
        })
        .into_iter()
        .collect()
}

const STARTED: [&str; 3] = ["PodScheduled", "PodReadyToStartContainers", "Initialized"];

/// A container's status.
fn container(name: &str, restarts: u32, state: Value) -> Value {
    json!({
        "name": name, "image": "registry.example/runtime:1", "imageID": "", "ready": false,
        "restartCount": restarts, "state": state, "lastState": {},
    })
}

fn waiting(reason: &str, message: &str) -> Value {
    json!({"waiting": {"reason": reason, "message": message}})
}

/// The runtime does this; everything before it is through.
fn runtime(restarts: u32, state: Value) -> PodView {
    pod(json!({
        "phase": "Pending",
        "conditions": conditions(&STARTED),
        "initContainerStatuses": [
            container("openclaw-token-sync", 0, json!({"terminated": {"exitCode": 0, "reason": "Completed"}})),
            container("openclaw-auth", 0, json!({"running": {}})),
        ],
        "containerStatuses": [container("runtime", restarts, state)],
    }))
}

fn note(kind: NoteKind, version: u64, message: &str) -> Note {
    let pod_uid = "0d6c9f3e-0000-4000-8000-000000000001".to_owned();
    Note { pod_uid, kind, version, message: message.to_owned() }
}

#[track_caller]
fn assert_told(status: &Status, state: State, reason: Option<Reason>, words: &[&str]) {
    assert_eq!((status.state, status.reason), (state, reason), "{}", status.message);
    for word in words {
        assert!(status.message.contains(word), "{word:?} is not in {:?}", status.message);
    }
}

#[test]
fn without_a_pod_it_is_stopped() {
    assert_told(&derive(None, &[]), State::Stopped, None, &["not running"]);
}

#[test]
fn a_start_passes_through_its_states() {
    let created = pod(json!({"phase": "Pending"}));
    assert_told(&derive(Some(&created), &[]), State::Creating, None, &[]);

    let bound = pod(json!({"phase": "Pending", "conditions": conditions(&["PodScheduled"])}));
    assert_told(&derive(Some(&bound), &[]), State::Initializing, None, &[]);

    let coming = runtime(0, waiting("ContainerCreating", ""));
    let pulling = note(NoteKind::Pulling, 7, "Pulling image \"registry.example/runtime:1\"");
    let pulled = note(NoteKind::Pulled, 8, "Successfully pulled image");
    let one = [pulling.clone()];
    assert_told(&derive(Some(&coming), &one), State::Pulling, None, &["downloaded"]);
    assert_told(&derive(Some(&coming), &[pulling, pulled]), State::Starting, None, &[]);

    let running = runtime(0, json!({"running": {"startedAt": "2026-11-23T12:00:09Z"}}));
    assert_told(&derive(Some(&running), &[]), State::Starting, None, &["starting"]);

    let mut ready = running;
    (ready.ready, ready.ip) = (true, Some([10, 244, 0, 9].into()));
    assert_told(&derive(Some(&ready), &[]), State::Ready, None, &["running"]);
    ready.ip = None;
    assert_ne!(
        derive(Some(&ready), &[]).state,
        State::Ready,
        "nothing can be sent without an address"
    );
}

#[test]
fn a_pod_that_is_being_deleted_is_stopping_whatever_else_it_is() {
    let mut stopping = runtime(0, json!({"running": {}}));
    (stopping.stopping, stopping.ready) = (true, true);
    assert_told(&derive(Some(&stopping), &[]), State::Stopping, None, &[]);
    for reason in StopReason::ALL {
        stopping.stop = Some(Stop::because(reason));
        let asleep = matches!(reason, StopReason::Idle | StopReason::MaxAge);
        let expected = if asleep { State::Suspending } else { State::Stopping };
        assert_told(&derive(Some(&stopping), &[]), expected, None, &[]);
        // Only the reaper's intention so far: whoever comes now can still stop it.
        let woken = PodView { stopping: false, ..stopping.clone() };
        assert!(!derive(Some(&woken), &[]).state.is_ending());
    }
}

#[test]
fn a_full_cluster_is_told_apart_from_one_that_grows() {
    let full = pod(json!({"phase": "Pending", "conditions": [{
        "type": "PodScheduled", "status": "False", "reason": "Unschedulable",
        "message": "0/3 nodes are available: 3 Insufficient memory. preemption: 0/3 nodes are \
                    available: 3 No preemption victims found for incoming pod.",
    }]}));
    let status = derive(Some(&full), &[]);
    assert_told(&status, State::Scheduling, Some(Reason::Unschedulable), &["Insufficient memory"]);
    assert!(status.is_worth_waiting(), "a node may come");

    let growing = [note(NoteKind::ScaleUp, 5, "pod triggered scale-up: [{pool 1->2}]")];
    assert_told(&derive(Some(&full), &growing), State::ScalingUp, None, &["adding"]);
    let gave_up = [growing, [note(NoteKind::NoScaleUp, 6, "max node group size reached")]].concat();
    let status = derive(Some(&full), &gave_up);
    assert_told(&status, State::Scheduling, Some(Reason::Unschedulable), &[]);
}

#[test]
fn a_missing_volume_claim_is_not_called_a_full_cluster() {
    let unbound = pod(json!({"phase": "Pending", "conditions": [{
        "type": "PodScheduled", "status": "False", "reason": "Unschedulable",
        "message": "0/1 nodes are available: persistentvolumeclaim \"openclaw-home-1\" not found.",
    }]}));
    let status = derive(Some(&unbound), &[]);
    assert_told(&status, State::Scheduling, Some(Reason::Home), &["openclaw-home-1"]);
}

#[test]
fn a_missing_secret_is_named_and_the_start_goes_on_when_it_comes() {
    let name = format!("newapi-key-{USER}");
    let missing = format!("secret \"{name}\" not found");
    let pod = runtime(0, waiting("CreateContainerConfigError", &missing));
    let status = derive(Some(&pod), &[]);
    assert_told(
        &status,
        State::Starting,
        Some(Reason::MissingSecret),
        &[&name, "model key", "by itself"],
    );
    assert!(!status.is_worth_waiting(), "somebody has to act first");
    assert!(status.state.is_pending(), "the pod itself goes on");

    let key = format!("couldn't find key api-key in Secret tenant/{name}");
    let pod = runtime(0, waiting("CreateContainerConfigError", &key));
    assert_told(
        &derive(Some(&pod), &[]),
        State::Starting,
        Some(Reason::MissingKey),
        &[&name, "api-key"],
    );
}

#[test]
fn a_volume_that_cannot_be_mounted_is_told_from_its_event() {
    let bound = pod(json!({
        "phase": "Pending",
        "conditions": conditions(&["PodScheduled"]),
        "containerStatuses": [container("runtime", 0, waiting("ContainerCreating", ""))],
    }));
    let seed =
        "MountVolume.SetUp failed for volume \"openclaw-seed\" : configmap \"seed\" not found";
    let status = derive(Some(&bound), &[note(NoteKind::VolumeFailed, 3, seed)]);
    assert_told(&status, State::Initializing, Some(Reason::MissingConfigMap), &["ConfigMap seed"]);

    let disk = note(NoteKind::VolumeFailed, 3, "Multi-Attach error for volume \"pvc-1\"");
    let status = derive(Some(&bound), std::slice::from_ref(&disk));
    assert_told(&status, State::Initializing, Some(Reason::Volume), &["Multi-Attach"]);

    let sandbox =
        note(NoteKind::SandboxFailed, 3, "failed to set up sandbox: no IP addresses left");
    let status = derive(Some(&bound), &[sandbox]);
    assert_told(&status, State::Initializing, Some(Reason::Sandbox), &["no IP addresses"]);

    let other_pod = Note { pod_uid: "another".to_owned(), ..disk };
    assert_told(&derive(Some(&bound), &[other_pod]), State::Initializing, None, &[]);
}

#[test]
fn what_cannot_get_ready_has_failed_with_its_cause() {
    let image = "Back-off pulling image \"registry.example/runtime:1\": ErrImagePull: not found";
    for (state, reason, words) in [
        (
            waiting("ImagePullBackOff", image),
            Reason::Image,
            ["registry.example/runtime:1", "not found"],
        ),
        (
            waiting("InvalidImageName", "couldn't parse image name \"a b\""),
            Reason::Image,
            ["couldn't parse", "administrator"],
        ),
        (
            waiting(
                "CreateContainerConfigError",
                "container has runAsNonRoot and image will run as root",
            ),
            Reason::ContainerConfig,
            ["runAsNonRoot", "pod template"],
        ),
        (
            waiting("RunContainerError", "exec: \"/nope\": no such file or directory"),
            Reason::ContainerStart,
            ["/nope", "pod template"],
        ),
        (waiting("CrashLoopBackOff", "back-off 10s"), Reason::Crash, ["keeps ending", "runtime"]),
    ] {
        assert_told(&derive(Some(&runtime(0, state)), &[]), State::Failed, Some(reason), &words);
    }
}

#[test]
fn a_crash_is_told_with_its_last_words() {
    let mut crashing =
        container("runtime", 3, waiting("CrashLoopBackOff", "back-off 40s restarting"));
    crashing["lastState"] = json!({"terminated": {
        "exitCode": 78, "reason": "Error", "message": "starting\nerror: NEWAPI_KEY is not set\n",
    }});
    let status = |container: &Value| {
        let status = json!({
            "phase": "Running", "conditions": conditions(&STARTED), "containerStatuses": [container],
        });
        derive(Some(&pod(status)), &[])
    };
    let words = ["exit code 78", "NEWAPI_KEY is not set"];
    assert_told(&status(&crashing), State::Failed, Some(Reason::Crash), &words);

    crashing["lastState"]["terminated"]["reason"] = "OOMKilled".into();
    assert_told(&status(&crashing), State::Failed, Some(Reason::OutOfMemory), &["memory", "limit"]);

    let again = container("runtime", 1, json!({"terminated": {"exitCode": 1, "reason": "Error"}}));
    let status = status(&again);
    assert_told(&status, State::Starting, Some(Reason::Crash), &["exit code 1"]);
    assert!(status.is_worth_waiting(), "the kubelet starts it again at once");
}

#[test]
fn an_init_step_that_fails_is_named_by_what_it_does() {
    let mut sync = container("openclaw-token-sync", 2, waiting("CrashLoopBackOff", "back-off 20s"));
    sync["lastState"] = json!({"terminated": {
        "exitCode": 5, "reason": "Error", "message": "openclaw.json: no space left on device",
    }});
    let pod = pod(json!({
        "phase": "Pending",
        "conditions": conditions(&["PodScheduled", "PodReadyToStartContainers"]),
        "initContainerStatuses": [sync],
        "containerStatuses": [container("runtime", 0, waiting("PodInitializing", ""))],
    }));
    let words = ["gateway token", "no space left on device"];
    assert_told(&derive(Some(&pod), &[]), State::Failed, Some(Reason::Crash), &words);
}

#[test]
fn a_pod_that_is_over_says_why_and_what_to_do() {
    let evicted = pod(json!({
        "phase": "Failed", "reason": "Evicted",
        "message": "The node was low on resource: memory.",
    }));
    let words = ["low on resource: memory", "Start it again"];
    assert_told(&derive(Some(&evicted), &[]), State::Failed, Some(Reason::Evicted), &words);

    let rejected = pod(json!({
        "phase": "Failed", "reason": "OutOfcpu",
        "message": "Pod was rejected: Node didn't have enough resource: cpu",
    }));
    let words = ["enough resource: cpu", "Start it again"];
    assert_told(&derive(Some(&rejected), &[]), State::Failed, Some(Reason::Ended), &words);

    let ended = pod(json!({"phase": "Succeeded"}));
    assert_told(
        &derive(Some(&ended), &[]),
        State::Failed,
        Some(Reason::Ended),
        &["Start it again"],
    );
}

#[test]
fn a_pod_without_its_auth_sidecar_is_never_ready() {
    let mut pod = runtime(0, json!({"running": {}}));
    (pod.injected, pod.ready, pod.ip) = (false, true, Some([10, 0, 0, 1].into()));
    assert_told(&derive(Some(&pod), &[]), State::Failed, Some(Reason::NotInjected), &["webhook"]);
}

#[test]
fn only_the_pod_with_the_users_name_is_the_users() {
    let named = |name: &str, user: &str| {
        let pod = json!({"metadata": {
            "name": name, "labels": {"catalyst.openova.io/openclaw-user": user},
        }});
        PodView::of(serde_json::from_value(pod).unwrap())
    };
    assert!(named(&format!("openclaw-{USER}"), USER).is_some());
    assert!(named("openclaw-job-xk2p", USER).is_none(), "another pod of the same user");
    assert!(named(&format!("openclaw-{USER}"), "22222222-2222-4333-8444-555555555555").is_none());
    assert!(named("openclaw-x", "x").is_none(), "not a user id");
}
