//! Progress as a stream of events, and the watch behind it.

use edge::oidc::testing::ALICE;
use http::Method;
use prometheus_client::{encoding::text::encode, registry::Registry};
use serde_json::{Value, json};

use crate::house::{Answer, House, alice, bearer, pod_name, ready};

const SERVER: &str = "/-/api/v1/me/server";
const PROGRESS: &str = "/-/api/v1/me/server/progress";

/// The id and the data of each event.
pub(crate) fn events(answer: &Answer) -> Vec<(Option<u64>, Value)> {
    let field = |event: &str, name: &str| {
        event.lines().find_map(|line| line.strip_prefix(name).map(str::to_owned))
    };
    answer
        .text
        .split("\n\n")
        .filter_map(|event| {
            let data = serde_json::from_str(&field(event, "data: ")?).unwrap();
            Some((field(event, "id: ").map(|id| id.parse().unwrap()), data))
        })
        .collect()
}

#[tokio::test]
async fn progress_is_told_until_it_is_ready() {
    let house = House::open().await;
    let listening = house.ask(Method::GET, PROGRESS);
    let starting = async {
        house.ask(Method::POST, SERVER).await;
        house.get_ready();
    };
    let (answer, ()) = tokio::join!(listening, starting);
    assert_eq!(answer.headers["content-type"], "text/event-stream");
    let events = events(&answer);
    let (ids, told): (Vec<_>, Vec<_>) = events.into_iter().unzip();
    let last = told.last().unwrap();
    assert_eq!(
        (&last["progress"], &last["phase"], &last["ready"], &last["url"]),
        (&json!(100), &json!("Ready"), &json!(true), &json!("/"))
    );
    assert!(ids.is_sorted(), "{ids:?}");
    assert!(told.iter().rev().skip(1).all(|step| step.get("ready").is_none()), "{told:?}");
}

#[tokio::test]
async fn a_failure_ends_the_stream_with_its_cause() {
    let house = House::open().await;
    house.ask(Method::POST, SERVER).await;
    house.api.set_status(&pod_name(), json!({"phase": "Failed", "reason": "Evicted"}));
    house.until("Failed").await;
    let answer = house.ask(Method::GET, PROGRESS).await;
    let last = events(&answer).pop().unwrap().1;
    assert_eq!((&last["failed"], &last["reason"]), (&json!(true), &json!("evicted")));
}

#[tokio::test]
async fn who_comes_back_hears_only_what_is_new() {
    let house = House::open().await;
    house.ask(Method::POST, SERVER).await;
    let seen = house.pods.of(&alice()).unwrap().version().to_string();
    let token = bearer(ALICE);
    let headers = [("authorization", token.as_str()), ("last-event-id", seen.as_str())];
    let listening = house.ask_with(Method::GET, PROGRESS, &headers, "");
    let kubelet = async {
        house.somebody_waits().await;
        house.get_ready();
    };
    let (answer, ()) = tokio::join!(listening, kubelet);
    let told = events(&answer);
    assert_eq!(told.len(), 1, "{}", answer.text);
    assert_eq!(told[0].1["phase"], "Ready");
}

#[tokio::test]
async fn a_stream_ends_with_its_replica() {
    let house = House::open().await;
    let listening = house.ask(Method::GET, PROGRESS);
    let leaving = async {
        house.somebody_waits().await;
        house.trigger.drain();
    };
    let (answer, ()) = tokio::join!(listening, leaving);
    assert_eq!(events(&answer).len(), 1, "{}", answer.text);
}

#[tokio::test]
async fn a_cut_watch_goes_on_where_it_was_without_a_list() {
    let house = House::open().await;
    house.ask(Method::POST, SERVER).await;
    house.api.cut_watches();
    house.api.set_status(&pod_name(), ready());
    house.until("Ready").await;
    assert_eq!(house.api.count("list pods"), 1);
}

#[tokio::test]
async fn a_watch_that_is_too_old_lists_again_and_finds_what_is_gone() {
    let house = House::open().await;
    house.with_alices_pod().await;
    house.api.vanish(&pod_name());
    house.api.compact();
    house.api.cut_watches();
    house.until("Stopped").await;
    assert_eq!(house.api.count("list pods"), 2);
}

#[tokio::test]
async fn the_end_of_a_start_is_counted_once_and_names_no_user() {
    let house = House::open().await;
    house.ask(Method::POST, SERVER).await;
    house.ask(Method::POST, SERVER).await;
    house.get_ready();
    house.until("Ready").await;
    let mut registry = Registry::default();
    house.metrics.register(&mut registry);
    let mut text = String::new();
    while !text.contains("openclaw_spawner_start_seconds_count{outcome=\"ready\"} 1") {
        tokio::task::yield_now().await;
        text.clear();
        encode(&mut text, &registry).unwrap();
    }
    assert!(text.contains("openclaw_spawner_starts_total{outcome=\"created\"} 1"), "{text}");
    assert!(text.contains("openclaw_spawner_starts_total{outcome=\"adopted\"} 1"), "{text}");
    assert!(!text.contains(ALICE), "{text}");
}
