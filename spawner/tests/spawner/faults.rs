//! What goes wrong between the spawner and the API server, and what users notice of it.

use std::time::Duration;

use edge::{
    oidc::testing::{ALICE, BOB},
    readiness::Readiness,
};
use http::{Method, StatusCode};
use serde_json::json;
use spawner::{
    metrics::{Metrics, PodStates},
    watch::{Follow, Pods, Snapshot, follow},
};

use crate::{
    api_server::{ApiServer, NAMESPACE, Next},
    house::{House, alice, alices_pod, bearer, pod_name, pod_of, ready},
};

const SERVER: &str = "/-/api/v1/me/server";

#[tokio::test]
async fn an_api_server_that_is_busy_for_a_moment_is_asked_again_when_it_says_so() {
    let house = House::open().await;
    house.api.next_create(Next::Busy(1));
    let answer = house.ask(Method::POST, SERVER).await;
    assert_eq!(answer.status, StatusCode::ACCEPTED, "{}", answer.text);
    assert_eq!((house.api.count("create pod"), house.api.created().len()), (2, 1));
}

#[tokio::test]
async fn one_that_is_busy_for_long_is_left_alone_and_the_user_is_told_until_when() {
    let house = House::open().await;
    house.api.next_create(Next::Busy(30));
    let answer = house.ask(Method::POST, SERVER).await;
    assert_eq!(answer.refused(503), "cluster_overloaded");
    assert_eq!(answer.headers["retry-after"], "30");
    assert_eq!(house.api.count("create pod"), 1);
}

#[tokio::test]
async fn while_the_api_server_is_down_workspaces_go_on_and_then_nothing_is_listed_anew() {
    let house = House::open().await;
    house.with_alices_pod().await;
    house.stop_api().await;
    assert_eq!(house.ask(Method::GET, "/chat").await.status, StatusCode::OK);
    let bob = bearer(BOB);
    let refused = house.ask_with(Method::POST, SERVER, &[("authorization", &bob)], "").await;
    assert_eq!(refused.refused(503), "cluster_unreachable");
    assert!(refused.headers.contains_key("retry-after"));
    house.api.put(pod_of(BOB, ready()));

    house.start_api().await;
    house.until_of(BOB, "Ready").await;
    let answer = house.ask_with(Method::POST, SERVER, &[("authorization", &bob)], "").await;
    assert_eq!(answer.status, StatusCode::CREATED, "{}", answer.text);
    assert_eq!(house.api.count("list pods"), 1);
}

/// What is known of the pods of `api`, with the watches that keep it up to date.
fn watched(api: &ApiServer) -> Pods {
    let pods = Pods::default();
    tokio::spawn(follow(Follow {
        client: api.client(),
        namespace: NAMESPACE.to_owned(),
        pods: pods.clone(),
        gate: Readiness::new().gate("pods"),
        metrics: Metrics::default(),
        signed_out: None,
    }));
    pods
}

/// The age of the last event, as Prometheus reads it.
fn age(pods: &Pods) -> f64 {
    let mut registry = prometheus_client::registry::Registry::default();
    registry.register_collector(Box::new(PodStates::of(pods.clone())));
    let mut text = String::new();
    prometheus_client::encoding::text::encode(&mut text, &registry).unwrap();
    let age = text
        .lines()
        .find_map(|line| line.strip_prefix("openclaw_spawner_watch_last_event_age_seconds "));
    age.unwrap_or_else(|| panic!("{text}")).parse().unwrap()
}

#[tokio::test(start_paused = true)]
async fn a_watch_that_says_nothing_any_more_is_given_up_and_goes_on_where_it_was() {
    let api = ApiServer::new();
    api.put(alices_pod(json!({"phase": "Pending"})));
    let pods = watched(&api);
    pods.completed().await;
    tokio::time::sleep(Duration::from_secs(10)).await;
    api.fall_silent();
    api.set_status(&pod_name(), ready());
    tokio::time::sleep(Duration::from_secs(30)).await;
    assert!(!pods.of(&alice()).unwrap().pod.unwrap().ready, "nobody can know");
    assert!((39.0..41.0).contains(&age(&pods)), "{}", age(&pods));

    let is_ready = |seen: &Snapshot| seen.status().state.name() == "Ready";
    let seen = pods.follow(&ALICE.parse().unwrap()).until(Duration::from_secs(60), is_ready).await;
    assert!(is_ready(&seen), "{seen:?}");
    assert!(age(&pods) < 1.0);
    assert_eq!(api.count("list pods"), 1);
}
