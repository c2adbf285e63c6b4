//! What people see: the home page, the progress in place of a workspace, and pages instead of
//! documents; and that no script of a pod sees any of it.

use edge::oidc::testing::ALICE;
use http::Method;
use serde_json::json;

use crate::{
    api_server::Next,
    browser::{Browser, FETCH, FORM, VISIT},
    house::{Answer, House, alices_pod, pod_name},
};

/// What every page must have.
#[track_caller]
pub(crate) fn is_page(answer: &Answer, title: &str) {
    assert!(answer.text.contains(&format!("<h1>{title}</h1>")), "{}", answer.text);
    let header = |name: &str| answer.headers[name].to_str().unwrap().to_owned();
    assert_eq!(header("content-type"), "text/html; charset=utf-8");
    assert_eq!(header("cache-control"), "no-store");
    assert_eq!(header("cross-origin-opener-policy"), "same-origin");
    assert_eq!(header("x-content-type-options"), "nosniff");
    let policy = header("content-security-policy");
    assert!(policy.contains("default-src 'none'") && policy.contains("frame-ancestors 'none'"));
    assert!(!policy.contains("unsafe"), "{policy}");
    for forbidden in ["onclick", "onload", "style=", "javascript:", "Bearer", "eyJ"] {
        assert!(!answer.text.contains(forbidden), "{forbidden}: {}", answer.text);
    }
}

#[tokio::test]
async fn opening_a_workspace_that_sleeps_shows_how_it_wakes() {
    let house = House::with_login().await;
    let mut browser = Browser::of(&house, ALICE).await;
    let page = browser.visit("/chat?room=1").await;
    assert_eq!(page.status, 200);
    is_page(&page, "Starting your workspace");
    assert!(page.text.contains("<progress"), "{}", page.text);
    assert!(page.text.contains("<noscript><meta http-equiv=\"refresh\""), "without script");
    assert!(house.api.pod(&pod_name()).is_some(), "it is started");
    house.get_ready();
    house.until("Ready").await;
    assert_eq!(browser.visit("/chat?room=1").await.json()["target"], "/chat?room=1");
}

#[tokio::test]
async fn only_a_page_visit_starts_anything() {
    let house = House::with_login().await;
    let mut browser = Browser::of(&house, ALICE).await;
    assert_eq!(browser.fetch("/chat").await.refused(503), "stopped");
    let frame = [("sec-fetch-mode", "navigate"), ("sec-fetch-dest", "iframe"), VISIT[0]];
    assert_eq!(browser.send(Method::GET, "/", &frame, "").await.status, 503);
    let post = browser.send(Method::POST, "/chat", &FORM, "a=b").await;
    assert_eq!(post.status, 503);
    assert!(house.api.calls().is_empty(), "{:?}", house.api.calls());
}

#[tokio::test]
async fn a_failure_says_why_and_starts_nothing_by_itself() {
    let house = House::with_login().await;
    let mut browser = Browser::of(&house, ALICE).await;
    house
        .api
        .put(alices_pod(json!({"phase": "Failed", "reason": "Evicted", "message": "<b>disk</b>"})));
    house.until("Failed").await;
    let page = browser.visit("/").await;
    assert_eq!(page.status, 503);
    is_page(&page, "Your workspace does not start");
    assert!(page.text.contains("stopped by its node") && page.text.contains("evicted"));
    assert!(page.text.contains("&lt;b&gt;disk") && !page.text.contains("<b>disk"), "{}", page.text);
    assert!(house.api.calls().is_empty());
    // The button: the old pod goes, and a new one comes without another look at any page.
    assert_eq!(browser.press("/-/server/restart").await.location(), "/");
    house.until("Stopping").await;
    is_page(&browser.visit("/").await, "Restarting your workspace");
    house.api.remove(&pod_name());
    house.api.saw("create pod").await;
    house.until("Creating").await;
    is_page(&browser.visit("/").await, "Starting your workspace");
}

#[tokio::test]
async fn a_start_that_is_refused_is_explained() {
    let house = House::with_login().await;
    let mut browser = Browser::of(&house, ALICE).await;
    let quota = "pods \"openclaw-x\" is forbidden: exceeded quota: pods, requested: pods=1";
    house.api.next_create(Next::Refused(403, quota));
    let page = browser.visit("/").await;
    is_page(&page, "Your workspace cannot be started");
    assert!(page.text.contains("quota"), "{}", page.text);
}

#[tokio::test]
async fn the_home_page_shows_the_state_and_its_buttons_work() {
    let house = House::with_login().await;
    let mut browser = Browser::of(&house, ALICE).await;
    let page = browser.visit("/-/").await;
    is_page(&page, "Your workspace");
    assert!(page.text.contains("Not running") && page.text.contains("/-/server/start"));
    assert!(house.api.calls().is_empty(), "looking starts nothing");
    let started = browser.press("/-/server/start").await;
    assert_eq!((started.status.as_u16(), started.location()), (303, "/"));
    house.get_ready();
    house.until("Ready").await;
    let page = browser.visit("/-/").await;
    for button in ["Open", "Restart", "Stop", "Sign out"] {
        assert!(page.text.contains(&format!(">{button}<")), "{button}: {}", page.text);
    }
    let stopped = browser.press("/-/server/stop").await;
    assert_eq!((stopped.status.as_u16(), stopped.location()), (303, "/-/"));
    house.until("Stopping").await;
    assert!(browser.visit("/-/").await.text.contains("Stopping"));
}

/// Code that a pod serves runs at our origin, with our cookies.
#[tokio::test]
async fn a_script_of_a_pod_reads_no_page_and_changes_nothing() {
    let house = House::with_login().await;
    house.with_alices_pod().await;
    let mut browser = Browser::of(&house, ALICE).await;
    let token = browser.csrf_token().await;
    // It cannot read the token: not by fetch, not from a frame.
    assert_eq!(browser.fetch("/-/").await.refused(403), "not_a_navigation");
    let frame = [
        ("sec-fetch-site", "same-origin"),
        ("sec-fetch-mode", "navigate"),
        ("sec-fetch-dest", "iframe"),
    ];
    assert_eq!(browser.send(Method::GET, "/-/", &frame, "").await.status, 403);
    assert_eq!(browser.send(Method::GET, "/-/", &[], "").await.status, 403, "no fetch metadata");
    // Without it nothing is changed, whatever else fits.
    let post = [&FETCH[..], &[("origin", "https://agents.example"), FORM[4]]].concat();
    let forms =
        ["/-/logout", "/-/server/stop", "/-/server/restart", "/-/server/start", "/-/home/delete"];
    for path in forms {
        let twice = format!("csrf={token}&csrf={token}&confirm=yes");
        for body in ["", "csrf=", "csrf=x", "confirm=yes", &twice] {
            let refused = browser.send(Method::POST, path, &post, body).await;
            assert_eq!(refused.refused(403), "csrf_token", "{path} {body}");
        }
    }
    let purge = format!("/-/api/v1/me/home?confirm={ALICE}");
    for (method, path) in [
        (Method::POST, "/-/api/v1/me/server"),
        (Method::DELETE, "/-/api/v1/me/server"),
        (Method::DELETE, &purge),
    ] {
        let refused = browser.send(method, path, &post, "").await;
        assert_eq!(refused.refused(403), "csrf_token");
    }
    // With it the API works, for our own pages.
    let ours = [&post[..], &[("x-csrf-token", token.as_str())]].concat();
    assert_eq!(browser.send(Method::POST, "/-/api/v1/me/server", &ours, "").await.status, 201);
    // What it may read holds no token.
    for path in ["/-/api/v1/me", "/-/api/v1/me/server", "/-/signed-out", "/-/api/v1/version"] {
        let read = browser.fetch(path).await;
        let all = format!("{:?} {}", read.headers, read.text);
        assert!(!all.contains("eyJ") && !all.contains(&token), "{path}: {all}");
    }
    assert!(browser.is_signed_in());
    assert_eq!(house.api.calls(), Vec::<String>::new(), "nothing was done");
}

#[tokio::test]
async fn errors_are_pages_for_people_and_documents_for_programs() {
    let house = House::with_login().await;
    let mut browser = Browser::of(&house, ALICE).await;
    let page = browser.visit("/-/nothing-here").await;
    assert_eq!(page.status, 404);
    is_page(&page, "There is no such page");
    assert_eq!(browser.fetch("/-/nothing-here").await.refused(404), "no_such_page");
    let wrong = browser.send(Method::GET, "/-/logout", &VISIT, "").await;
    assert_eq!((wrong.status.as_u16(), &wrong.headers["allow"]), (405, &"POST".parse().unwrap()));
    is_page(&wrong, "This method is not allowed here");
}
