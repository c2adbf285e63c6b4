//! The API beyond the plain start and stop: operators, restarts, limits, images, staying awake.

use std::time::Duration;

use edge::oidc::{
    UnixTime,
    testing::{ALICE, BOB, Idp, claims, with},
};
use http::{Method, StatusCode};
use k8s_openapi::jiff::Timestamp;
use serde_json::{Value, json};
use spawner::servers::ServerLimitArgs;

use crate::{
    api_server::ApiServer,
    house::{Answer, House, ISSUER, alices_pod, bearer, home_of, pod_name, pod_of, ready},
};

const SERVER: &str = "/-/api/v1/me/server";
const USERS: &str = "/-/api/v1/users";
const CAROL: &str = "33333333-2222-4333-8444-555555555555";

/// `Authorization` of carol, who has these realm roles.
fn carol(roles: &[&str]) -> String {
    let roles = json!({"realm_access": {"roles": roles}});
    let claims = with(claims(ISSUER, CAROL, UnixTime::now()), roles);
    format!("Bearer {}", Idp::shared().token(&claims))
}

async fn operate(house: &House, method: Method, path: &str) -> Answer {
    let operator = carol(&["user", "openclaw-operator"]);
    house.ask_with(method, path, &[("authorization", &operator)], "").await
}

async fn ask_body(house: &House, path: &str, body: &str) -> Answer {
    let token = bearer(ALICE);
    house.ask_with(Method::POST, path, &[("authorization", &token)], body).await
}

fn alices() -> String {
    format!("{USERS}/{ALICE}/server")
}

fn alices_home() -> String {
    format!("{USERS}/{ALICE}/home")
}

#[tokio::test]
async fn only_the_role_in_a_bearer_token_makes_an_operator() {
    let house = House::open().await;
    house.with_alices_pod().await;
    let ordinary = carol(&["openclaw-operators", "offline_access"]);
    for (method, path) in [
        (Method::GET, USERS.to_owned()),
        (Method::GET, alices()),
        (Method::POST, alices()),
        (Method::DELETE, alices()),
        (Method::POST, alices() + "/restart"),
        (Method::GET, alices_home()),
        (Method::DELETE, format!("{}?confirm={ALICE}", alices_home())),
        (Method::GET, alices() + "/progress"),
        (Method::POST, alices() + "/activity"),
    ] {
        for (headers, status) in [
            (&[("authorization", ordinary.as_str())][..], 403),
            (&[("authorization", "Bearer a.b.c")], 401),
            (&[("cookie", "__Host-openclaw-session-0=x")], 401),
            (&[], 401),
        ] {
            let answer = house.ask_with(method.clone(), &path, headers, "").await;
            assert_eq!(answer.status, status, "{method} {path} {headers:?}: {}", answer.text);
        }
        let answer = house.ask_with(method, &path, &[("authorization", &ordinary)], "").await;
        assert_eq!(answer.refused(403), "operator_only");
    }
    assert!(house.api.calls().is_empty(), "{:?}", house.api.calls());
}

#[tokio::test]
async fn an_operator_sees_and_stops_the_server_of_another() {
    let house = House::open().await;
    house.with_alices_pod().await;
    assert_eq!(operate(&house, Method::GET, &alices()).await.json()["state"], "Ready");
    let answer = operate(&house, Method::DELETE, &alices()).await;
    assert_eq!(answer.status, StatusCode::ACCEPTED, "{}", answer.text);
    assert_eq!(answer.headers["location"], alices().as_str());
    house.api.remove(&pod_name());
    house.until("Stopped").await;
    let last = house.ask(Method::GET, SERVER).await.json()["last_stop"].clone();
    assert_eq!((&last["reason"], &last["by"]), (&json!("admin"), &json!(CAROL)));

    let answer = operate(&house, Method::POST, &alices()).await;
    assert_eq!(answer.status, StatusCode::ACCEPTED, "{}", answer.text);
    assert_eq!(answer.json()["name"], pod_name());
    let nobodys = operate(&house, Method::DELETE, &format!("{USERS}/{BOB}/server")).await;
    assert_eq!(nobodys.status, StatusCode::NO_CONTENT);
    let odd = operate(&house, Method::DELETE, &format!("{USERS}/..%2f{BOB}/server")).await;
    assert_eq!(odd.refused(400), "bad_user");
}

#[tokio::test]
async fn an_operator_deletes_the_home_of_another_by_naming_the_user_twice() {
    let house = House::open().await;
    house.api.put_home(home_of(ALICE));
    house.with_alices_pod().await;
    assert_eq!(operate(&house, Method::GET, &alices_home()).await.json()["state"], "Pending");
    for query in ["", "?confirm=yes", &format!("?confirm={CAROL}")] {
        let answer = operate(&house, Method::DELETE, &(alices_home() + query)).await;
        assert_eq!(answer.status, 400, "{query}: {}", answer.text);
    }
    assert_eq!(house.api.count("delete home"), 0);
    let path = format!("{}?confirm={ALICE}", alices_home());
    let answer = operate(&house, Method::DELETE, &path).await;
    assert_eq!(answer.status, StatusCode::ACCEPTED, "{}", answer.text);
    assert_eq!(answer.location(), alices_home());
    house.api.remove(&pod_name());
    house.until("Stopped").await;
    let last = house.ask(Method::GET, SERVER).await.json()["last_stop"].clone();
    assert_eq!((&last["reason"], &last["by"]), (&json!("admin"), &json!(CAROL)));
}

#[tokio::test]
async fn the_list_has_pages_and_a_filter() {
    let api = ApiServer::new();
    for user in [ALICE, BOB] {
        api.put(pod_of(user, ready()));
    }
    api.put(pod_of(CAROL, json!({"phase": "Pending"})));
    let house = House::with_api(api).await;
    let list = async |query: &str| operate(&house, Method::GET, &format!("{USERS}{query}")).await;
    let users = |page: &Value| -> Vec<String> {
        let items = page["items"].as_array().unwrap();
        items.iter().map(|item| item["user"].as_str().unwrap().to_owned()).collect()
    };
    let first = list("?limit=2").await.json();
    assert_eq!(users(&first), [ALICE, CAROL]);
    let next = list(&format!("?limit=2&continue={}", first["continue"].as_str().unwrap())).await;
    assert_eq!(users(&next.json()), [BOB]);
    assert!(next.json().get("continue").is_none());
    assert_eq!(users(&list("?state=Creating").await.json()), [CAROL]);
    assert_eq!(users(&list("?state=Failed").await.json()), [""; 0]);
    for query in ["?state=ready", "?limit=0", "?limit=501", "?continue=x", "?page=2"] {
        assert_eq!(list(query).await.status, 400, "{query}");
    }
}

#[tokio::test]
async fn a_restart_stops_and_starts() {
    let house = House::open().await;
    house.with_alices_pod().await;
    let before = house.api.pod(&pod_name()).unwrap()["metadata"]["uid"].clone();
    let answer = house.ask(Method::POST, &format!("{SERVER}/restart")).await;
    assert_eq!(answer.status, StatusCode::ACCEPTED, "{}", answer.text);
    assert_eq!(answer.json()["state"], "Stopping");
    assert_eq!(house.api.count("create pod"), 0, "not before the old one is gone");
    house.api.remove(&pod_name());
    house.api.saw("create pod").await;
    assert_ne!(house.api.pod(&pod_name()).unwrap()["metadata"]["uid"], before);
}

#[tokio::test]
async fn who_comes_when_it_is_full_gets_a_place_and_a_time() {
    let api = ApiServer::new();
    api.put(pod_of(BOB, json!({"phase": "Pending"})));
    let limits = ServerLimitArgs { max_starting: Some(1), max_running: None };
    let house = House::limited(api, limits).await;
    let answer = house.ask(Method::POST, SERVER).await;
    assert_eq!(answer.refused(429), "too_many_starting");
    assert!(answer.headers.contains_key("retry-after"));
    assert!(answer.json()["detail"].as_str().unwrap().contains("number 1"), "{}", answer.text);
    let answer = operate(&house, Method::POST, &format!("{USERS}/{CAROL}/server")).await;
    assert!(answer.json()["detail"].as_str().unwrap().contains("number 2"), "{}", answer.text);
    assert_eq!(house.ask(Method::GET, SERVER).await.json()["queue"]["position"], 1);
    assert!(house.api.calls().is_empty(), "nothing was created: {:?}", house.api.calls());

    // Bob's is ready: there is room for one, and alice is ahead of carol.
    house.api.set_status(&format!("openclaw-{BOB}"), ready());
    house.until_of(BOB, "Ready").await;
    let answer = operate(&house, Method::POST, &format!("{USERS}/{CAROL}/server")).await;
    assert_eq!(answer.refused(429), "too_many_starting");
    assert_eq!(house.ask(Method::POST, SERVER).await.status, StatusCode::ACCEPTED);
    let seen = house.ask(Method::POST, SERVER).await;
    assert_eq!(seen.status, StatusCode::ACCEPTED, "what is there needs no room");
}

#[tokio::test]
async fn only_an_image_of_the_list_is_started() {
    let house = House::open().await;
    let answer = ask_body(&house, SERVER, r#"{"image": "evil.example/miner:1"}"#).await;
    assert_eq!(answer.refused(403), "image_not_allowed");
    for body in [r#"{"image": 1}"#, r#"{"imgae": "x"}"#, "[", "null"] {
        assert_eq!(ask_body(&house, SERVER, body).await.refused(400), "bad_body", "{body}");
    }
    assert!(house.api.calls().is_empty(), "{:?}", house.api.calls());
    let chosen = r#"{"image": "registry.example/aider:1"}"#;
    let answer = ask_body(&house, SERVER, chosen).await;
    assert_eq!(answer.status, StatusCode::ACCEPTED, "{}", answer.text);
    assert_eq!(answer.json()["template"]["outdated"], false);
    let pod = house.api.pod(&pod_name()).unwrap();
    assert_eq!(pod["spec"]["containers"][0]["image"], "registry.example/aider:1");
    assert_eq!(ask_body(&house, SERVER, chosen).await.status, StatusCode::ACCEPTED);
}

#[tokio::test]
async fn a_pod_of_another_template_is_told_and_not_taken_for_a_chosen_image() {
    let house = House::open().await;
    let mut pod = alices_pod(ready());
    pod["metadata"]["annotations"]["catalyst.openova.io/openclaw-template"] = "0123".into();
    house.api.put(pod);
    house.until("Ready").await;
    let server = house.ask(Method::GET, SERVER).await.json();
    assert_eq!(server["template"], json!({"hash": "0123", "outdated": true}));
    let answer = ask_body(&house, SERVER, r#"{"image": "registry.example/aider:1"}"#).await;
    assert_eq!(answer.refused(409), "other_image");
    assert_eq!(house.ask(Method::POST, SERVER).await.status, StatusCode::CREATED);
}

#[tokio::test]
async fn a_server_is_kept_awake_with_an_end() {
    let house = House::open().await;
    let path = format!("{SERVER}/activity");
    let until = |minutes: i64| {
        let at = Timestamp::now() + Duration::from_secs((minutes * 60).unsigned_abs());
        json!({"busyUntil": at.to_string(), "reason": "nightly build"}).to_string()
    };
    assert_eq!(ask_body(&house, &path, &until(30)).await.refused(409), "stopped");
    house.with_alices_pod().await;
    assert_eq!(ask_body(&house, &path, &until(61)).await.refused(400), "bad_body");
    for body in ["{}", r#"{"busyUntil": "tomorrow"}"#, r#"{"busyUntil": 5}"#, ""] {
        assert_eq!(ask_body(&house, &path, body).await.refused(400), "bad_body", "{body}");
    }
    let answer = ask_body(&house, &path, &until(30)).await;
    assert_eq!(answer.status, StatusCode::NO_CONTENT, "{}", answer.text);
    let pod = house.api.pod(&pod_name()).unwrap();
    let annotations = &pod["metadata"]["annotations"];
    assert_eq!(annotations["catalyst.openova.io/openclaw-busy-reason"], "nightly build");
    let busy = |seen: &spawner::watch::Snapshot| seen.pod.as_ref().unwrap().busy.is_some();
    house.follow().until(Duration::from_secs(60), busy).await;
    let activity = house.ask(Method::GET, SERVER).await.json()["activity"].clone();
    assert_eq!((&activity["kind"], &activity["source"]), (&json!("busy"), &json!("nightly build")));
}

#[tokio::test]
async fn the_document_names_every_method_and_no_other() {
    let house = House::open().await;
    let document = house.ask_with(Method::GET, "/-/api/v1/openapi.json", &[], "").await.json();
    for (path, item) in document["paths"].as_object().unwrap() {
        let real = format!("/-/api/v1{}", path.replace("{user}", BOB));
        let answer = house.ask(Method::PATCH, &real).await;
        assert_eq!(answer.refused(405), "method_not_allowed", "{path}");
        let allowed = answer.headers["allow"].to_str().unwrap().to_lowercase();
        let mut allowed: Vec<&str> = allowed.split(',').filter(|name| *name != "head").collect();
        let described = item.as_object().unwrap().keys().map(String::as_str);
        let mut described: Vec<&str> = described.filter(|name| *name != "parameters").collect();
        allowed.sort_unstable();
        described.sort_unstable();
        assert_eq!(allowed, described, "{path}");
    }
}

#[tokio::test]
async fn an_operator_follows_and_keeps_the_server_of_another() {
    let house = House::open().await;
    house.with_alices_pod().await;
    let told = operate(&house, Method::GET, &format!("{}/progress", alices())).await;
    assert_eq!(told.headers["content-type"], "text/event-stream");
    assert_eq!(crate::tell::events(&told)[0].1["phase"], "Ready");
    assert_eq!(
        operate(&house, Method::GET, &alices()).await.json()["progress_url"],
        alices() + "/progress"
    );
    let odd = operate(&house, Method::GET, &format!("{USERS}/x/server/progress")).await;
    assert_eq!(odd.refused(400), "bad_user");

    let until = (Timestamp::now() + Duration::from_secs(600)).to_string();
    let body = json!({"busyUntil": until, "reason": "a demonstration"}).to_string();
    let operator = carol(&["openclaw-operator"]);
    let headers = [("authorization", operator.as_str())];
    let path = alices() + "/activity";
    assert_eq!(house.ask_with(Method::POST, &path, &headers, "{}").await.refused(400), "bad_body");
    let kept = house.ask_with(Method::POST, &path, &headers, &body).await;
    assert_eq!(kept.status, StatusCode::NO_CONTENT, "{}", kept.text);
    let pod = house.api.pod(&pod_name()).unwrap();
    let reason = &pod["metadata"]["annotations"]["catalyst.openova.io/openclaw-busy-reason"];
    assert_eq!(reason, "a demonstration");
}
