//! Sleep: who is put to sleep, who is not, and by which replica.

use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use axum::{
    Json, Router,
    routing::{get, post},
};
use edge::{
    oidc::testing::{ALICE, BOB},
    readiness::Readiness,
    shutdown::Shutdown,
};
use http::{Method, StatusCode};
use serde_json::{Value, json};
use spawner::{
    cluster::Cluster,
    metrics::Metrics,
    reap::{CooperativeSleep, Policy, Reaper, Sidecars},
    watch::{Follow, Pods, follow},
};
use tokio::time::Instant;

use crate::{
    api_server::{ApiServer, NAMESPACE},
    audit::Log,
    house::{House, alice, alices_pod, awake, pod_name, pod_of, ready},
};

const SERVER: &str = "/-/api/v1/me/server";
const TIMEOUT: Duration = Duration::from_secs(600);

/// A sidecar that says what it is told to say, and how often it was asked.
#[derive(Clone)]
struct Sidecar {
    says: Arc<Mutex<Vec<Value>>>,
    asked: Arc<Mutex<usize>>,
    /// What its runtime says about sleep; none is a sidecar that cannot be asked.
    agreement: Arc<Mutex<Option<Value>>>,
    /// How often the runtime was asked, and how often it was told to go on.
    told: Arc<Mutex<(usize, usize)>>,
}

impl Sidecar {
    /// Says this, one after the other; the last for ever.
    fn saying(says: &[Value]) -> Self {
        let says = Arc::new(Mutex::new(says.to_vec()));
        Self { says, asked: Arc::default(), agreement: Arc::default(), told: Arc::default() }
    }

    /// The same with a runtime that says this about sleep.
    fn and_its_runtime(self, agreement: Value) -> Self {
        *self.agreement.lock().unwrap() = Some(agreement);
        self
    }

    fn told(&self) -> (usize, usize) {
        *self.told.lock().unwrap()
    }

    fn router(&self) -> Router {
        let sidecar = self.clone();
        let answer = async move || {
            *sidecar.asked.lock().unwrap() += 1;
            let mut says = sidecar.says.lock().unwrap();
            Json(if says.len() > 1 { says.remove(0) } else { says[0].clone() })
        };
        let asked = self.clone();
        let agree = async move || {
            asked.told.lock().unwrap().0 += 1;
            asked.agreement.lock().unwrap().clone().map(Json).ok_or(StatusCode::NOT_FOUND)
        };
        let sidecar = self.clone();
        let go_on = async move || {
            sidecar.told.lock().unwrap().1 += 1;
            StatusCode::NO_CONTENT
        };
        Router::new().route("/activity", get(answer)).route("/sleep", post(agree).delete(go_on))
    }

    fn asked(&self) -> usize {
        *self.asked.lock().unwrap()
    }
}

fn report(last: &str, inflight: usize) -> Value {
    json!({
        "now": "2026-11-23T20:00:00Z", "last_client_activity": last, "last_data_frame": null,
        "inflight": inflight, "ws_open": 0,
    })
}

fn unused() -> Value {
    report("2026-11-23T12:00:00Z", 0)
}

fn used() -> Value {
    report("2026-11-23T19:59:00Z", 0)
}

fn rules() -> Policy {
    Policy { idle_timeout: Some(TIMEOUT), ..awake() }
}

/// Alice's pod, ready for long.
fn old_pod() -> Value {
    old_pod_of(ALICE)
}

fn old_pod_of(user: &str) -> Value {
    let mut pod = pod_of(user, ready());
    for condition in pod["status"]["conditions"].as_array_mut().unwrap() {
        condition["lastTransitionTime"] = "2020-01-01T00:00:00Z".into();
    }
    pod["metadata"]["creationTimestamp"] = "2020-01-01T00:00:00Z".into();
    pod
}

async fn house(sidecar: &Sidecar, pod: Value) -> House {
    let api = ApiServer::new();
    api.put(pod);
    House::sleeping(api, sidecar.router(), rules()).await
}

/// Waits until the metrics say so.
async fn counted(house: &House, line: &str) {
    let mut registry = prometheus_client::registry::Registry::default();
    house.metrics.register(&mut registry);
    let mut text = String::new();
    let looking = async {
        while !text.contains(line) {
            tokio::task::yield_now().await;
            text.clear();
            prometheus_client::encoding::text::encode(&mut text, &registry).unwrap();
        }
    };
    // What does not come in this time does not come.
    let found = tokio::time::timeout(Duration::from_secs(20), looking).await;
    assert!(found.is_ok(), "{line}");
}

#[tokio::test]
async fn an_unused_workspace_sleeps_and_says_why() {
    let (log, _guard) = Log::begin();
    let sidecar = Sidecar::saying(&[unused()]);
    let house = house(&sidecar, old_pod()).await;
    house.until("Suspending").await;
    log.until("sleep", "idle").await;
    let told = &log.of("sleep")[0];
    assert_eq!((&told["user"], &told["by"]), (&json!(ALICE), &json!("spawner")));
    let pod = house.api.pod(&pod_name()).unwrap();
    assert_eq!(pod["metadata"]["annotations"]["catalyst.openova.io/openclaw-stop-reason"], "idle");
    house.api.saw("annotate networkpolicy").await;
    assert_eq!(house.api.calls(), ["annotate pod", "delete pod", "annotate networkpolicy"]);
    house.api.remove(&pod_name());
    house.until("Stopped").await;
    let server = house.ask(Method::GET, SERVER).await.json();
    assert_eq!(server["last_stop"]["reason"], "idle", "{server}");
    assert!(server["message"].as_str().unwrap().contains("put to sleep"), "{server}");

    house.stop.drain();
    while house.api.leases.holder().is_some() {
        tokio::task::yield_now().await;
    }
    house.ask(Method::POST, SERVER).await;
    let pod = house.api.pod(&pod_name()).unwrap();
    assert!(
        pod["metadata"]["annotations"].get("catalyst.openova.io/openclaw-stop-reason").is_none()
    );
}

#[tokio::test]
async fn a_runtime_that_agrees_is_put_to_sleep_and_not_told_to_go_on() {
    let sidecar = Sidecar::saying(&[unused()]).and_its_runtime(json!({"status": "ready"}));
    let house = house(&sidecar, old_pod()).await;
    house.until("Suspending").await;
    assert_eq!(sidecar.told(), (1, 0));
}

#[tokio::test]
async fn a_runtime_at_work_stays_awake_whatever_its_client_does() {
    let busy = json!({"status": "busy", "blockers": ["cron-run"]});
    let sidecar = Sidecar::saying(&[unused()]).and_its_runtime(busy);
    let house = house(&sidecar, old_pod()).await;
    counted(&house, "spawner_reap_skipped_total{why=\"working\"} 1").await;
    assert!(house.api.calls().is_empty(), "{:?}", house.api.calls());
    assert_eq!(sidecar.told(), (1, 0), "it never agreed, so it need not be told to go on");
}

#[tokio::test]
async fn a_client_who_comes_after_the_runtime_agreed_wins() {
    let sidecar = Sidecar::saying(&[unused(), used()]).and_its_runtime(json!({"status": "ready"}));
    let house = house(&sidecar, old_pod()).await;
    counted(&house, "spawner_reap_skipped_total{why=\"recent\"} 1").await;
    while sidecar.told() != (1, 1) {
        tokio::task::yield_now().await;
    }
    assert_eq!(house.api.count("delete pod"), 0);
}

#[tokio::test]
async fn a_runtime_that_has_to_agree_and_does_not_answer_stays_awake() {
    let sidecar = Sidecar::saying(&[unused()]);
    let api = ApiServer::new();
    api.put(old_pod());
    let rules = Policy { cooperation: CooperativeSleep::Required, ..rules() };
    let house = House::sleeping(api, sidecar.router(), rules).await;
    counted(&house, "spawner_reap_skipped_total{why=\"silent\"} 1").await;
    assert!(house.api.calls().is_empty(), "{:?}", house.api.calls());
}

#[tokio::test]
async fn a_workspace_in_use_stays_and_is_not_asked_again_and_again() {
    let sidecar = Sidecar::saying(&[used()]);
    let house = house(&sidecar, old_pod()).await;
    counted(&house, "openclaw_spawner_reap_skipped_total{why=\"recent\"} 1").await;
    // Another candidate shows that a further round was made.
    house.api.put(old_pod_of(BOB));
    counted(&house, "openclaw_spawner_reap_skipped_total{why=\"recent\"} 2").await;
    assert_eq!(sidecar.asked(), 2, "once for each");
    assert!(house.api.calls().is_empty(), "{:?}", house.api.calls());
}

#[tokio::test]
async fn a_young_workspace_is_not_even_asked() {
    let sidecar = Sidecar::saying(&[unused()]);
    let mut young = old_pod();
    let now = k8s_openapi::jiff::Timestamp::now().to_string();
    for condition in young["status"]["conditions"].as_array_mut().unwrap() {
        condition["lastTransitionTime"] = now.clone().into();
    }
    let house = house(&sidecar, young).await;
    house.until("Ready").await;
    while house.api.leases.holder().is_none() {
        tokio::task::yield_now().await;
    }
    assert_eq!(sidecar.asked(), 0);
}

#[tokio::test]
async fn who_comes_at_the_last_moment_wins() {
    let sidecar = Sidecar::saying(&[unused(), used()]);
    let house = house(&sidecar, old_pod()).await;
    counted(&house, "openclaw_spawner_reap_skipped_total{why=\"recent\"} 1").await;
    house.api.saw("annotate pod").await;
    while house.api.count("annotate pod") < 2 {
        tokio::task::yield_now().await;
    }
    let pod = house.api.pod(&pod_name()).unwrap();
    let annotations = pod["metadata"]["annotations"].as_object().unwrap();
    assert!(!annotations.contains_key("catalyst.openova.io/openclaw-stop-reason"), "{pod}");
    assert_eq!(house.api.count("delete pod"), 0);
}

#[tokio::test]
async fn what_happens_to_the_pod_after_the_last_look_wins() {
    let api = ApiServer::new();
    api.put(old_pod());
    let kubelet = api.clone();
    let asked = Arc::new(Mutex::new(0));
    let answer = async move || {
        let mut asked = asked.lock().unwrap();
        *asked += 1;
        if *asked % 2 == 0 {
            // As a request to keep it awake would, this makes it another version.
            kubelet.set_status(&pod_name(), old_pod()["status"].clone());
        }
        Json(unused())
    };
    let sidecar = Router::new().route("/activity", get(answer));
    let house = House::sleeping(api, sidecar, rules()).await;
    counted(&house, "openclaw_spawner_reap_skipped_total{why=\"changed\"} 1").await;
    assert!(house.api.pod(&pod_name()).unwrap()["metadata"].get("deletionTimestamp").is_none());
}

#[tokio::test]
async fn the_next_replica_follows_one_that_was_shut_down_at_once() {
    let api = ApiServer::new();
    let sidecar = Sidecar::saying(&[unused()]);
    let first = House::sleeping(api.clone(), sidecar.router(), rules()).await;
    let holder = async || {
        loop {
            if let Some(holder) = api.leases.holder() {
                return holder;
            }
            tokio::task::yield_now().await;
        }
    };
    let before = holder().await;
    first.stop.drain();
    while api.leases.holder().is_some() {
        tokio::task::yield_now().await;
    }
    let _second = House::sleeping(api.clone(), sidecar.router(), rules()).await;
    assert_ne!(holder().await, before);
}

/// A reaper that talks to `api` without a socket, so that time can be paused.
fn reaper(api: &ApiServer) -> (Reaper, Metrics) {
    let (metrics, pods) = (Metrics::default(), Pods::default());
    let client = api.client();
    let watches = Follow {
        client: client.clone(),
        namespace: NAMESPACE.to_owned(),
        pods: pods.clone(),
        gate: Readiness::new().gate("pods"),
        metrics: metrics.clone(),
        signed_out: None,
    };
    tokio::spawn(follow(watches));
    let reaper = Reaper {
        cluster: Cluster::new(client, NAMESPACE, metrics.clone()),
        pods,
        sidecars: Sidecars::at(1).unwrap(),
        policy: rules(),
        sweeps: true,
        interval: Duration::from_secs(30),
        metrics: metrics.clone(),
    };
    (reaper, metrics)
}

async fn until_it_reaps(metrics: &Metrics) {
    while metrics.leader.get() == 0 {
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

#[tokio::test(start_paused = true)]
async fn of_two_replicas_one_reaps_and_the_other_follows_within_20_seconds() {
    let api = ApiServer::new();
    let ((one, of_one), (two, of_two)) = (reaper(&api), reaper(&api));
    let (_stop, shutdown) = Shutdown::manual();
    let running = tokio::spawn(one.run(shutdown.clone()));
    until_it_reaps(&of_one).await;
    tokio::spawn(two.run(shutdown));
    tokio::time::sleep(Duration::from_secs(300)).await;
    assert_eq!((of_one.leader.get(), of_two.leader.get()), (1, 0), "renewed in time, every time");

    running.abort();
    let killed = Instant::now();
    until_it_reaps(&of_two).await;
    let took = killed.elapsed();
    assert!((8..=20).contains(&took.as_secs()), "{took:?}, of paused time");
}

#[tokio::test(start_paused = true)]
async fn a_holder_whose_clock_is_ahead_is_followed_all_the_same() {
    let api = ApiServer::new();
    api.leases.held_by_another();
    let (reaper, metrics) = reaper(&api);
    let (_stop, shutdown) = Shutdown::manual();
    let begun = Instant::now();
    tokio::spawn(reaper.run(shutdown));
    until_it_reaps(&metrics).await;
    assert!((12..=20).contains(&begun.elapsed().as_secs()), "{:?}", begun.elapsed());
}

#[tokio::test]
async fn a_policy_without_a_pod_is_swept_and_nothing_else_is() {
    let api = ApiServer::new();
    let policy = |name: &str, started: &str| {
        api.put_policy(
            name,
            json!({"metadata": {
                "name": name, "creationTimestamp": "2020-01-01T00:00:00Z",
                "annotations": {"catalyst.openova.io/openclaw-started": started},
            }}),
        );
    };
    let (old, now) = ("2020-01-01T00:00:00Z", k8s_openapi::jiff::Timestamp::now().to_string());
    let of = |digit: char| {
        format!("openclaw-{}", digit.to_string().repeat(8) + "-2222-4333-8444-555555555555")
    };
    policy(&of('3'), old);
    policy(&of('4'), &now);
    policy(&pod_name(), old);
    api.put(alices_pod(ready()));
    let sidecar = Sidecar::saying(&[used()]);
    let house = House::sleeping(api, sidecar.router(), awake()).await;
    house.api.saw("delete networkpolicy").await;
    assert!(house.api.policy(&of('3')).is_none());
    assert!(house.api.policy(&of('4')).is_some(), "a start needs it");
    assert!(house.api.policy(&pod_name()).is_some(), "its pod is there");
    assert_eq!(house.api.count("delete networkpolicy"), 1);
    assert!(house.pods.of(&alice()).unwrap().pod.is_some());
}
