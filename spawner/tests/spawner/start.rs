//! Starting: created once, adopted otherwise, and refusals in words.

use edge::oidc::testing::{ALICE, BOB};
use futures::future::join_all;
use http::{Method, StatusCode};
use serde_json::json;

use crate::{
    api_server::{ApiServer, Next},
    house::{House, alices_pod, bearer, home_of, pod_name},
    sidecar,
};

const SERVER: &str = "/-/api/v1/me/server";

#[tokio::test]
async fn a_start_takes_three_writes_and_reads_no_secret() {
    let house = House::open().await;
    house.api.put_home(home_of(ALICE));
    let answer = house.ask(Method::POST, SERVER).await;
    assert_eq!(answer.status, StatusCode::ACCEPTED, "{}", answer.text);
    assert_eq!(answer.headers["location"], SERVER);
    assert!(answer.headers.contains_key("retry-after"));
    let server = answer.json();
    assert_eq!(server["name"], pod_name());
    assert_eq!((&server["ready"], &server["pending"]), (&json!(false), &json!("spawn")));

    let mut calls = house.api.calls();
    assert_eq!(calls.pop().as_deref(), Some("create pod"), "the policy is there before the pod");
    calls.sort();
    assert_eq!(calls, ["apply networkpolicy", "create secret", "get home"]);
    let token = house.api.secret(&pod_name().replace("openclaw-", "openclaw-gateway-")).unwrap();
    assert_eq!(token["stringData"]["OPENCLAW_GATEWAY_TOKEN"].as_str().unwrap().len(), 43);
}

#[tokio::test]
async fn asking_again_changes_nothing() {
    let house = House::open().await;
    house.ask(Method::POST, SERVER).await;
    let writes = house.api.calls();
    assert_eq!(house.ask(Method::POST, SERVER).await.status, StatusCode::ACCEPTED);
    house.get_ready();
    let answer = house.ask(Method::POST, &format!("{SERVER}?wait=60")).await;
    assert_eq!(answer.status, StatusCode::CREATED, "{}", answer.text);
    assert_eq!(answer.json()["state"], "Ready");
    assert_eq!(house.api.calls(), writes, "no call was made");
}

#[tokio::test]
async fn who_waits_is_woken_by_the_watch() {
    let house = House::open().await;
    let path = format!("{SERVER}?wait=60");
    let waiting = house.ask(Method::POST, &path);
    let kubelet = async {
        house.api.saw("create pod").await;
        house.get_ready();
    };
    let (answer, ()) = tokio::join!(waiting, kubelet);
    assert_eq!(answer.status, StatusCode::CREATED, "{}", answer.text);
    assert_eq!(house.api.count("get pod"), 0, "nobody polls");
}

#[tokio::test]
async fn many_first_requests_make_one_pod() {
    let house = House::open().await;
    let answers = join_all((0..50).map(|_| house.ask(Method::POST, SERVER))).await;
    assert!(answers.iter().all(|answer| answer.status == StatusCode::ACCEPTED));
    let calls = house.api.calls();
    assert_eq!(calls.iter().filter(|call| call.starts_with("create")).count(), 3, "{calls:?}");
    assert_eq!(calls.len(), 5, "{calls:?}");
}

#[tokio::test]
async fn the_pod_of_a_faster_replica_is_adopted() {
    let house = House::open().await;
    house.api.next_create(Next::Lost);
    let answer = house.ask(Method::POST, SERVER).await;
    assert_eq!(answer.status, StatusCode::ACCEPTED, "{}", answer.text);
    assert_eq!(answer.json()["name"], pod_name());
    assert_eq!((house.api.count("create pod"), house.api.count("delete pod")), (1, 0));
}

#[tokio::test]
async fn a_pod_of_the_name_without_the_label_is_not_adopted() {
    let house = House::open().await;
    let mut pod = alices_pod(json!({}));
    pod["metadata"]["labels"] = json!({});
    house.api.put_unseen(pod);
    let answer = house.ask(Method::POST, SERVER).await;
    assert_eq!(answer.refused(409), "name_taken");
    assert!(answer.text.contains(&pod_name()), "{}", answer.text);
    assert_eq!(house.api.count("delete pod"), 0);
}

#[tokio::test]
async fn an_evicted_pod_makes_room_for_a_new_one() {
    let house = House::open().await;
    house.ask(Method::POST, SERVER).await;
    let evicted = house.api.pod(&pod_name()).unwrap()["metadata"]["uid"].clone();
    house.api.set_status(&pod_name(), json!({"phase": "Failed", "reason": "Evicted"}));
    house.until("Failed").await;
    let starting = house.ask(Method::POST, SERVER);
    let kubelet = async {
        house.api.saw("delete pod").await;
        house.api.remove(&pod_name());
    };
    let (answer, ()) = tokio::join!(starting, kubelet);
    assert_eq!(answer.status, StatusCode::ACCEPTED, "{}", answer.text);
    assert_ne!(house.api.pod(&pod_name()).unwrap()["metadata"]["uid"], evicted);
}

#[tokio::test]
async fn a_refusal_says_what_is_wrong_and_who_can_help() {
    let house = House::open().await;
    for (code, message, status, reason, words) in [
        (
            403,
            "pods is forbidden: exceeded quota: pods, used: pods=5, limited: pods=5",
            403,
            "quota",
            "exceeded quota",
        ),
        (
            403,
            "pods is forbidden: User \"spawner\" cannot create resource \"pods\" in API group \"\"",
            500,
            "spawner_forbidden",
            "verb `create` on `pods`",
        ),
        (
            422,
            "ValidatingAdmissionPolicy 'p' with binding 'p' denied request: not without `use`",
            403,
            "admission_denied",
            "not without `use`",
        ),
        (500, "failed calling webhook \"pods\": refused", 503, "webhook_unavailable", "webhook"),
        (500, "etcdserver: request timed out", 503, "cluster_error", "API server failed"),
    ] {
        house.api.next_create(Next::Refused(code, message));
        let answer = house.ask(Method::POST, SERVER).await;
        assert_eq!(answer.refused(status), reason, "{}", answer.text);
        assert!(answer.json()["detail"].as_str().unwrap().contains(words), "{}", answer.text);
        assert_eq!(status == 503, answer.headers.contains_key("retry-after"), "{}", answer.text);
    }
    assert!(house.api.pod(&pod_name()).is_none());
}

#[tokio::test]
async fn before_the_first_list_nothing_is_claimed() {
    for code in [403, 500] {
        let api = ApiServer::new();
        api.refuse_lists(Some(code));
        let house = House::with(api, sidecar::router()).await;
        for (method, path) in
            [(Method::POST, SERVER), (Method::GET, SERVER), (Method::GET, "/chat")]
        {
            assert_eq!(house.ask(method, path).await.refused(503), "warming_up");
        }
        house.api.refuse_lists(None);
        house.pods.completed().await;
        assert_eq!(house.ask(Method::GET, SERVER).await.json()["state"], "Stopped");
    }
}

#[tokio::test]
async fn everybody_sees_the_own_server_only() {
    let house = House::open().await;
    house.with_alices_pod().await;
    let bob = bearer(BOB);
    let answer = house.ask_with(Method::GET, SERVER, &[("authorization", &bob)], "").await;
    assert_eq!(answer.json()["state"], "Stopped");
    let answer = house.ask_with(Method::GET, "/-/api/v1/me", &[("authorization", &bob)], "").await;
    assert_eq!(answer.json()["name"], BOB);
    assert_eq!(house.ask(Method::GET, SERVER).await.json()["state"], "Ready");
}

#[tokio::test]
async fn a_query_that_is_not_understood_is_refused_before_anything_is_done() {
    let house = House::open().await;
    for query in ["?wiat=5", "?wait=soon", "?wait=-1"] {
        let answer = house.ask(Method::POST, &format!("{SERVER}{query}")).await;
        assert_eq!(answer.refused(400), "bad_query");
    }
    assert!(house.api.calls().is_empty());
}
