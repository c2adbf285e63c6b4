use std::time::Duration;

use edge::activity::ActivityReport;
use k8s_openapi::jiff::Timestamp;
use serde_json::{Value, json};

use super::{
    Agreement, Asked, CooperativeSleep, Policy, Verdict, WhenUnreachable, Why, agreed, decide,
};
use crate::{pod::PodView, stop::StopReason};

const USER: &str = "11111111-2222-4333-8444-555555555555";

fn minutes(count: u64) -> Duration {
    Duration::from_secs(count * 60)
}

fn policy() -> Policy {
    Policy {
        idle_timeout: Some(minutes(30)),
        ws_idle: minutes(60),
        max_age: None,
        max_age_grace: minutes(60),
        when_unreachable: WhenUnreachable::Keep,
        cooperation: CooperativeSleep::Preferred,
    }
}

/// A pod, created at 12:00, initialized at 12:01, ready since 12:02.
fn pod() -> PodView {
    with(json!({}), json!({}))
}

fn with(labels: Value, annotations: Value) -> PodView {
    let condition = |name: &str, at: &str| json!({"type": name, "status": "True", "lastTransitionTime": format!("2026-11-23T{at}:00Z")});
    let mut labels = labels;
    labels["catalyst.openova.io/openclaw-user"] = USER.into();
    let pod = json!({
        "metadata": {
            "name": format!("openclaw-{USER}"), "uid": "one", "resourceVersion": "7",
            "creationTimestamp": "2026-11-23T12:00:00Z",
            "labels": labels, "annotations": annotations,
        },
        "spec": {"initContainers": [{"name": "openclaw-auth"}], "containers": []},
        "status": {"phase": "Running", "podIP": "10.0.0.1", "conditions": [
            condition("Initialized", "12:01"), condition("Ready", "12:02"),
        ]},
    });
    PodView::of(serde_json::from_value(pod).unwrap()).unwrap()
}

fn at(time: &str) -> Timestamp {
    format!("2026-11-23T{time}:00Z").parse().unwrap()
}

/// What a sidecar says whose clock is an hour behind: the last request and the last frame were so
/// many minutes ago.
fn told(request: Option<u64>, frame: Option<u64>, inflight: usize, ws_open: usize) -> Asked {
    let now = at("11:00");
    let ago = |count: Option<u64>| count.map(|count| (now - minutes(count)).to_string());
    let last = [request, frame].into_iter().flatten().min();
    let report = json!({
        "now": now.to_string(), "last_client_activity": ago(last), "last_data_frame": ago(frame),
        "inflight": inflight, "ws_open": ws_open,
    });
    Asked::Told(serde_json::from_value::<ActivityReport>(report).unwrap())
}

#[test]
fn a_clock_behind_the_clusters_puts_nothing_to_sleep_early() {
    let verdict = decide(&pod(), Asked::NotYet, &policy(), at("11:00"));
    assert_eq!(verdict, keep(Why::Recent, "12:32"));
    let aged = Policy { idle_timeout: None, max_age: Some(minutes(5)), ..policy() };
    let verdict = decide(&pod(), Asked::NotYet, &aged, at("11:00"));
    assert_eq!(verdict, keep(Why::Recent, "12:05"));
}

fn keep(why: Why, until: &str) -> Verdict {
    Verdict::Keep { why, until: Some(at(until)) }
}

#[test]
fn nobody_is_asked_before_the_pod_was_ready_for_the_timeout() {
    assert_eq!(decide(&pod(), Asked::NotYet, &policy(), at("12:31")), keep(Why::Recent, "12:32"));
    assert_eq!(decide(&pod(), Asked::NotYet, &policy(), at("12:32")), Verdict::Ask);
    let never = Policy { idle_timeout: None, ..policy() };
    let kept = Verdict::Keep { why: Why::NoRule, until: None };
    assert_eq!(decide(&pod(), Asked::NotYet, &never, at("23:00")), kept);
}

#[test]
fn a_probe_that_fails_now_and_then_keeps_nothing_awake() {
    let flapped = PodView { ready_since: Some(at("17:59")), ..pod() };
    assert_eq!(decide(&flapped, Asked::NotYet, &policy(), at("18:00")), Verdict::Ask);
}

#[test]
fn what_a_client_did_last_counts_by_the_sidecars_own_clock() {
    let verdict = |asked| decide(&pod(), asked, &policy(), at("18:00"));
    assert_eq!(verdict(told(Some(10), None, 0, 0)), keep(Why::Recent, "18:20"));
    assert_eq!(verdict(told(Some(30), None, 0, 0)), Verdict::Sleep(StopReason::Idle));
    assert_eq!(verdict(told(None, None, 0, 0)), Verdict::Sleep(StopReason::Idle));
}

#[test]
fn a_request_in_flight_is_never_cut_off() {
    let verdict = decide(&pod(), told(Some(500), None, 1, 0), &policy(), at("18:00"));
    assert_eq!(verdict, keep(Why::Http, "18:01"));
}

#[test]
fn a_silent_websocket_keeps_nothing_awake() {
    let verdict = |asked| decide(&pod(), asked, &policy(), at("18:00"));
    assert_eq!(verdict(told(None, Some(45), 0, 1)), keep(Why::WebSocket, "18:01"));
    assert_eq!(verdict(told(None, Some(60), 0, 1)), Verdict::Sleep(StopReason::Idle));
    assert_eq!(verdict(told(Some(90), None, 0, 3)), Verdict::Sleep(StopReason::Idle));
    assert_eq!(
        verdict(told(None, Some(45), 0, 0)),
        Verdict::Sleep(StopReason::Idle),
        "it is closed"
    );
}

#[test]
fn a_websocket_that_is_closed_meanwhile_is_not_waited_for() {
    let verdict = |asked, policy| decide(&pod(), asked, &policy, at("18:00"));
    assert_eq!(verdict(told(None, Some(10), 0, 1), policy()), keep(Why::WebSocket, "18:20"));
    assert_eq!(verdict(told(None, Some(0), 0, 1), policy()), keep(Why::WebSocket, "18:30"));
    let short = Policy { ws_idle: minutes(5), ..policy() };
    assert_eq!(verdict(told(None, Some(2), 0, 1), short), keep(Why::WebSocket, "18:03"));
    let old = Policy { max_age: Some(minutes(360)), ..policy() };
    assert_eq!(verdict(told(None, Some(0), 0, 1), old), keep(Why::WebSocket, "18:01"));
}

#[test]
fn a_request_to_stay_awake_has_an_end() {
    let until = json!({"catalyst.openova.io/openclaw-busy-until": "2026-11-23T17:50:00Z"});
    let pod = with(json!({}), until);
    assert_eq!(decide(&pod, Asked::NotYet, &policy(), at("17:00")), keep(Why::Busy, "18:20"));
    assert_eq!(decide(&pod, Asked::NotYet, &policy(), at("18:10")), keep(Why::Recent, "18:20"));
    assert_eq!(decide(&pod, Asked::NotYet, &policy(), at("18:20")), Verdict::Ask);
    let nonsense = json!({"catalyst.openova.io/openclaw-busy-until": "for ever"});
    let pod = with(json!({}), nonsense);
    assert_eq!(decide(&pod, Asked::NotYet, &policy(), at("18:00")), Verdict::Ask);
}

#[test]
fn the_label_keeps_it_awake_and_so_does_its_end() {
    let exempt = with(json!({"catalyst.openova.io/openclaw-sleep": "never"}), json!({}));
    let old = Policy { max_age: Some(minutes(1)), ..policy() };
    let kept = |why| Verdict::Keep { why, until: None };
    assert_eq!(decide(&exempt, Asked::NotYet, &old, at("23:00")), kept(Why::Exempt));
    let stopping = PodView { stopping: true, ..pod() };
    assert_eq!(decide(&stopping, Asked::NotYet, &old, at("23:00")), kept(Why::Stopping));
    let over = PodView { phase: crate::pod::Phase::Failed, ..pod() };
    assert_eq!(decide(&over, Asked::NotYet, &old, at("23:00")), kept(Why::Over));
}

#[test]
fn an_old_pod_goes_when_nobody_uses_it_and_after_the_grace_in_any_case() {
    let policy = Policy { max_age: Some(minutes(300)), ..policy() };
    let verdict = |asked, time| decide(&pod(), asked, &policy, at(time));
    assert_eq!(verdict(told(Some(5), None, 0, 0), "16:59"), keep(Why::Recent, "17:24"));
    assert_eq!(verdict(told(Some(5), None, 0, 0), "17:00"), Verdict::Sleep(StopReason::MaxAge));
    assert_eq!(verdict(told(Some(0), None, 1, 0), "17:00"), keep(Why::Http, "17:01"));
    assert_eq!(verdict(Asked::NotYet, "18:00"), Verdict::Sleep(StopReason::MaxAge));
    let until = json!({"catalyst.openova.io/openclaw-busy-until": "2026-11-23T17:50:00Z"});
    let busy = with(json!({}), until);
    assert_eq!(decide(&busy, Asked::NotYet, &policy, at("17:10")), keep(Why::Busy, "17:50"));
    assert_eq!(
        decide(&busy, Asked::NotYet, &policy, at("18:00")),
        Verdict::Sleep(StopReason::MaxAge)
    );
}

#[test]
fn a_sidecar_that_does_not_answer_falls_to_the_policy() {
    let verdict = |pod: &PodView, policy: &Policy| decide(pod, Asked::Silent, policy, at("18:00"));
    assert_eq!(verdict(&pod(), &policy()), keep(Why::Unreachable, "18:01"));
    let sleep = Policy { when_unreachable: WhenUnreachable::Sleep, ..policy() };
    assert_eq!(verdict(&pod(), &sleep), Verdict::Sleep(StopReason::Idle));
    let unready = PodView { ready: false, ready_since: None, ..pod() };
    assert_eq!(
        verdict(&unready, &policy()),
        Verdict::Sleep(StopReason::Failed),
        "nobody can use it"
    );
}

#[test]
fn a_runtime_at_work_stays_and_one_that_is_silent_falls_to_the_policy() {
    use CooperativeSleep::{Off, Preferred, Required};
    let busy = Agreement::Busy { blockers: vec!["cron-run".to_owned()] };
    for (agreement, cooperation, why) in [
        (&Agreement::Ready, Required, None),
        (&Agreement::Ready, Preferred, None),
        (&busy, Required, Some(Why::Working)),
        (&busy, Preferred, Some(Why::Working)),
        (&busy, Off, None),
        (&Agreement::Silent, Required, Some(Why::Silent)),
        (&Agreement::Silent, Preferred, None),
        (&Agreement::Silent, Off, None),
    ] {
        let policy = Policy { cooperation, ..policy() };
        let verdict = agreed(agreement, &policy, at("18:00"));
        assert_eq!(verdict, why.map(|why| keep(why, "18:01")), "{agreement:?} {cooperation:?}");
    }
}

#[test]
fn no_time_is_too_large() {
    let endless =
        Policy { idle_timeout: Some(Duration::MAX), max_age: Some(Duration::MAX), ..policy() };
    let verdict = decide(&pod(), Asked::NotYet, &endless, at("18:00"));
    assert_eq!(verdict, Verdict::Keep { why: Why::Recent, until: Some(Timestamp::MAX) });
}
