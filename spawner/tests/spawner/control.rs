//! The control address: only there does a session show and stop the workspaces of others, and there
//! nothing of a pod is ever served.

use edge::oidc::testing::{ALICE, BOB};
use http::Method;
use serde_json::{Value, json};

use crate::{
    api_server::ApiServer,
    browser::{Browser, FETCH, FORM, VISIT},
    house::{CONTROL, House, ORIGIN, Rules, bearer, pod_name, pod_of, ready},
    pages::is_page,
};

const CAROL: &str = "33333333-2222-4333-8444-555555555555";
const USERS: &str = "/-/users";
const API_USERS: &str = "/-/api/v1/users";

/// Alice's and bob's workspaces run, and whoever signs in has these realm roles.
async fn house_of(roles: &[&str]) -> House {
    let api = ApiServer::new();
    api.put(pod_of(ALICE, ready()));
    api.put(pod_of(BOB, json!({"phase": "Pending"})));
    let house = House::with_login_by(api, Rules::default()).await;
    house.issuer().script(|script| script.access = json!({"realm_access": {"roles": roles}}));
    house.until("Ready").await;
    house
}

async fn house() -> House {
    house_of(&["openclaw-operator"]).await
}

#[tokio::test]
async fn an_operator_signs_in_at_the_control_address_and_sees_everybody() {
    let house = house().await;
    let mut browser = Browser { origin: CONTROL, ..Browser::at(&house) };
    // Whoever opens the bare address wants the table.
    assert_eq!(browser.visit("/").await.location(), USERS);
    let login = browser.visit(USERS).await;
    assert_eq!(login.location(), "/-/login?next=%2F-%2Fusers");
    let issuer = browser.visit(login.location()).await;
    let asked: Vec<_> = form_urlencoded::parse(issuer.location().as_bytes()).collect();
    let redirect = asked.iter().find(|(name, _)| name == "redirect_uri").unwrap();
    assert_eq!(redirect.1, format!("{CONTROL}/-/callback"));

    let mut browser = Browser::at_control(&house, CAROL).await;
    let table = browser.visit(USERS).await;
    assert_eq!(table.status, 200);
    is_page(&table, "Workspaces");
    for shown in [ALICE, BOB, "Ready", "Creating", "Outdated", "Manage", ">Stop<", ">Restart<"] {
        let expected = shown != "Outdated";
        assert_eq!(table.text.contains(shown), expected, "{shown}: {}", table.text);
    }
    assert!(house.api.calls().is_empty(), "looking changes nothing: {:?}", house.api.calls());
}

#[tokio::test]
async fn a_session_of_one_address_is_none_at_the_other() {
    let house = house().await;
    for (mine, others) in [(ORIGIN, CONTROL), (CONTROL, ORIGIN)] {
        let mut browser = Browser { origin: mine, ..Browser::at(&house) };
        browser.come_back_from_issuer("/-/", CAROL).await;
        let mut moved = Browser { origin: others, jar: browser.jar.clone(), ..Browser::at(&house) };
        assert_eq!(moved.fetch("/-/api/v1/me").await.refused(401), "missing_token");
        moved.jar = browser.jar.clone();
        let led = moved.visit("/-/").await;
        assert_eq!(led.location(), "/-/login?next=%2F-%2F");
        assert_eq!(browser.fetch("/-/api/v1/me").await.status, 200, "it is a session at {mine}");
    }
}

#[tokio::test]
async fn a_login_ends_where_it_began() {
    let house = house().await;
    let mut browser = Browser::at(&house);
    let callback = browser.callback_after("/", CAROL).await;
    let mut moved = Browser { origin: CONTROL, jar: browser.jar.clone(), ..Browser::at(&house) };
    let refused = moved.visit(&callback).await;
    assert_eq!(refused.status, 400);
    is_page(&refused, "You are not signed in");
    assert!(!moved.is_signed_in());
    assert_eq!(browser.visit(&callback).await.status, 302, "the code was not used up");
}

#[tokio::test]
async fn at_the_public_address_a_session_does_nothing_to_others() {
    let house = house().await;
    let mut browser = Browser::of(&house, CAROL).await;
    let token = browser.csrf_token().await;
    let page = browser.visit(USERS).await;
    assert_eq!(page.status, 403);
    is_page(&page, "Not at this address");
    assert!(page.text.contains(&format!("href=\"{CONTROL}{USERS}\"")), "{}", page.text);

    let alices = format!("{API_USERS}/{ALICE}/server");
    let script = [&FETCH[..], &[("origin", ORIGIN), ("x-csrf-token", &token)]].concat();
    for (method, path) in [
        (Method::GET, API_USERS.to_owned()),
        (Method::GET, alices.clone()),
        (Method::GET, alices.clone() + "/progress"),
        (Method::POST, alices.clone()),
        (Method::POST, alices.clone() + "/restart"),
        (Method::POST, alices.clone() + "/activity"),
        (Method::DELETE, alices),
    ] {
        let refused = browser.send(method.clone(), &path, &script, "").await;
        assert_eq!(refused.refused(403), "control_host_only", "{method} {path}");
        assert!(refused.text.contains(CONTROL), "says where: {}", refused.text);
    }
    for action in ["stop", "restart"] {
        let path = format!("{USERS}/{ALICE}/{action}");
        let refused = browser.send(Method::POST, &path, &FORM, &format!("csrf={token}")).await;
        assert_eq!(refused.status, 403, "{}", refused.text);
        is_page(&refused, "Not at this address");
    }
    assert!(house.api.calls().is_empty(), "{:?}", house.api.calls());
}

#[tokio::test]
async fn without_a_control_address_there_is_no_table() {
    let api = ApiServer::new();
    api.put(pod_of(ALICE, ready()));
    let house = House::with_login_by(api, Rules { control_url: None, ..Rules::default() }).await;
    let roles = json!({"realm_access": {"roles": ["openclaw-operator"]}});
    house.issuer().script(|script| script.access = roles);
    let mut browser = Browser::of(&house, CAROL).await;
    let page = browser.visit(USERS).await;
    assert_eq!(page.status, 403);
    assert!(page.text.contains("has no control address"), "{}", page.text);
    assert_eq!(browser.fetch(API_USERS).await.refused(403), "control_host_only");
    // Nobody is at the address that would be one.
    let mut stray = Browser { origin: CONTROL, jar: browser.jar.clone(), ..Browser::at(&house) };
    for path in [USERS, "/", "/-/login"] {
        assert_eq!(stray.visit(path).await.status, 421, "{path}");
    }
    assert!(!browser.visit("/-/").await.text.contains("All workspaces"));
}

#[tokio::test]
async fn without_the_role_there_is_nothing_to_see() {
    let house = house_of(&["openclaw-operators", "offline_access"]).await;
    let mut browser = Browser::at_control(&house, CAROL).await;
    let page = browser.visit(USERS).await;
    assert_eq!(page.status, 403);
    is_page(&page, "This is for operators");
    assert!(page.text.contains("openclaw-operator") && !page.text.contains(ALICE), "{}", page.text);
    assert_eq!(browser.fetch(API_USERS).await.refused(403), "operator_only");
    let refused = browser.press(&format!("{USERS}/{ALICE}/stop")).await;
    assert_eq!(refused.status, 403);
    assert!(!browser.visit("/-/").await.text.contains("All workspaces"));
    assert!(house.api.calls().is_empty(), "{:?}", house.api.calls());
}

#[tokio::test]
async fn no_pod_is_reached_at_the_control_address() {
    let house = house().await;
    let mut browser = Browser::at_control(&house, ALICE).await;
    let token = bearer(ALICE);
    let host = ("host", "control.example");
    for path in ["/", "/chat", "/healthz", "//-/users", "/-", "/%2d/users"] {
        for method in [Method::GET, Method::POST] {
            let script = [&FETCH[..], &[("origin", CONTROL)]].concat();
            let refused = browser.send(method, path, &script, "").await;
            assert_eq!(refused.refused(404), "no_workspace_here", "{path}");
        }
        let headers = [("authorization", token.as_str()), host];
        let refused = house.ask_with(Method::GET, path, &headers, "").await;
        assert_eq!(refused.refused(404), "no_workspace_here", "{path}");
    }
    let upgrade = [
        ("origin", CONTROL),
        ("connection", "upgrade"),
        ("upgrade", "websocket"),
        ("sec-websocket-version", "13"),
        ("sec-websocket-key", "dGhlIHNhbXBsZSBub25jZQ=="),
    ];
    let refused = browser.send(Method::GET, "/ws", &upgrade, "").await;
    assert_eq!(refused.refused(404), "no_workspace_here");
    let page = browser.visit("/chat").await;
    assert_eq!(page.status, 404);
    is_page(&page, "There is no workspace here");
}

#[tokio::test]
async fn stopping_another_needs_a_form_of_our_own() {
    let house = house().await;
    let mut browser = Browser::at_control(&house, CAROL).await;
    let token = browser.csrf_token().await;
    let good = format!("csrf={token}");
    let path = format!("{USERS}/{ALICE}/stop?state=Ready&page=1");
    let [_, _, mode, dest, content] = browser.form();
    for (origin, site, body, code) in [
        (Some(CONTROL), Some("same-origin"), "", "session"),
        (Some(CONTROL), Some("same-origin"), "csrf=x", "session"),
        (Some(ORIGIN), Some("same-site"), good.as_str(), "another site"),
        (Some(ORIGIN), Some("same-origin"), &good, "another site"),
        (Some(CONTROL), Some("same-site"), &good, "another site"),
        (Some(CONTROL), None, &good, "Sec-Fetch-Site"),
        (None, Some("same-origin"), &good, "Origin is missing"),
    ] {
        let mut headers = vec![mode, dest, content];
        headers.extend(origin.map(|origin| ("origin", origin)));
        headers.extend(site.map(|site| ("sec-fetch-site", site)));
        let refused = browser.send(Method::POST, &path, &headers, body).await;
        assert_eq!(refused.status, 403, "{origin:?} {site:?} {body}");
        is_page(&refused, "This was not done");
        assert!(refused.text.contains(code), "{code}: {}", refused.text);
    }
    assert!(house.api.calls().is_empty(), "{:?}", house.api.calls());
    let done = browser.press(&path).await;
    assert_eq!((done.status.as_u16(), done.location()), (303, "/-/users?state=Ready"));
    house.until("Stopping").await;
    house.api.remove(&pod_name());
    house.until("Stopped").await;
    let last = house.ask(Method::GET, "/-/api/v1/me/server").await;
    assert_eq!(last.status, 401, "its token is of another issuer");
    let seen = house.follow().now();
    let last = seen.last_stop.unwrap();
    assert_eq!((last.reason.name(), last.by.as_ref().unwrap().as_str()), ("admin", CAROL));
}

#[tokio::test]
async fn a_restart_of_another_is_a_real_one() {
    let house = house().await;
    let mut browser = Browser::at_control(&house, CAROL).await;
    let before = house.api.pod(&pod_name()).unwrap()["metadata"]["uid"].clone();
    let done = browser.press(&format!("{USERS}/{ALICE}/restart")).await;
    assert_eq!((done.status.as_u16(), done.location()), (303, USERS));
    house.until("Stopping").await;
    assert!(browser.visit(USERS).await.text.contains("Then it is started again"));
    house.api.remove(&pod_name());
    house.api.saw("create pod").await;
    assert_ne!(house.api.pod(&pod_name()).unwrap()["metadata"]["uid"], before);
    for odd in ["..%2fx", "ALICE", &ALICE.to_uppercase().replace('1', "A")] {
        let refused = browser.press(&format!("{USERS}/{odd}/restart")).await;
        assert_eq!(refused.status, 400, "{odd}: {}", refused.text);
        is_page(&refused, "No such user");
    }
}

#[tokio::test]
async fn the_api_takes_the_session_of_the_control_address() {
    let house = house().await;
    let mut browser = Browser::at_control(&house, CAROL).await;
    let users: Value = browser.fetch(API_USERS).await.json();
    assert_eq!(users["items"].as_array().unwrap().len(), 2);
    let alices = format!("{API_USERS}/{ALICE}/server");
    let expected = format!("{alices}/progress");
    assert_eq!(users["items"][0]["server"]["progress_url"], expected.as_str());
    // From a page of the public address, which is of the same site.
    let sibling = [("sec-fetch-site", "same-site"), ("sec-fetch-mode", "cors"), ("origin", ORIGIN)];
    assert_eq!(browser.send(Method::GET, API_USERS, &sibling, "").await.refused(403), "cross_site");
    let script = [&FETCH[..], &[("origin", CONTROL)]].concat();
    let refused = browser.send(Method::DELETE, &alices, &script, "").await;
    assert_eq!(refused.refused(403), "csrf_token");
    assert!(house.api.calls().is_empty(), "{:?}", house.api.calls());
    let token = browser.csrf_token().await;
    let ours = [&script[..], &[("x-csrf-token", &token)]].concat();
    assert_eq!(browser.send(Method::DELETE, &alices, &ours, "").await.status, 202);
}

#[tokio::test]
async fn the_table_has_pages_an_order_and_filters() {
    let api = ApiServer::new();
    for number in 0..30 {
        let user = format!("{number:08}-2222-4333-8444-555555555555");
        let status =
            if number == 7 { json!({"phase": "Failed", "reason": "Evicted"}) } else { ready() };
        api.put(pod_of(&user, status));
    }
    let house = House::with_login_by(api, Rules::default()).await;
    let roles = json!({"realm_access": {"roles": ["openclaw-operator"]}});
    house.issuer().script(|script| script.access = roles);
    let mut browser = Browser::at_control(&house, CAROL).await;
    let mut rows = async |query: &str| {
        let page = browser.visit(&format!("{USERS}{query}")).await;
        assert_eq!(page.status, 200, "{}", page.text);
        let rows = page.text.split("<th scope=\"row\"><code>").skip(1);
        (rows.map(|row| row[..8].to_owned()).collect::<Vec<_>>(), page.text)
    };
    let (first, text) = rows("").await;
    assert_eq!((first.len(), first[0].as_str()), (25, "00000000"));
    assert!(text.contains("30 workspaces, page 1 of 2") && text.contains("/-/users?page=2"));
    assert_eq!(rows("?page=2").await.0.len(), 5);
    assert_eq!(rows("?sort=state").await.0[0], "00000007", "what failed comes first");
    assert_eq!(rows("?state=Failed").await.0, ["00000007"]);
    assert_eq!(rows("?user=0000002").await.0.len(), 10);
    let (none, text) = rows("?user=%3Cb%3E").await;
    assert!(none.is_empty() && text.contains("&lt;b&gt;") && !text.contains("<b>"), "{text}");
    for query in ["?state=ready", "?sort=x", "?page=-1", "?limit=3"] {
        let refused = browser.visit(&format!("{USERS}{query}")).await;
        assert_eq!(refused.status, 400, "{query}");
        is_page(&refused, "The query is not understood");
    }
}

#[tokio::test]
async fn the_table_is_for_the_eyes_of_its_operator_alone() {
    let house = house().await;
    let mut browser = Browser::at_control(&house, CAROL).await;
    assert_eq!(browser.fetch(USERS).await.refused(403), "not_a_navigation");
    let frame = [VISIT[0], VISIT[1], ("sec-fetch-dest", "iframe")];
    assert_eq!(browser.send(Method::GET, USERS, &frame, "").await.status, 403);
    let table = browser.visit(USERS).await;
    assert_eq!(table.headers["x-frame-options"], "DENY");
}

#[tokio::test]
async fn the_home_page_leads_from_one_address_to_the_other_and_out() {
    let house = house().await;
    let mut browser = Browser::of(&house, ALICE).await;
    let home = browser.visit("/-/").await;
    assert!(home.text.contains(&format!("<a href=\"{CONTROL}{USERS}\">All workspaces")));
    let mut browser = Browser::at_control(&house, ALICE).await;
    let home = browser.visit("/-/").await;
    is_page(&home, "Your workspace");
    assert!(home.text.contains(&format!("href=\"{ORIGIN}/\">Open")), "{}", home.text);
    assert_eq!(browser.press("/-/server/restart").await.location(), "/-/", "no pod is here");
    let out = browser.press("/-/logout").await;
    let after = form_urlencoded::parse(out.location().as_bytes())
        .find(|(name, _)| name == "post_logout_redirect_uri")
        .map(|(_, to)| to.into_owned());
    assert_eq!(after.unwrap(), format!("{CONTROL}/-/signed-out"));
    assert!(!browser.is_signed_in());
}
