//! The audit log: who did what, and what was refused to whom; and that no line of the whole log has a
//! token, a cookie or a query.

use std::{
    io,
    sync::{Arc, Mutex},
};

use edge::oidc::{
    UnixTime,
    testing::{ALICE, BOB},
};
use http::Method;
use serde_json::{Value, json};
use tracing_subscriber::{
    fmt::{self, MakeWriter},
    layer::SubscriberExt as _,
    registry,
};

use crate::{
    api_server::ApiServer,
    browser::{Browser, FETCH, FORM},
    house::{House, Rules, bearer, pod_name, pod_of, ready},
    sessions::{end_at_issuer, logout_token},
};

const CAROL: &str = "33333333-2222-4333-8444-555555555555";

/// What is logged on this thread, on which all of a test runs.
#[derive(Clone, Default)]
pub(crate) struct Log(Arc<Mutex<Vec<u8>>>);

impl Log {
    /// Begins; ends with the guard.
    pub(crate) fn begin() -> (Self, tracing::subscriber::DefaultGuard) {
        let log = Self::default();
        let lines = fmt::layer().json().flatten_event(true).with_writer(log.clone());
        (log, tracing::subscriber::set_default(registry().with(lines)))
    }

    fn text(&self) -> String {
        String::from_utf8(self.0.lock().unwrap().clone()).unwrap()
    }

    /// The audit's lines with this action, in order.
    pub(crate) fn of(&self, action: &str) -> Vec<Value> {
        let lines = self.text();
        let lines = lines.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
        lines.filter(|line| line["target"] == "audit" && line["action"] == action).collect()
    }

    fn outcomes(&self, action: &str) -> Vec<String> {
        let text = |line: Value| line["outcome"].as_str().unwrap_or_default().to_owned();
        self.of(action).into_iter().map(text).collect()
    }

    /// Waits for a line that is written by itself.
    pub(crate) async fn until(&self, action: &str, outcome: &str) {
        while !self.outcomes(action).iter().any(|found| found == outcome) {
            tokio::task::yield_now().await;
        }
    }
}

impl io::Write for Log {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl<'a> MakeWriter<'a> for Log {
    type Writer = Self;

    fn make_writer(&'a self) -> Self {
        self.clone()
    }
}

async fn house() -> House {
    let house = House::with_login_by(ApiServer::new(), Rules::default()).await;
    let roles = json!({"realm_access": {"roles": ["openclaw-operator"]}});
    house.issuer().script(|script| script.access = roles);
    house
}

#[tokio::test]
async fn a_session_is_told_from_its_login_to_its_logout() {
    let (log, _guard) = Log::begin();
    let house = house().await;
    let mut browser = Browser::of(&house, ALICE).await;
    browser.press("/-/logout").await;
    browser.visit("/-/callback?code=stolen-code&state=somebodys-state").await;
    let logins = log.of("login");
    assert_eq!((&logins[0]["outcome"], &logins[0]["user"]), (&json!("signed_in"), &json!(ALICE)));
    assert_eq!((&logins[1]["outcome"], &logins[1]["level"]), (&json!("not_begun"), &json!("WARN")));
    let logout = &log.of("logout")[0];
    assert_eq!((&logout["outcome"], &logout["user"]), (&json!("signed_out"), &json!(ALICE)));
}

#[tokio::test]
async fn every_refusal_says_why_and_where() {
    let (log, _guard) = Log::begin();
    let house = house().await;
    house
        .ask_with(Method::GET, "/chat?key=secret-query", &[("authorization", "Bearer a.b.c")], "")
        .await;
    let stale = bearer(ALICE);
    house.ask_with(Method::GET, "/-/api/v1/me", &[("authorization", &stale)], "").await;
    house.ask_with(Method::GET, "/-/api/v1/me", &[], "").await;
    let tokens = log.of("token");
    assert_eq!(tokens.len(), 2, "who sends none has not tried: {tokens:?}");
    assert_eq!((&tokens[0]["path"], &tokens[0]["method"]), (&json!("/chat"), &json!("GET")));
    assert_eq!(tokens[1]["outcome"], "other_issuer");

    let mut browser = Browser::of(&house, ALICE).await;
    let evil = [("origin", "https://evil.example"), FORM[1], FORM[4]];
    browser.send(Method::POST, "/-/server/stop?a=secret-query", &evil, "").await;
    browser.send(Method::POST, "/-/server/stop", &FORM, "csrf=x").await;
    browser.send(Method::GET, "/", &[&FETCH[..], &[("host", "evil.example")]].concat(), "").await;
    let mut thief = Browser::at(&house);
    thief.jar.insert("__Host-openclaw-session-0".to_owned(), "1.forged-cookie".to_owned());
    thief.fetch("/").await;
    let expected = ["origin_refused", "csrf_token", "other_host", "no_session"];
    assert_eq!(log.outcomes("cookie"), expected);
    assert_eq!(log.of("cookie")[0]["path"], "/-/server/stop");
}

#[tokio::test]
async fn a_start_is_told_from_the_wish_to_its_end() {
    let (log, _guard) = Log::begin();
    let house = house().await;
    let mut browser = Browser::of(&house, ALICE).await;
    browser.visit("/chat?key=secret-query").await;
    house.get_ready();
    log.until("started", "ready").await;
    assert_eq!(log.outcomes("start"), ["requested", "created"]);
    assert!(log.of("started")[0]["seconds"].is_number());
    browser.press("/-/server/stop").await;
    let stop = &log.of("stop")[0];
    assert_eq!(
        (&stop["user"], &stop["by"], &stop["why"]),
        (&json!(ALICE), &json!(ALICE), &json!("user"))
    );
    house.api.remove(&pod_name());
    house.until("Stopped").await;
    browser.visit("/").await;
    house.api.set_status(&pod_name(), json!({"phase": "Failed", "reason": "Evicted"}));
    log.until("started", "evicted").await;
    for line in log.of("start").into_iter().chain(log.of("started")) {
        assert_eq!(line["user"], ALICE, "{line}");
    }
}

#[tokio::test]
async fn the_end_of_a_session_at_the_issuer_is_told_and_so_is_one_that_proves_nothing() {
    let (log, _guard) = Log::begin();
    let house = house().await;
    let other = json!({"iss": "https://evil.example"});
    assert_eq!(end_at_issuer(&house, &logout_token(&house, other)).await.status, 400);
    assert_eq!(end_at_issuer(&house, &logout_token(&house, json!({}))).await.status, 200);
    assert_eq!(log.outcomes("backchannel_logout"), ["other_issuer", "ended"]);
    assert_eq!(log.of("backchannel_logout")[0]["level"], "WARN");
    let text = log.text();
    assert!(!text.contains("c2b1a5d2") && !text.contains("eyJ"), "the session's name: {text}");
}

#[tokio::test]
async fn who_keeps_a_workspace_awake_is_told_and_until_when() {
    let (log, _guard) = Log::begin();
    let house = House::open().await;
    house.with_alices_pod().await;
    let soon = text_of(UnixTime::now().as_secs() + 600);
    let token = bearer(ALICE);
    let headers = [("authorization", token.as_str()), ("content-type", "application/json")];
    for (until, status) in [("2020-01-01T00:00:00Z", 400), (soon.as_str(), 204)] {
        let body = json!({"busyUntil": until, "reason": "secret-plan"}).to_string();
        let path = "/-/api/v1/me/server/activity";
        let answer = house.ask_with(Method::POST, path, &headers, &body).await;
        assert_eq!(answer.status, status, "{}", answer.text);
    }
    assert_eq!(log.outcomes("busy"), ["kept"]);
    let kept = &log.of("busy")[0];
    assert_eq!((&kept["user"], &kept["by"]), (&json!(ALICE), &json!(ALICE)));
    assert_eq!(kept["until"], json!(soon));
    assert!(!log.text().contains("secret-plan"), "the reason is the user's own");
}

/// Seconds since 1970 as the API writes them.
fn text_of(seconds: u64) -> String {
    k8s_openapi::jiff::Timestamp::from_second(seconds.try_into().unwrap()).unwrap().to_string()
}

#[tokio::test]
async fn who_acts_on_another_is_named_and_so_is_who_may_not() {
    let (log, _guard) = Log::begin();
    let house = house().await;
    house.api.put(pod_of(BOB, ready()));
    house.until_of(BOB, "Ready").await;
    let bobs = format!("/-/api/v1/users/{BOB}/server");
    let mut carol = Browser::at_control(&house, CAROL).await;
    carol.press(&format!("/-/users/{BOB}/stop")).await;
    let operate = &log.of("operate")[0];
    assert_eq!((&operate["by"], &operate["user"]), (&json!(CAROL), &json!(BOB)));
    assert_eq!((&operate["outcome"], &operate["method"]), (&json!("allowed"), &json!("POST")));
    let stop = &log.of("stop")[0];
    assert_eq!(
        (&stop["by"], &stop["user"], &stop["why"]),
        (&json!(CAROL), &json!(BOB), &json!("admin"))
    );

    let mut alice = Browser::of(&house, ALICE).await;
    alice.fetch(&bobs).await;
    house.issuer().script(|script| script.access = json!({}));
    let mut alice = Browser::at_control(&house, ALICE).await;
    alice.fetch(&bobs).await;
    assert_eq!(log.outcomes("operate"), ["allowed", "control_host_only", "operator_only"]);
    let refused = &log.of("operate")[2];
    assert_eq!((&refused["by"], &refused["path"]), (&json!(ALICE), &json!(bobs)));
}

/// Everything above once more, and then every line of every target is looked through.
#[tokio::test]
async fn no_line_has_a_secret() {
    let (log, _guard) = Log::begin();
    let house = house().await;
    let token = bearer(ALICE);
    house.ask_with(Method::GET, "/x?key=secret-query", &[("authorization", &token)], "").await;
    let mut browser = Browser::of(&house, ALICE).await;
    let csrf = browser.csrf_token().await;
    browser.visit("/chat?key=secret-query").await;
    house.get_ready();
    log.until("started", "ready").await;
    browser.send(Method::POST, "/x?key=secret-query", &FETCH, "secret-body").await;
    browser.visit("/-/callback?code=secret-query&state=secret-query").await;
    let mut carol = Browser::at_control(&house, CAROL).await;
    carol.visit("/-/users?user=secret-query").await;
    carol.press(&format!("/-/users/{ALICE}/restart?user=secret-query")).await;
    carol.press("/-/logout").await;
    let text = log.text();
    let cookies: Vec<&String> = browser.jar.values().collect();
    assert!(!cookies.is_empty() && text.lines().count() > 10, "{text}");
    for secret in [
        "eyJ",
        "secret-query",
        "secret-body",
        "refresh-of",
        "code-",
        "__Host-",
        "top-secret",
        &csrf,
    ]
    .into_iter()
    .chain(cookies.into_iter().map(String::as_str))
    {
        assert!(!text.contains(secret), "{secret}: {text}");
    }
}
