//! What is told to whoever waits for a place among the starts.

use edge::oidc::testing::{ALICE, BOB};
use http::Method;
use serde_json::json;
use spawner::servers::ServerLimitArgs;

use crate::{
    api_server::ApiServer,
    browser::Browser,
    house::{House, Rules, bearer, pod_name, pod_of, ready},
    pages::is_page,
    tell::events,
};

const CAROL: &str = "33333333-2222-4333-8444-555555555555";
const SERVER: &str = "/-/api/v1/me/server";

/// One may start at once, and that is bob.
fn one_at_once() -> (ApiServer, Rules) {
    let api = ApiServer::new();
    api.put(pod_of(BOB, json!({"phase": "Pending"})));
    let limits = ServerLimitArgs { max_starting: Some(1), max_running: None };
    (api, Rules { limits, ..Rules::default() })
}

#[tokio::test]
async fn who_waits_for_a_place_is_queued() {
    let (api, rules) = one_at_once();
    let house = House::ruled(api, rules).await;
    assert_eq!(house.ask(Method::GET, SERVER).await.json()["state"], "Stopped");
    assert_eq!(house.ask(Method::POST, SERVER).await.refused(429), "too_many_starting");
    let server = house.ask(Method::GET, SERVER).await.json();
    assert_eq!(
        (&server["state"], &server["pending"], &server["queue"]["position"]),
        (&json!("Queued"), &json!("spawn"), &json!(1))
    );
    assert!(server["message"].as_str().unwrap().contains("next in the queue"), "{server}");

    let path = format!("{SERVER}/progress");
    let listening = house.ask(Method::GET, &path);
    let going_on = async {
        house.somebody_waits().await;
        house.api.set_status(&format!("openclaw-{BOB}"), ready());
        house.until_of(BOB, "Ready").await;
        assert_eq!(house.ask(Method::POST, SERVER).await.status, 202);
        house.get_ready();
    };
    let (told, ()) = tokio::join!(listening, going_on);
    let told = events(&told);
    assert_eq!(told.first().unwrap().1["phase"], "Queued");
    assert_eq!(told.last().unwrap().1["phase"], "Ready");
}

#[tokio::test]
async fn who_waits_hears_of_every_place_on_the_way() {
    let (api, rules) = one_at_once();
    let house = House::ruled(api, rules).await;
    let carol = bearer(CAROL);
    let carols = [("authorization", carol.as_str())];
    let path = format!("{SERVER}/progress");
    let listening = house.ask(Method::GET, &path);
    let going_on = async {
        house.somebody_waits().await;
        assert_eq!(house.ask_with(Method::POST, SERVER, &carols, "").await.status, 429);
        assert_eq!(house.ask(Method::POST, SERVER).await.status, 429);
        house.api.set_status(&format!("openclaw-{BOB}"), ready());
        house.until_of(BOB, "Ready").await;
        assert_eq!(house.ask_with(Method::POST, SERVER, &carols, "").await.status, 202);
        house.api.set_status(&format!("openclaw-{CAROL}"), ready());
        house.until_of(CAROL, "Ready").await;
        assert_eq!(house.ask(Method::POST, SERVER).await.status, 202);
        house.get_ready();
    };
    let (told, ()) = tokio::join!(listening, going_on);
    let told = events(&told);
    let queued = told.iter().filter(|(_, step)| step["phase"] == "Queued");
    let words: Vec<_> = queued.map(|(_, step)| step["message"].as_str().unwrap()).collect();
    assert_eq!(words.len(), 2, "{words:?}");
    assert!(words[1].contains("next in the queue"), "{words:?}");
    assert_eq!(told[0].1["phase"], "Stopped");
    assert_eq!(told.last().unwrap().1["phase"], "Ready");
}

#[tokio::test]
async fn the_page_of_who_waits_asks_again_by_itself() {
    let (api, rules) = one_at_once();
    let house = House::with_login_by(api, rules).await;
    let mut browser = Browser::of(&house, ALICE).await;
    let page = browser.visit("/chat").await;
    assert_eq!(page.status, 200);
    is_page(&page, "Waiting for a free place");
    assert!(page.text.contains("Yours is next."), "{}", page.text);
    assert!(page.text.contains("<meta http-equiv=\"refresh\""), "{}", page.text);
    assert!(browser.visit("/-/").await.text.contains("Waiting for its turn"));
    assert!(house.api.pod(&pod_name()).is_none(), "nothing was created");
    house.api.set_status(&format!("openclaw-{BOB}"), ready());
    house.until_of(BOB, "Ready").await;
    is_page(&browser.visit("/chat").await, "Starting your workspace");
    assert!(house.api.pod(&pod_name()).is_some());
}
