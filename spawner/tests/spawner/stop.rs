//! Stopping: the pod that was meant, and no other.

use http::{Method, StatusCode};
use serde_json::json;

use crate::house::{House, alices_pod, pod_name};

const SERVER: &str = "/-/api/v1/me/server";

#[tokio::test]
async fn a_stop_is_under_way_until_the_pod_is_gone() {
    let house = House::open().await;
    house.with_alices_pod().await;
    let answer = house.ask(Method::DELETE, SERVER).await;
    assert_eq!(answer.status, StatusCode::ACCEPTED, "{}", answer.text);
    assert_eq!(
        (&answer.json()["state"], &answer.json()["pending"]),
        (&json!("Stopping"), &json!("stop"))
    );

    let answer = house.ask(Method::POST, SERVER).await;
    assert_eq!(answer.refused(409), "stopping");
    assert!(answer.headers.contains_key("retry-after"));
    assert_eq!(house.ask(Method::GET, "/chat").await.refused(503), "stopping");

    let path = format!("{SERVER}?wait=60");
    let waiting = house.ask(Method::DELETE, &path);
    let kubelet = async { house.api.remove(&pod_name()) };
    let (answer, ()) = tokio::join!(waiting, kubelet);
    assert_eq!(answer.status, StatusCode::NO_CONTENT, "{}", answer.text);
    assert_eq!(house.api.count("delete pod"), 1, "asking again deletes nothing");
    assert_eq!(house.ask(Method::DELETE, SERVER).await.status, StatusCode::NO_CONTENT);
}

#[tokio::test]
async fn a_stop_calls_off_a_start() {
    let house = House::open().await;
    house.ask(Method::POST, SERVER).await;
    assert_eq!(house.ask(Method::DELETE, SERVER).await.status, StatusCode::ACCEPTED);
    assert!(house.api.pod(&pod_name()).unwrap()["metadata"]["deletionTimestamp"].is_string());
}

#[tokio::test]
async fn a_start_that_the_watch_has_not_brought_is_stopped_too() {
    let house = House::open().await;
    house.api.put_unseen(alices_pod(json!({"phase": "Pending"})));
    let answer = house.ask(Method::DELETE, SERVER).await;
    assert_eq!(answer.status, StatusCode::ACCEPTED, "{}", answer.text);
    assert_eq!(house.api.count("delete pod"), 1);
}
