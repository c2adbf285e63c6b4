//! Homes: made once, kept through everything, and deleted by a purge alone.

use edge::oidc::testing::{ALICE, BOB};
use http::{Method, StatusCode};
use serde_json::json;

use crate::{
    api_server::{ApiServer, Next},
    browser::Browser,
    house::{House, Rules, bearer, home_of, pod_name},
};

const SERVER: &str = "/-/api/v1/me/server";
const HOME: &str = "/-/api/v1/me/home";

fn home_name() -> String {
    format!("openclaw-home-{ALICE}")
}

fn confirmed() -> String {
    format!("{HOME}?confirm={ALICE}")
}

/// Whoever was here before has a home, and so costs three writes: secret, policy, pod.
fn is_write(call: &str) -> bool {
    !call.starts_with("get ")
}

#[tokio::test]
async fn the_first_start_makes_a_home_before_the_pod_and_later_ones_make_three_writes() {
    let house = House::open().await;
    house.ask(Method::POST, SERVER).await;
    let calls = house.api.calls();
    let at = |call: &str| calls.iter().position(|seen| seen == call).unwrap();
    assert!(at("create home") < at("create pod"), "{calls:?}");
    let home = house.api.home(&home_name()).unwrap();
    assert_eq!(home["metadata"]["labels"]["catalyst.openova.io/openclaw-user"], ALICE);
    assert!(home["metadata"].get("ownerReferences").is_none(), "it outlives the pod");

    house.ask(Method::DELETE, SERVER).await;
    house.api.remove(&pod_name());
    house.until("Stopped").await;
    let before = house.api.calls().len();
    assert_eq!(house.ask(Method::POST, SERVER).await.status, StatusCode::ACCEPTED);
    let calls = house.api.calls().split_off(before);
    assert_eq!(calls.iter().filter(|call| is_write(call)).count(), 3, "{calls:?}");
    assert_eq!(house.api.home(&home_name()), Some(home), "nobody touched it");
}

#[tokio::test]
async fn a_home_that_is_there_is_taken_whatever_becomes_of_the_create() {
    let quota = "persistentvolumeclaims \"x\" is forbidden: exceeded quota: homes";
    for next in [Next::Lost, Next::LostAndRefused(403, quota)] {
        let house = House::open().await;
        house.api.next_home(next);
        let answer = house.ask(Method::POST, SERVER).await;
        assert_eq!(answer.status, StatusCode::ACCEPTED, "{}", answer.text);
        assert_eq!((house.api.count("create home"), house.api.count("create pod")), (1, 1));
    }
}

#[tokio::test]
async fn without_room_for_a_home_nothing_is_started() {
    let house = House::open().await;
    let quota = "persistentvolumeclaims \"openclaw-home-1\" is forbidden: exceeded quota: homes, \
                 requested: requests.storage=5Gi, used: requests.storage=10Gi";
    house.api.next_home(Next::Refused(403, quota));
    let answer = house.ask(Method::POST, SERVER).await;
    assert_eq!(answer.refused(403), "quota");
    let detail = answer.json()["detail"].as_str().unwrap().to_owned();
    assert!(detail.contains("home") && detail.contains("requests.storage=5Gi"), "{detail}");
    house.api.next_home(Next::Refused(
        403,
        "User \"spawner\" cannot create resource \"persistentvolumeclaims\" in API group \"\"",
    ));
    assert_eq!(house.ask(Method::POST, SERVER).await.refused(500), "spawner_forbidden");
    assert_eq!(house.api.count("create pod"), 0);
}

#[tokio::test]
async fn a_claim_that_is_not_the_users_is_neither_used_nor_deleted() {
    let house = House::open().await;
    let mut claim = home_of(BOB);
    claim["metadata"]["name"] = home_name().into();
    house.api.put_home(claim);
    for (method, path) in
        [(Method::POST, SERVER), (Method::GET, HOME), (Method::DELETE, &confirmed())]
    {
        let answer = house.ask(method, path).await;
        assert_eq!(answer.refused(409), "home_taken");
        assert!(answer.text.contains(&home_name()), "{}", answer.text);
    }
    assert_eq!((house.api.count("create pod"), house.api.count("delete home")), (0, 0));
}

#[tokio::test]
async fn a_purge_stops_the_pod_and_nothing_starts_until_the_home_has_gone() {
    let house = House::open().await;
    house.api.put_home(home_of(ALICE));
    house.with_alices_pod().await;
    let answer = house.ask(Method::DELETE, &confirmed()).await;
    assert_eq!(answer.status, StatusCode::ACCEPTED, "{}", answer.text);
    assert_eq!((answer.location(), &answer.json()["state"]), (HOME, &json!("Deleting")));
    let calls = house.api.calls();
    let at = |call: &str| calls.iter().position(|seen| seen == call).unwrap();
    assert!(at("delete home") < at("delete pod"), "no start takes it from then on: {calls:?}");

    house.api.remove(&pod_name());
    house.until("Stopped").await;
    let answer = house.ask(Method::POST, SERVER).await;
    assert_eq!(answer.refused(409), "home_deleting");
    assert!(answer.headers.contains_key("retry-after"));
    assert_eq!(house.ask(Method::DELETE, &confirmed()).await.status, StatusCode::ACCEPTED);
    assert_eq!(house.api.count("delete home"), 1, "asking again deletes nothing");

    house.api.remove_home(&home_name());
    assert_eq!(house.ask(Method::DELETE, &confirmed()).await.status, StatusCode::NO_CONTENT);
    assert_eq!(house.ask(Method::GET, HOME).await.json()["state"], "Missing");
    assert_eq!(house.ask(Method::POST, SERVER).await.status, StatusCode::ACCEPTED);
    assert_eq!(house.api.count("create home"), 1, "a new one");
}

#[tokio::test]
async fn only_a_purge_that_names_the_user_is_done() {
    let house = House::open().await;
    house.api.put_home(home_of(ALICE));
    house.with_alices_pod().await;
    for (query, reason) in [
        ("", "bad_query"),
        ("?confirm", "not_confirmed"),
        ("?confirm=yes", "not_confirmed"),
        (&format!("?confirm={BOB}"), "not_confirmed"),
        (&format!("?confirm={ALICE}&confirm={ALICE}"), "bad_query"),
        (&format!("?confirm={ALICE}&force=true"), "bad_query"),
    ] {
        let answer = house.ask(Method::DELETE, &format!("{HOME}{query}")).await;
        assert_eq!(answer.refused(400), reason, "{query}");
    }
    // Bob's own confirmation names bob, who has no home.
    let bob = bearer(BOB);
    let path = format!("{HOME}?confirm={BOB}");
    let answer = house.ask_with(Method::DELETE, &path, &[("authorization", &bob)], "").await;
    assert_eq!(answer.status, StatusCode::NO_CONTENT);
    // Without a word about the home nothing happens to it.
    house.ask(Method::POST, &format!("{SERVER}/restart")).await;
    house.ask(Method::DELETE, SERVER).await;
    assert_eq!(house.api.count("delete home"), 0);
    assert!(house.api.home(&home_name()).unwrap()["metadata"].get("deletionTimestamp").is_none());
}

#[tokio::test]
async fn a_home_is_told_with_its_volume() {
    let house = House::open().await;
    let ask = async || house.ask(Method::GET, HOME).await.json();
    assert_eq!(
        ask().await,
        json!({"name": home_name(), "state": "Missing", "size": null, "created": null})
    );
    let mut claim = home_of(ALICE);
    house.api.put_home(claim.clone());
    assert_eq!(ask().await["state"], "Pending");
    claim["metadata"]["creationTimestamp"] = "2026-11-23T12:00:00Z".into();
    for phase in ["Bound", "Lost"] {
        claim["status"] = json!({"phase": phase, "capacity": {"storage": "8Gi"}});
        house.api.put_home(claim.clone());
        let told = json!({
            "name": home_name(), "state": phase, "size": "8Gi", "created": "2026-11-23T12:00:00Z",
        });
        assert_eq!(ask().await, told);
    }
}

#[tokio::test]
async fn where_homes_do_not_last_there_is_none_to_ask_for() {
    let house = House::ruled(ApiServer::new(), Rules { homes: false, ..Rules::default() }).await;
    assert_eq!(house.ask(Method::GET, HOME).await.refused(404), "no_homes");
    assert_eq!(house.ask(Method::DELETE, &confirmed()).await.refused(404), "no_homes");
    assert_eq!(house.ask(Method::POST, SERVER).await.status, StatusCode::ACCEPTED);
    assert_eq!(house.api.calls().len(), 3, "{:?}", house.api.calls());
}

#[tokio::test]
async fn a_browser_deletes_the_home_by_a_ticked_box() {
    let house = House::with_login().await;
    house.api.put_home(home_of(ALICE));
    let mut browser = Browser::of(&house, ALICE).await;
    let page = browser.visit("/-/").await;
    assert!(page.text.contains("<details><summary>Delete my home</summary>"), "{}", page.text);
    assert!(page.text.contains("type=\"checkbox\"") && page.text.contains("required"));
    let refused = browser.press("/-/home/delete").await;
    assert_eq!(refused.status, 400, "{}", refused.text);
    assert!(refused.text.contains("was not ticked"), "{}", refused.text);
    assert_eq!(house.api.count("delete home"), 0);
    let done = browser.press_with("/-/home/delete", "confirm=yes").await;
    assert_eq!(done.status, StatusCode::ACCEPTED, "{}", done.text);
    assert!(done.text.contains("Your home is being deleted"), "{}", done.text);
    house.api.remove_home(&home_name());
    let again = browser.press_with("/-/home/delete", "confirm=yes").await;
    assert!(again.text.contains("There is no home"), "{}", again.text);
}
