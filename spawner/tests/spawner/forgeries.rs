//! Cookies, hosts, origins and paths that somebody made up. Each is refused in words, and nothing is
//! created.

use edge::oidc::{
    UnixTime,
    testing::{ALICE, Idp, claims},
};
use http::Method;

use crate::{
    browser::{Browser, FETCH, FORM, VISIT},
    house::House,
};

#[tokio::test]
async fn a_cookie_that_we_did_not_seal_is_none() {
    let house = House::with_login().await;
    house.with_alices_pod().await;
    let browser = Browser::of(&house, ALICE).await;
    let first = browser.jar["__Host-openclaw-session-0"].clone();
    let swap = |at: usize| {
        let mut bytes = first.clone().into_bytes();
        bytes[at] = if bytes[at] == b'A' { b'B' } else { b'A' };
        String::from_utf8(bytes).unwrap()
    };
    let forged = [
        String::new(),
        "1.x".to_owned(),
        first[..first.len() - 1].to_owned(),
        first[..40].to_owned(),
        format!("{first}A"),
        first.replacen("1.", "2.", 1),
        swap(4),
        swap(60),
        swap(first.len() - 30),
        browser.jar.keys().next().unwrap().clone(),
    ];
    for value in forged {
        let mut thief = Browser::at(&house);
        thief.jar.insert("__Host-openclaw-session-0".to_owned(), value.clone());
        assert_eq!(thief.fetch("/chat").await.refused(401), "missing_token", "{value}");
        thief.jar.insert("__Host-openclaw-session-0".to_owned(), value.clone());
        assert_eq!(thief.visit("/chat").await.location(), "/-/login?next=%2Fchat");
        assert!(!thief.is_signed_in(), "what is no session is removed");
    }
}

#[tokio::test]
async fn a_cookie_of_a_login_is_no_session() {
    let house = House::with_login().await;
    let mut browser = Browser::at(&house);
    browser.visit("/-/login").await;
    let sealed = browser.jar.values().next().unwrap().clone();
    let mut thief = Browser::at(&house);
    thief.jar.insert("__Host-openclaw-session-0".to_owned(), format!("1.{sealed}"));
    assert_eq!(thief.fetch("/chat").await.refused(401), "missing_token");
}

#[tokio::test]
async fn a_session_is_for_the_public_address_alone() {
    let house = House::with_login().await;
    house.with_alices_pod().await;
    let mut browser = Browser::of(&house, ALICE).await;
    for host in ["evil.example", "agents.example.evil.example", "agents.example:8080", "127.0.0.1"]
    {
        let forged = [&FETCH[..], &[("host", host)]].concat();
        let refused = browser.send(Method::GET, "/chat", &forged, "").await;
        assert_eq!(refused.status, 421, "{host}: {}", refused.text);
        for path in ["/", "/-/", "/-/login?next=/", "/-/callback?code=c&state=s"] {
            let forged = [&VISIT[..], &[("host", host)]].concat();
            let refused = browser.send(Method::GET, path, &forged, "").await;
            assert_eq!(refused.status, 421, "{host} {path}");
            assert!(
                refused.text.contains("https://agents.example"),
                "says which: {}",
                refused.text
            );
            assert!(!refused.text.contains(host), "does not repeat it");
        }
    }
    assert!(browser.is_signed_in());
}

#[tokio::test]
async fn a_session_does_not_speak_for_other_origins() {
    let house = House::with_login().await;
    house.with_alices_pod().await;
    let mut browser = Browser::of(&house, ALICE).await;
    let token = browser.csrf_token().await;
    for (origin, site, code) in [
        (None, Some("same-origin"), "origin_missing"),
        (Some("https://evil.example"), Some("cross-site"), "origin_refused"),
        (Some("null"), Some("same-origin"), "origin_refused"),
        (Some("https://agents.example"), Some("cross-site"), "cross_site"),
        (Some("https://agents.example"), Some("none"), "cross_site"),
    ] {
        let mut headers = vec![("sec-fetch-mode", "cors"), FORM[4]];
        headers.extend(origin.map(|origin| ("origin", origin)));
        headers.extend(site.map(|site| ("sec-fetch-site", site)));
        for path in ["/v1/chat", "/-/logout", "/-/server/stop", "/-/api/v1/me/server"] {
            let body = format!("csrf={token}");
            let refused = browser.send(Method::POST, path, &headers, &body).await;
            assert_eq!(refused.refused(403), code, "{path} {origin:?} {site:?}");
        }
    }
    let unsaid = [("origin", "https://agents.example"), FORM[4]];
    let refused = browser.send(Method::POST, "/-/logout", &unsaid, &format!("csrf={token}")).await;
    assert_eq!(refused.refused(403), "fetch_site_missing");
    assert!(browser.is_signed_in());
    assert!(house.api.calls().is_empty());
}

#[tokio::test]
async fn a_form_without_a_session_does_nothing() {
    let house = House::with_login().await;
    let mut nobody = Browser::at(&house);
    for path in ["/-/logout", "/-/server/stop"] {
        let answer = nobody.send(Method::POST, path, &FORM, "csrf=x").await;
        assert_eq!((answer.status.as_u16(), answer.location()), (302, "/-/login?next=%2F"));
    }
    let token = crate::house::bearer(ALICE);
    let answer =
        nobody.send(Method::POST, "/-/logout", &[("authorization", &token)], "csrf=x").await;
    assert_eq!(answer.status, 401, "{}", answer.text);
}

#[tokio::test]
async fn large_bodies_are_not_read() {
    let house = House::with_login().await;
    let mut browser = Browser::of(&house, ALICE).await;
    let body = format!("csrf={}", "a".repeat(9000));
    for path in ["/-/logout", "/-/server/start"] {
        let refused = browser.send(Method::POST, path, &FORM, &body).await;
        assert_eq!(refused.status, 413, "{}", refused.text);
    }
    let token = crate::house::bearer(ALICE);
    let body = format!(r#"{{"image": "{}"}}"#, "a".repeat(5000));
    let house = House::open().await;
    for path in ["/-/api/v1/me/server", "/-/api/v1/me/server/activity"] {
        let headers = [("authorization", token.as_str())];
        let refused = house.ask_with(Method::POST, path, &headers, &body).await;
        assert_eq!(refused.refused(413), "body_too_large", "{path}");
    }
    assert!(house.api.calls().is_empty(), "{:?}", house.api.calls());
}

#[tokio::test]
async fn a_large_logout_is_not_read() {
    let house = House::with_login().await;
    let body = format!("logout_token={}", "a".repeat(40_000));
    let refused = house.ask_with(Method::POST, "/-/backchannel-logout", &[FORM[4]], &body).await;
    assert_eq!(refused.refused(413), "body_too_large");
}

/// Two sessions of one user, and the token of one in a form of the other.
#[tokio::test]
async fn a_form_of_one_session_does_nothing_in_another() {
    let house = House::with_login().await;
    house.with_alices_pod().await;
    let mut one = Browser::of(&house, ALICE).await;
    let mut other = Browser::of(&house, ALICE).await;
    let body = format!("csrf={}", one.csrf_token().await);
    let refused = other.send(Method::POST, "/-/server/stop", &FORM, &body).await;
    assert_eq!(refused.status, 403);
    assert!(refused.text.contains("another session"), "{}", refused.text);
    assert!(house.api.calls().is_empty());
}

#[tokio::test]
async fn cookies_that_contradict_each_other_are_none() {
    let house = House::with_login().await;
    house.with_alices_pod().await;
    let browser = Browser::of(&house, ALICE).await;
    let good = browser.cookies();
    let host = ("host", "agents.example");
    for cookies in [
        format!("{good}; {good}"),
        format!("{good}; __Host-openclaw-session-0=1.x"),
        format!("__Host-openclaw-session-0=; {good}"),
        good.replace("session-0", "session-1"),
        good.replace("__Host-openclaw-session-0=1.", "__Host-openclaw-session-0=3."),
        good.replace("__Host-openclaw-session-0=1.", "__Host-openclaw-session-0=99999999999."),
    ] {
        let headers = [&FETCH[..], &[host, ("cookie", cookies.as_str())]].concat();
        let refused = house.ask_with(Method::GET, "/chat", &headers, "").await;
        assert_eq!(refused.refused(401), "missing_token", "{cookies}");
    }
}

#[tokio::test]
async fn tricks_with_paths_reach_neither_our_pages_nor_a_pod() {
    let house = House::with_login().await;
    house.with_alices_pod().await;
    let mut browser = Browser::of(&house, ALICE).await;
    for path in [
        "/-/../-/login",
        "/-/./login",
        "/-//login",
        "/-/login/",
        "/-/%6cogin",
        "/-/api/v1/me/../me",
        "/-/server/start",
        "/-/callback%3Fcode=x",
        "/-/LOGIN",
        "/-/Users",
        "/-/users/",
        "/-/users%2f",
        "/-/users/../logout",
        "/-/users/%2e%2e/login",
        "/-/api/V1/me",
        "/-/api/v1//me",
        "/-/api/v1/me/",
        "/-/api/v1/me%2fserver",
        "/-/api/v1/me/server;a=b",
        "/-/%2e%2e/api/v1/me",
    ] {
        let answer = browser.fetch(path).await;
        assert!(matches!(answer.status.as_u16(), 404 | 405), "{path}: {}", answer.status);
    }
    // These are the pod's own, byte for byte.
    for path in ["/-", "//-/login", "/%2d/logout", "/x/../-/logout", "/.//-/login"] {
        assert_eq!(browser.fetch(path).await.json()["target"], path);
    }
}

/// Who is meant is one path segment, and one of the strict form.
#[tokio::test]
async fn a_path_names_a_user_or_nobody() {
    use edge::oidc::{
        UnixTime,
        testing::{Idp, claims, with},
    };
    let house = House::open().await;
    house.with_alices_pod().await;
    let roles = serde_json::json!({"realm_access": {"roles": ["openclaw-operator"]}});
    let token =
        Idp::shared().token(&with(claims(crate::house::ISSUER, ALICE, UnixTime::now()), roles));
    let operator = format!("Bearer {token}");
    let (head, tail) = ALICE.split_at(4);
    for user in [
        "..",
        "%2e%2e",
        "%2E%2E%2f",
        "%ff",
        "%00",
        "me",
        "*",
        &format!("{ALICE}%00"),
        &format!("{ALICE}%20"),
        &format!("{ALICE}%2f"),
        &format!("%0a{ALICE}"),
        &format!("{head}%2f{tail}"),
        &format!("{{{ALICE}}}"),
        &ALICE.replace('-', ""),
        &format!("urn:uuid:{ALICE}"),
        &"a".repeat(2000),
    ] {
        for method in [Method::GET, Method::POST, Method::DELETE] {
            let path = format!("/-/api/v1/users/{user}/server");
            let headers = [("authorization", operator.as_str())];
            let refused = house.ask_with(method, &path, &headers, "").await;
            assert_eq!(refused.refused(400), "bad_user", "{user}");
        }
    }
    assert!(house.api.calls().is_empty(), "{:?}", house.api.calls());
}

/// A pod's answers cannot reach into what we keep in the browser.
#[tokio::test]
async fn a_pod_cannot_set_our_cookies_or_stand_between_us_and_the_browser() {
    use axum::{Router, response::AppendHeaders};
    let pod = Router::new().fallback(async || {
        AppendHeaders([
            ("set-cookie", "__Host-openclaw-session-0=1.forged; Path=/; Secure"),
            ("set-cookie", "theme=dark"),
            ("service-worker-allowed", "/"),
            ("clear-site-data", "\"cookies\""),
            ("cross-origin-opener-policy", "same-origin"),
        ])
    });
    let house = House::with_login_and(pod).await;
    house.with_alices_pod().await;
    let mut browser = Browser::of(&house, ALICE).await;
    let before = browser.jar.clone();
    let answer = browser.fetch("/").await;
    let set: Vec<_> = answer.headers.get_all("set-cookie").into_iter().collect();
    assert_eq!(set, ["theme=dark"]);
    for name in ["service-worker-allowed", "clear-site-data"] {
        assert!(!answer.headers.contains_key(name), "{name}");
    }
    assert_eq!(answer.headers["cross-origin-opener-policy"], "same-origin-allow-popups");
    browser.jar.remove("theme");
    assert_eq!(browser.jar, before);
}

/// Whichever worker a page registers under the root, it gets ours; a program with a token is no browser.
#[tokio::test]
async fn a_service_worker_of_every_page_is_ours_and_never_a_pods() {
    let house = House::with_login_and(axum::Router::new().fallback(async || "the pod's")).await;
    house.with_alices_pod().await;
    let mut signed_in = Browser::of(&house, ALICE).await;
    let worker = [&FETCH[..], &[("service-worker", "script")]].concat();
    for browser in [&mut signed_in, &mut Browser::at(&house)] {
        for path in ["/sw.js", "/sw.js?v=1", "/other.js"] {
            let ours = browser.send(Method::GET, path, &worker, "").await;
            assert_eq!(ours.status, 200, "{path}");
            assert_eq!(ours.headers["content-type"], "text/javascript; charset=utf-8");
            assert!(ours.text.contains("client.navigate(`/-/login?next="), "{path}: {}", ours.text);
        }
    }
    let in_a_folder = signed_in.send(Method::GET, "/app/sw.js", &worker, "").await;
    assert_eq!(in_a_folder.text, "the pod's");
    assert_eq!(signed_in.fetch("/sw.js").await.text, "the pod's", "no worker asks");
    let token = Idp::shared().token(&claims(&house.issuer().url, ALICE, UnixTime::now()));
    let bearer = format!("Bearer {token}");
    let program = [("authorization", bearer.as_str()), ("service-worker", "script")];
    let answer = house.ask_with(Method::GET, "/sw.js", &program, "").await;
    assert_eq!(answer.text, "the pod's");
}
