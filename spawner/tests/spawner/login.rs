//! Signing in with a browser, and everything that must not end in a session.

use edge::oidc::testing::{ALICE, BOB};
use http::Method;
use serde_json::json;

use crate::{
    browser::{Browser, FETCH, VISIT, state_of},
    house::House,
    issuer::Refresh,
};

#[tokio::test]
async fn a_user_signs_in_and_is_where_they_wanted_to_be() {
    let house = House::with_login().await;
    house.with_alices_pod().await;
    let mut browser = Browser::at(&house);
    let first = browser.visit("/chat?room=1").await;
    assert_eq!(first.status, 302);
    assert_eq!(first.location(), "/-/login?next=%2Fchat%3Froom%3D1");
    let back = browser.come_back_from_issuer("%2Fchat%3Froom%3D1", ALICE).await;
    assert_eq!((back.status.as_u16(), back.location()), (302, "/chat?room=1"), "{}", back.text);
    assert!(back.headers["cache-control"] == "no-store");
    let seen = browser.visit("/chat?room=1").await.json();
    assert_eq!(seen["target"], "/chat?room=1");
    assert!(seen["authorization"].as_str().unwrap().starts_with("Bearer "), "{seen}");
    assert!(!browser.jar.keys().any(|name| name.contains("login")), "{:?}", browser.jar.keys());
}

#[tokio::test]
async fn the_request_to_the_issuer_names_us_exactly() {
    let house = House::with_login().await;
    let mut browser = Browser::at(&house);
    let login = browser.visit("/-/login").await;
    let location = login.location();
    assert!(location.starts_with(&format!("{}/auth?", house.issuer().url)), "{location}");
    for part in [
        "redirect_uri=https%3A%2F%2Fagents.example%2F-%2Fcallback&",
        "code_challenge_method=S256",
        "response_type=code&",
        "client_id=openclaw&",
    ] {
        assert!(location.contains(part), "{location}");
    }
    assert!(!location.contains("top-secret"));
}

#[tokio::test]
async fn logins_in_many_tabs_all_end_well() {
    let house = House::with_login().await;
    let mut browser = Browser::at(&house);
    let mut callbacks = Vec::new();
    for tab in 0..4 {
        callbacks.push(browser.callback_after(&format!("/tab-{tab}"), ALICE).await);
    }
    for (tab, callback) in callbacks.iter().enumerate().rev() {
        let back = browser.visit(callback).await;
        assert_eq!(back.location(), format!("/tab-{tab}"));
    }
}

#[tokio::test]
async fn next_never_leads_to_another_site() {
    let house = House::with_login().await;
    for next in ["//evil.example", "https://evil.example", "%2F%5Cevil.example", "/-/login", ""] {
        let mut browser = Browser::at(&house);
        let back = browser.come_back_from_issuer(next, ALICE).await;
        assert_eq!(back.location(), "/", "{next}");
    }
}

#[tokio::test]
async fn a_login_that_is_not_this_browsers_does_not_end_in_a_session() {
    let house = House::with_login().await;
    let mut victim = Browser::at(&house);
    let mut attacker = Browser::at(&house);
    let callback = attacker.callback_after("/", BOB).await;
    let other = victim.callback_after("/", ALICE).await;

    // The attacker's link in the victim's browser, which has no cookie of that login.
    let refused = victim.visit(&callback).await;
    assert_eq!(refused.status, 400);
    assert!(refused.text.contains("Sign in once more"), "{}", refused.text);
    // The victim's state with the attacker's code: another verifier, so the issuer refuses.
    let (_, state) = other.split_once("&state=").unwrap();
    let (code, _) = callback.split_once("&state=").unwrap();
    let refused = victim.visit(&format!("{code}&state={state}")).await;
    assert_eq!(refused.status, 400, "{}", refused.text);
    // A state that nobody made, none, and a part of one.
    for state in ["", "x", &state[..20], &"a".repeat(43)] {
        let refused = victim.visit(&format!("/-/callback?code=c&state={state}")).await;
        assert_eq!(refused.status, 400, "{state}");
    }
    assert_eq!(victim.visit("/-/callback").await.status, 400);
    assert!(!victim.is_signed_in() && !attacker.is_signed_in());
    assert!(house.api.calls().is_empty(), "nothing was created");
}

#[tokio::test]
async fn a_callback_works_once() {
    let house = House::with_login().await;
    let mut browser = Browser::at(&house);
    let callback = browser.callback_after("/", ALICE).await;
    let before = browser.jar.clone();
    assert_eq!(browser.visit(&callback).await.status, 302);
    // The cookie of the login is gone; who kept it gets no second session for the code.
    let mut replayed = Browser { jar: before, ..Browser::at(&house) };
    for browser in [&mut browser, &mut replayed] {
        let refused = browser.visit(&callback).await;
        assert_eq!(refused.status, 400, "{}", refused.text);
    }
    assert!(!replayed.is_signed_in());
}

#[tokio::test]
async fn tokens_that_do_not_fit_do_not_open_the_door() {
    for (access, id, status) in [
        (json!({}), json!({"nonce": "of-another-login"}), 502),
        (json!({}), json!({"aud": "other-app"}), 502),
        (json!({}), json!({"at_hash": "AAAAAAAAAAAAAAAAAAAAAA"}), 502),
        (json!({}), json!({"iss": "https://evil.example"}), 502),
        (json!({"aud": "account"}), json!({}), 403),
        (json!({"typ": "ID"}), json!({}), 403),
        (json!({"sub": "not-a-uuid"}), json!({}), 403),
        (json!({"exp": 1}), json!({}), 403),
    ] {
        let house = House::with_login().await;
        house.issuer().script(|script| {
            script.access = access.clone();
            script.id = id.clone();
        });
        let mut browser = Browser::at(&house);
        let refused = browser.come_back_from_issuer("/", ALICE).await;
        assert_eq!(refused.status, status, "{access} {id}: {}", refused.text);
        assert!(refused.headers["content-type"].to_str().unwrap().starts_with("text/html"));
        assert!(!browser.is_signed_in(), "{access} {id}");
    }
}

#[tokio::test]
async fn what_the_issuer_refuses_is_said_in_words() {
    let house = House::with_login().await;
    let mut browser = Browser::at(&house);
    for (answer, status) in [
        ("error=access_denied", 403),
        ("error=server_error&error_description=%3Cscript%3E", 403),
        ("code=c&iss=https%3A%2F%2Fevil.example", 502),
        ("code=never-given", 400),
        ("", 400),
    ] {
        let login = browser.visit("/-/login?next=/chat").await;
        let state = state_of(login.location());
        let refused = browser.visit(&format!("/-/callback?state={state}&{answer}")).await;
        assert_eq!(refused.status, status, "{answer}: {}", refused.text);
        assert!(refused.text.contains("/-/login?next=%2Fchat"), "the way on: {}", refused.text);
        assert!(!refused.text.contains("<script>"), "{}", refused.text);
    }
    assert!(!browser.is_signed_in());
}

#[tokio::test]
async fn a_session_of_one_user_reaches_that_users_pod_alone() {
    let house = House::with_login().await;
    house.with_alices_pod().await;
    let mut bob = Browser::of(&house, BOB).await;
    assert_eq!(bob.fetch("/chat").await.refused(503), "stopped");
    let me = bob.fetch("/-/api/v1/me").await.json();
    assert_eq!(me["name"], BOB);
}

#[tokio::test]
async fn people_are_led_to_the_login_and_programs_are_told() {
    let house = House::with_login().await;
    let mut browser = Browser::at(&house);
    assert_eq!(browser.visit("/").await.location(), "/-/login?next=%2F");
    let old = browser.send(Method::GET, "/", &[("accept", "text/html")], "").await;
    assert_eq!(old.status, 302, "a browser without fetch metadata");
    for path in ["/chat", "/-/api/v1/me"] {
        let told = browser.fetch(path).await;
        assert_eq!(told.refused(401), "missing_token");
        assert!(told.headers.contains_key("www-authenticate"));
    }
    let frame = [("sec-fetch-mode", "websocket"), ("upgrade", "websocket")];
    assert_eq!(browser.send(Method::GET, "/ws", &frame, "").await.status, 401);
}

#[tokio::test]
async fn a_bearer_token_is_judged_alone_also_beside_a_session() {
    let house = House::with_login().await;
    house.with_alices_pod().await;
    let mut browser = Browser::of(&house, ALICE).await;
    let bad = [&FETCH[..], &[("authorization", "Bearer a.b.c")]].concat();
    assert_eq!(browser.send(Method::GET, "/chat", &bad, "").await.refused(401), "invalid_token");
    let token = edge::oidc::testing::Idp::shared().token(&edge::oidc::testing::claims(
        &house.issuer().url,
        BOB,
        edge::oidc::UnixTime::now(),
    ));
    let bearer = format!("Bearer {token}");
    let bob = [&FETCH[..], &[("authorization", bearer.as_str())]].concat();
    let me = browser.send(Method::GET, "/-/api/v1/me", &bob, "").await.json();
    assert_eq!(me["name"], BOB);
    // A token is no cookie: it may come from anywhere.
    let from_afar = [("authorization", bearer.as_str()), ("host", "spawner.svc")];
    let started = browser.send(Method::POST, "/-/api/v1/me/server", &from_afar, "").await;
    assert_eq!(started.status, 202, "{}", started.text);
}

#[tokio::test]
async fn an_issuer_that_is_down_is_not_the_end() {
    let house = House::with_login().await;
    let mut browser = Browser::at(&house);
    let callback = browser.callback_after("/", ALICE).await;
    house.issuer().script(|script| script.refresh = Refresh::Down);
    assert_eq!(browser.visit(&callback).await.status, 302, "codes are still traded");
    assert_eq!(browser.visit("/-/signed-out").await.status, 200);
}

#[tokio::test]
async fn without_a_login_there_are_only_tokens() {
    let house = House::open().await;
    let visit = house.ask_with(Method::GET, "/", &VISIT, "").await;
    assert_eq!(visit.status, 401);
    for path in ["/-/login", "/-/callback?code=c&state=s"] {
        let told = house.ask_with(Method::GET, path, &[], "").await;
        assert_eq!(told.refused(404), "no_login");
    }
    let told =
        house.ask_with(Method::POST, "/-/backchannel-logout", &[], "logout_token=a.b.c").await;
    assert_eq!(told.refused(404), "no_login");
}
