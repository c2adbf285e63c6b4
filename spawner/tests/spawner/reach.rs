//! Everything outside `/-/`: to the caller's own pod, or a reason why not.

use edge::oidc::testing::{ALICE, BOB};
use futures::{SinkExt as _, StreamExt as _};
use http::{Method, StatusCode};
use serde_json::json;
use tokio::net::TcpListener;
use tokio_tungstenite::tungstenite::{Message, client::IntoClientRequest as _};

use crate::{
    api_server::ApiServer,
    house::{House, alice, alices_pod, bearer, pod_name, ready},
};

const SERVER: &str = "/-/api/v1/me/server";

#[tokio::test]
async fn a_request_reaches_the_own_pod_unchanged_with_the_own_token() {
    let house = House::open().await;
    house.with_alices_pod().await;
    let token = bearer(ALICE);
    let headers = [("authorization", token.as_str()), ("x-forwarded-user", BOB)];
    let answer = house.ask_with(Method::PUT, "/healthz/%2e?a=1&b=%20", &headers, "hello").await;
    assert_eq!(answer.status, StatusCode::OK, "{}", answer.text);
    let seen = json!({
        "method": "PUT", "target": "/healthz/%2e?a=1&b=%20", "authorization": token,
        "x-forwarded-user": null, "body": "hello",
    });
    assert_eq!(answer.json(), seen);
}

#[tokio::test]
async fn nobody_reaches_the_pod_of_another() {
    let house = House::open().await;
    house.with_alices_pod().await;
    let bob = bearer(BOB);
    let answer = house.ask_with(Method::GET, "/chat", &[("authorization", &bob)], "").await;
    assert_eq!(answer.refused(503), "stopped");

    for headers in [&[][..], &[("authorization", "Bearer a.b.c")]] {
        let answer = house.ask_with(Method::GET, "/chat", headers, "").await;
        assert_eq!(answer.status, StatusCode::UNAUTHORIZED, "{}", answer.text);
        assert!(answer.headers.contains_key("www-authenticate"));
    }
}

#[tokio::test]
async fn without_a_pod_the_answer_says_how_to_get_one() {
    let house = House::open().await;
    let answer = house.ask(Method::GET, "/").await;
    assert_eq!(answer.refused(503), "stopped");
    assert!(answer.text.contains(&format!("POST {SERVER}")), "{}", answer.text);
    assert!(house.api.calls().is_empty(), "a request alone starts nothing");
}

#[tokio::test]
async fn a_request_waits_for_the_start_with_its_body_unread() {
    let house = House::open().await;
    house.ask(Method::POST, SERVER).await;
    let token = bearer(ALICE);
    let headers = [("authorization", token.as_str())];
    let held = house.ask_with(Method::POST, "/v1/chat", &headers, "question");
    let kubelet = async {
        house.somebody_waits().await;
        house.get_ready();
    };
    let (answer, ()) = tokio::join!(held, kubelet);
    assert_eq!(answer.json()["body"], "question");
}

#[tokio::test]
async fn so_many_requests_of_one_user_wait_and_no_more() {
    let house = House::open().await;
    house.ask(Method::POST, SERVER).await;
    let waiting: Vec<_> = (0..32).map(|_| house.pods.follow_among(&alice(), 32).unwrap()).collect();
    let answer = house.ask(Method::GET, "/chat").await;
    assert_eq!(answer.refused(429), "too_many_waiting");
    assert!(answer.headers.contains_key("retry-after"));
    drop(waiting);
    house.get_ready();
    assert_eq!(house.ask(Method::GET, "/chat").await.status, StatusCode::OK);
}

#[tokio::test]
async fn who_does_not_want_to_wait_is_told_where_to_look() {
    let house = House::open().await;
    house.ask(Method::POST, SERVER).await;
    let token = bearer(ALICE);
    let headers = [("authorization", token.as_str()), ("prefer", "respond-async, wait=5")];
    let answer = house.ask_with(Method::POST, "/v1/chat", &headers, "").await;
    assert_eq!(answer.status, StatusCode::ACCEPTED, "{}", answer.text);
    assert_eq!(answer.headers["location"], SERVER);
}

#[tokio::test]
async fn waiting_ends_at_once_when_somebody_has_to_act() {
    let house = House::open().await;
    let secret = format!("newapi-key-{ALICE}");
    house.api.put(alices_pod(json!({
        "phase": "Pending",
        "conditions": [
            {"type": "PodScheduled", "status": "True"},
            {"type": "Initialized", "status": "True"},
        ],
        "containerStatuses": [{
            "name": "runtime", "image": "i", "imageID": "", "ready": false, "restartCount": 0,
            "state": {"waiting": {
                "reason": "CreateContainerConfigError",
                "message": format!("secret \"{secret}\" not found"),
            }},
        }],
    })));
    let answer = house.ask(Method::POST, &format!("{SERVER}?wait=60")).await;
    assert_eq!(answer.status, StatusCode::ACCEPTED, "{}", answer.text);
    assert_eq!(answer.json()["reason"], "missing_secret");
    let answer = house.ask(Method::GET, "/chat").await;
    assert_eq!(answer.refused(503), "missing_secret");
    assert!(answer.text.contains(&secret), "{}", answer.text);

    house.api.set_status(&pod_name(), ready());
    let answer = house.ask(Method::POST, &format!("{SERVER}?wait=60")).await;
    assert_eq!(answer.status, StatusCode::CREATED, "it goes on by itself: {}", answer.text);
}

#[tokio::test]
async fn a_websocket_goes_through_both_ways() {
    let pod = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let house = House::at_sidecar(ApiServer::new(), pod.local_addr().unwrap().port()).await;
    house.pods.completed().await;
    house.with_alices_pod().await;
    let echo = async {
        let (stream, _) = pod.accept().await.unwrap();
        let mut socket = tokio_tungstenite::accept_async(stream).await.unwrap();
        let message = socket.next().await.unwrap().unwrap();
        socket.send(message).await.unwrap();
    };
    let talk = async {
        let mut request = format!("ws://{}/socket", house.address).into_client_request().unwrap();
        request.headers_mut().insert("authorization", bearer(ALICE).parse().unwrap());
        let (mut socket, _) = tokio_tungstenite::connect_async(request).await.unwrap();
        socket.send(Message::text("hello")).await.unwrap();
        socket.next().await.unwrap().unwrap()
    };
    let ((), message) = tokio::join!(echo, talk);
    assert_eq!(message, Message::text("hello"));
}

#[tokio::test]
async fn what_is_the_spawners_never_reaches_a_pod() {
    let house = House::open().await;
    house.with_alices_pod().await;
    for path in ["/-/x", "/-/login/", "/-/api/v1/me/server/", "/-/api/v2/me"] {
        assert_eq!(house.ask(Method::GET, path).await.refused(404), "no_such_page", "{path}");
    }
    assert_eq!(house.ask(Method::PUT, SERVER).await.refused(405), "method_not_allowed");
    let version = house.ask_with(Method::GET, "/-/api/v1/version", &[], "").await;
    assert_eq!(version.status, StatusCode::OK, "needs no token");
}
