//! A session from its first request to its end: renewed, rotated, signed out here, ended elsewhere.

use edge::oidc::UnixTime;
use edge::oidc::testing::{ALICE, BOB, Idp, claims, logout_claims, with};
use futures::FutureExt as _;
use http::Method;
use http_body_util::BodyExt as _;
use serde_json::json;
use tokio_tungstenite::tungstenite::client::IntoClientRequest as _;

use crate::{
    api_server::ApiServer,
    browser::{Browser, FETCH, FORM},
    house::{HANGS, House, ORIGIN},
    issuer::Refresh,
};

/// From now on access tokens of `house` have a life of `seconds`, at the time they are made.
fn tokens_live(house: &House, seconds: i64) {
    let exp = i64::try_from(UnixTime::now().as_secs()).unwrap() + seconds;
    house.issuer().script(|script| script.access = json!({ "exp": exp }));
}

pub(crate) fn logout_token(house: &House, changes: serde_json::Value) -> String {
    let claims = logout_claims(&house.issuer().url, ALICE, UnixTime::now());
    let claims = with(with(claims, json!({"aud": "openclaw", "sid": "c2b1a5d2"})), changes);
    Idp::shared().token(&claims)
}

pub(crate) async fn end_at_issuer(house: &House, token: &str) -> crate::house::Answer {
    let headers = [("content-type", "application/x-www-form-urlencoded")];
    let body = format!("logout_token={token}");
    house.ask_with(Method::POST, "/-/backchannel-logout", &headers, &body).await
}

/// Asks until the answer is another than 200, which something that has begun leads to.
async fn until_refused(browser: &mut Browser<'_>, path: &str) {
    let refused = async {
        while browser.fetch(path).await.status == 200 {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(HANGS, refused).await.unwrap_or_else(|_| panic!("{path} is not refused"));
}

#[tokio::test]
async fn fresh_tokens_are_asked_for_once_and_come_with_the_next_answer() {
    let house = House::with_login().await;
    house.with_alices_pod().await;
    // Due at once, and good for a while.
    tokens_live(&house, 0);
    let mut browser = Browser::of(&house, ALICE).await;
    house.issuer().script(|script| script.access = json!({}));
    let cookies = browser.cookies();
    let headers =
        [&FETCH[..], &[("cookie", cookies.as_str()), ("host", "agents.example")]].concat();
    let asking = (0..10).map(|_| house.ask_with(Method::GET, "/chat", &headers, ""));
    for answer in futures::future::join_all(asking).await {
        assert_eq!(answer.status, 200, "{}", answer.text);
        assert!(answer.headers.contains_key("set-cookie"));
        assert_eq!(answer.headers["cache-control"], "no-store", "it holds a cookie");
    }
    assert_eq!(house.issuer().refreshes(), 1);
    assert_eq!(browser.fetch("/chat").await.status, 200);
    let later = browser.fetch("/chat").await;
    assert!(!later.headers.contains_key("set-cookie"), "the new one is good for a while");
    assert_eq!(house.issuer().refreshes(), 1);
}

#[tokio::test]
async fn an_outage_of_the_issuer_is_outlived() {
    let house = House::with_login().await;
    house.with_alices_pod().await;
    tokens_live(&house, 0);
    let mut browser = Browser::of(&house, ALICE).await;
    house.issuer().script(|script| script.refresh = Refresh::Down);
    // Fresh ones are due, and this one is still good.
    assert_eq!(browser.fetch("/chat").await.status, 200);

    let mut late = browser;
    until_refused(&mut late, "/chat").await;
    let told = late.fetch("/chat").await;
    assert_eq!(told.refused(503), "issuer_unavailable");
    assert!(told.headers.contains_key("retry-after"));
    let page = late.visit("/chat").await;
    assert_eq!(page.status, 503);
    assert!(page.text.contains("You stay signed in") && late.is_signed_in(), "{}", page.text);
    house.issuer().script(|script| {
        script.refresh = Refresh::Granted;
        script.access = json!({});
    });
    assert_eq!(late.fetch("/chat").await.status, 200);
}

#[tokio::test]
async fn a_session_that_the_issuer_ended_is_over_and_says_so() {
    let house = House::with_login().await;
    house.with_alices_pod().await;
    tokens_live(&house, 0);
    let mut browser = Browser::of(&house, ALICE).await;
    house.issuer().script(|script| script.refresh = Refresh::InvalidGrant);
    let mut other_tab = Browser { jar: browser.jar.clone(), ..Browser::at(&house) };
    assert_eq!(browser.fetch("/chat").await.refused(401), "session_ended");
    assert!(!browser.is_signed_in());
    let page = other_tab.visit("/chat").await;
    assert_eq!(page.status, 401);
    assert!(page.text.contains("/-/login?next=%2Fchat"), "{}", page.text);
    assert!(!other_tab.is_signed_in());
}

#[tokio::test]
async fn fresh_tokens_of_another_user_or_session_end_it() {
    for change in [json!({"sub": BOB}), json!({"sid": "another"})] {
        let house = House::with_login().await;
        house.with_alices_pod().await;
        tokens_live(&house, 0);
        let mut browser = Browser::of(&house, ALICE).await;
        house.issuer().script(|script| script.access = change.clone());
        assert_eq!(browser.fetch("/chat").await.refused(401), "session_ended", "{change}");
        assert!(!browser.is_signed_in());
    }
}

#[tokio::test]
async fn any_replica_serves_a_session_that_another_began() {
    let (api, issuer) = (ApiServer::new(), House::new_issuer().await);
    let one = House::replica(api.clone(), issuer.clone()).await;
    let two = House::replica(api.clone(), issuer).await;
    assert!(api.login.cookie_keys().is_some(), "made by the first that missed them");
    let mut begun_here = Browser::at(&one);
    let callback = begun_here.callback_after("/", ALICE).await;
    let mut ended_there = Browser { jar: begun_here.jar, ..Browser::at(&two) };
    assert_eq!(ended_there.visit(&callback).await.status, 302);
    let mut back_here = Browser { jar: ended_there.jar, ..Browser::at(&one) };
    assert_eq!(back_here.fetch("/-/api/v1/me").await.status, 200);
}

#[tokio::test]
async fn signing_out_ends_the_session_here_and_at_the_issuer() {
    let house = House::with_login().await;
    let mut browser = Browser::of(&house, ALICE).await;
    let token = browser.csrf_token().await;
    let out = browser.send(Method::POST, "/-/logout", &FORM, &format!("csrf={token}")).await;
    assert_eq!(out.status, 303, "{}", out.text);
    let to = out.location();
    assert!(to.starts_with(&format!("{}/logout?client_id=openclaw&", house.issuer().url)), "{to}");
    assert!(to.contains("post_logout_redirect_uri=https%3A%2F%2Fagents.example%2F-%2Fsigned-out"));
    assert!(to.contains("&id_token_hint="), "{to}");
    assert!(!browser.is_signed_in());
    assert_eq!(browser.visit("/").await.status, 302);
    let page = browser.visit("/-/signed-out").await;
    assert!(page.text.contains("You are signed out"), "{}", page.text);
}

#[tokio::test]
async fn a_logout_at_the_issuer_ends_the_session_on_every_replica() {
    let (api, issuer) = (ApiServer::new(), House::new_issuer().await);
    let one = House::replica(api.clone(), issuer.clone()).await;
    let two = House::replica(api.clone(), issuer.clone()).await;
    let mut here = Browser::of(&one, ALICE).await;
    let mut there = Browser { jar: here.jar.clone(), ..Browser::at(&two) };
    assert_eq!(there.fetch("/-/api/v1/me").await.status, 200);

    let done = end_at_issuer(&one, &logout_token(&one, json!({}))).await;
    assert_eq!(done.status, 200, "{}", done.text);
    assert_eq!(done.headers["cache-control"], "no-store");
    assert_eq!(here.fetch("/-/api/v1/me").await.refused(401), "session_ended");
    until_refused(&mut there, "/-/api/v1/me").await;
    assert!(!there.is_signed_in());
    let object = api.login.signed_out().unwrap().to_string();
    assert!(!object.contains("c2b1a5d2") && !object.contains(ALICE), "{object}");

    // A replica that begins later knows it too.
    let three = House::replica(api, issuer).await;
    let mut late = Browser { jar: Browser::at(&three).jar, ..Browser::at(&three) };
    three.issuer().script(|script| script.access = json!({"sid": "a-new-login"}));
    let back = late.come_back_from_issuer("/", ALICE).await;
    assert_eq!(back.status, 302, "a new login of the same user is another session");
    three.issuer().script(|script| script.access = json!({}));
    let back = late.come_back_from_issuer("/", ALICE).await;
    assert_eq!(back.status, 403, "tokens of the ended session begin none: {}", back.text);
}

#[tokio::test]
async fn open_streams_end_with_their_session() {
    let house = House::with_login().await;
    house.with_alices_pod().await;
    let browser = Browser::of(&house, ALICE).await;
    house.issuer().script(|script| script.access = json!({"sid": "another-login"}));
    let other = Browser::of(&house, ALICE).await;
    let mut mine = house.open_stream(&browser.cookies()).await;
    let mut others = house.open_stream(&other.cookies()).await;
    for stream in [&mut mine, &mut others] {
        assert_eq!(next(stream).await.as_deref(), Some("data: one\n\n"));
    }
    let done = end_at_issuer(&house, &logout_token(&house, json!({}))).await;
    assert_eq!(done.status, 200);
    assert_eq!(next(&mut mine).await, None, "it has ended");
    assert!(next(&mut others).now_or_never().is_none(), "this one goes on");
}

/// The next piece of a stream, or `None` at its end.
async fn next(stream: &mut hyper::body::Incoming) -> Option<String> {
    let frame = stream.frame().await?.unwrap();
    Some(String::from_utf8(frame.into_data().unwrap().to_vec()).unwrap())
}

#[tokio::test]
async fn a_logout_that_proves_nothing_ends_nothing() {
    let house = House::with_login().await;
    let mut browser = Browser::of(&house, ALICE).await;
    let access = Idp::shared().token(&claims(&house.issuer().url, ALICE, UnixTime::now()));
    for token in [
        access,
        logout_token(&house, json!({"aud": "other-app"})),
        logout_token(&house, json!({"iss": "https://evil.example"})),
        logout_token(&house, json!({"events": {}})),
        logout_token(&house, json!({"nonce": "n"})),
        logout_token(&house, json!({"sid": null})),
        Idp::new("evil-").token(&json!({})),
        "a.b.c".to_owned(),
        String::new(),
    ] {
        let refused = end_at_issuer(&house, &token).await;
        assert_eq!(refused.status, 400, "{}", refused.text);
    }
    let huge = end_at_issuer(&house, &"a".repeat(40_000)).await;
    assert_eq!(huge.refused(413), "body_too_large");
    let twice = format!("{0}&logout_token={0}", logout_token(&house, json!({})));
    assert_eq!(end_at_issuer(&house, &twice).await.refused(400), "bad_logout");
    assert_eq!(browser.fetch("/-/api/v1/me").await.status, 200);
    assert!(house.api.login.signed_out().is_none(), "nothing was written");
}

#[tokio::test]
async fn a_websocket_of_a_session_needs_our_own_origin() {
    let house = House::with_login().await;
    house.with_alices_pod().await;
    let browser = Browser::of(&house, ALICE).await;
    for (origin, status) in [
        (None, 403),
        (Some("https://evil.example"), 403),
        (Some("null"), 403),
        (Some("http://agents.example"), 403),
        // The sidecar of these tests speaks no WebSocket; what matters is that it was asked.
        (Some(ORIGIN), 200),
    ] {
        let mut request = format!("ws://{}/socket", house.address).into_client_request().unwrap();
        let headers = request.headers_mut();
        headers.insert("host", "agents.example".parse().unwrap());
        headers.insert("cookie", browser.cookies().parse().unwrap());
        if let Some(origin) = origin {
            headers.insert("origin", origin.parse().unwrap());
        }
        let error = tokio_tungstenite::connect_async(request).await.unwrap_err();
        let tokio_tungstenite::tungstenite::Error::Http(answer) = error else { panic!("{error}") };
        assert_eq!(answer.status(), status, "{origin:?}");
    }
}
