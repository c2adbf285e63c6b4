//! An address that has become another pod's: the sidecar there refuses, the spawner says so, sends
//! nothing more there, and finds the user's own pod again.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

use axum::{Router, response::IntoResponse as _};
use edge::{
    serve::{Limits, Listener, serve},
    shutdown::Shutdown,
};
use http::{Method, StatusCode};
use serde_json::{Value, json};

use crate::{
    api_server::ApiServer,
    house::{House, pod_name, ready},
    sidecar,
};

const SERVER: &str = "/-/api/v1/me/server";
const ELSEWHERE: [u8; 4] = [127, 0, 0, 2];

/// Bob's sidecar, which refuses alice; and how often it did.
fn bobs() -> (Router, Arc<AtomicUsize>) {
    let refused = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&refused);
    let refuse = async move || {
        count.fetch_add(1, Ordering::Relaxed);
        (StatusCode::FORBIDDEN, [("openclaw-refused", "other_user")], "no").into_response()
    };
    (Router::new().fallback(refuse), refused)
}

/// A house in which alice's pod seems to be where bob's is, and is elsewhere by now.
async fn mistaken() -> (House, Arc<AtomicUsize>) {
    let (router, refused) = bobs();
    let there = Listener::bind((ELSEWHERE, 0).into(), "alice").await.unwrap();
    let port = there.local_addr().port();
    let here = Listener::bind(([127, 0, 0, 1], port).into(), "bob").await.unwrap();
    for (listener, router) in [(here, router), (there, sidecar::router())] {
        let (_, shutdown) = Shutdown::manual();
        tokio::spawn(serve(listener, None, router, Limits::default(), shutdown));
    }
    let house = House::at_sidecar(ApiServer::new(), port).await;
    house.pods.completed().await;
    house.with_alices_pod().await;
    (house, refused)
}

fn elsewhere() -> Value {
    let mut status = ready();
    status["podIP"] = "127.0.0.2".into();
    status
}

#[tokio::test]
async fn an_address_that_is_anothers_is_named_and_not_asked_again() {
    let (house, refused) = mistaken().await;
    let answer = house.ask(Method::GET, "/chat").await;
    assert_eq!(answer.refused(503), "address_taken");
    assert!(answer.headers.contains_key("retry-after"));
    assert!(!answer.headers.contains_key("openclaw-refused"));
    let server = house.ask(Method::GET, SERVER).await.json();
    assert_eq!((&server["ready"], &server["reason"]), (&json!(false), &json!("address_taken")));

    // It waits for the watch to say where the pod is.
    let waiting = house.ask(Method::PUT, "/chat");
    let kubelet = async {
        house.somebody_waits().await;
        house.api.set_status(&pod_name(), elsewhere());
    };
    let (answer, ()) = tokio::join!(waiting, kubelet);
    assert_eq!(answer.status, StatusCode::OK, "{}", answer.text);
    assert_eq!(refused.load(Ordering::Relaxed), 1, "the token went there once");
    assert_eq!(house.api.count("get pod"), 1, "looked up once");
}

#[tokio::test]
async fn a_watch_that_is_late_is_not_waited_for() {
    let (house, _) = mistaken().await;
    let mut pod = house.api.pod(&pod_name()).unwrap();
    pod["status"] = elsewhere();
    pod["metadata"]["resourceVersion"] = "1000".into();
    house.api.replace_unseen(pod);
    assert_eq!(house.ask(Method::GET, "/chat").await.refused(503), "address_taken");
    let answer = house.ask(Method::PUT, "/chat").await;
    assert_eq!(answer.status, StatusCode::OK, "{}", answer.text);
}

#[tokio::test]
async fn a_pod_that_is_gone_is_not_waited_for_either() {
    let (house, _) = mistaken().await;
    house.api.vanish(&pod_name());
    assert_eq!(house.ask(Method::GET, "/chat").await.refused(503), "address_taken");
    house.until("Stopped").await;
}

#[tokio::test]
async fn a_pod_that_gets_ready_anew_is_believed_again() {
    let (house, refused) = mistaken().await;
    assert_eq!(house.ask(Method::GET, "/chat").await.refused(503), "address_taken");
    // News of the pod that leave it where it was change nothing.
    let mut news = house.follow();
    house.api.set_status(&pod_name(), ready());
    news.changed().await;
    let server = house.ask(Method::GET, SERVER).await.json();
    assert_eq!(server["reason"], "address_taken", "{server}");
    house.api.set_status(&pod_name(), json!({"phase": "Running", "podIP": "127.0.0.1"}));
    house.until("Creating").await;
    house.api.set_status(&pod_name(), ready());
    house.until("Ready").await;
    house.ask(Method::GET, "/chat").await;
    assert_eq!(refused.load(Ordering::Relaxed), 2);
}
