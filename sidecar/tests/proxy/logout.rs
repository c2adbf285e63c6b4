//! Back-channel logout: the issuer's word ends a session here and now, nobody else's does anything.

use axum::body::Body;
use edge::oidc::{
    UnixTime,
    testing::{ALICE, BOB, Idp},
};
use http::{Request, StatusCode, header};
use serde_json::{Value, json};

use crate::{
    runtime::{Runtime, WebSocketRuntime},
    session::{closed_with, echoes},
    sidecar::{Answer, Sidecar, next},
};

fn form(token: &str) -> String {
    format!("logout_token={token}")
}

/// How the gate answers a request of this session.
async fn gate(sidecar: &Sidecar, bearer: &str) -> (u16, Value) {
    let answer = sidecar.get("/", &[("authorization", bearer)]).await;
    let problem = serde_json::from_str(&answer.body).unwrap_or_default();
    (answer.status.as_u16(), problem)
}

fn believed(answer: &Answer) {
    assert_eq!((answer.status, answer.body.as_str()), (StatusCode::OK, ""));
    assert_eq!(answer.headers[header::CACHE_CONTROL], "no-store");
}

#[tokio::test]
async fn a_logout_closes_the_sessions_streams_and_refuses_its_tokens() {
    let (http, chat) = (Runtime::start().await, WebSocketRuntime::start().await);
    let sidecars = [Sidecar::before(http.address).await, Sidecar::before(chat.address).await];
    let [sidecar, chatting] = &sidecars;
    let mut events = sidecar.open("/events", &sidecar.bearer_of("s")).await;
    let mut others = sidecar.open("/events", &sidecar.bearer_of("other")).await;
    let mut socket = chatting.websocket("/chat", Some(&chatting.bearer_of("s"))).await.unwrap();
    echoes(&mut socket).await;
    let (cached, unseen) = (sidecar.bearer_of("s"), sidecar.token(json!({"sid": "s", "jti": "2"})));
    assert_eq!(gate(sidecar, &cached).await.0, 200);

    for sidecar in &sidecars {
        believed(&sidecar.back_channel(form(&sidecar.logout_token(json!({"sid": "s"})))).await);
    }
    assert_eq!(closed_with(&mut socket).await, (1008, "session ended".to_owned()));
    assert_eq!(next(&mut events).await, None);
    for bearer in [cached, format!("Bearer {unseen}")] {
        let (status, problem) = gate(sidecar, &bearer).await;
        assert_eq!((status, &problem["code"]), (401, &json!("invalid_token")));
    }
    http.say("still here");
    assert_eq!(next(&mut others).await.as_deref(), Some("data: still here\n\n"));
    assert_eq!(gate(sidecar, &sidecar.bearer_of("new")).await.0, 200);
    let metrics = sidecar.admin("/metrics").await.body;
    for line in [
        "openclaw_sidecar_auth_result_total{reason=\"logged_out\"} 2",
        "openclaw_sidecar_backchannel_logout_total{result=\"ok\"} 1",
    ] {
        assert!(metrics.contains(line), "{line} not in {metrics}");
    }
}

#[tokio::test]
async fn a_logout_by_user_ends_every_session_until_they_come_back() {
    let runtime = Runtime::start().await;
    let sidecar = Sidecar::before(runtime.address).await;
    let before = sidecar.bearer_of("s");
    let mut events = sidecar.open("/events", &before).await;
    let mut without = sidecar.open("/events", &sidecar.bearer_of("s2")).await;
    let logout = form(&sidecar.logout_token(json!({"sid": null})));
    believed(&sidecar.back_channel(logout.clone()).await);
    assert_eq!(next(&mut events).await, None);
    assert_eq!(next(&mut without).await, None);
    // The same token: one made a second later would be a login after the logout.
    assert_eq!(gate(&sidecar, &before).await.0, 401);

    let later = UnixTime::now().as_secs() + 5;
    let back = format!("Bearer {}", sidecar.token(json!({"sid": "s3", "iat": later})));
    let mut events = sidecar.open("/events", &back).await;
    believed(&sidecar.back_channel(logout).await);
    runtime.say("still here");
    assert_eq!(next(&mut events).await.as_deref(), Some("data: still here\n\n"), "a replay");
    let bobs = form(&sidecar.logout_token(json!({"sid": null, "sub": BOB, "iat": later})));
    believed(&sidecar.back_channel(bobs).await);
    assert_eq!(gate(&sidecar, &back).await.0, 200, "bob's logout is not alice's");
}

#[tokio::test]
async fn nobody_but_the_issuer_ends_a_session() {
    let runtime = Runtime::start().await;
    let sidecar = Sidecar::before(runtime.address).await;
    let mut events = sidecar.open("/events", &sidecar.bearer()).await;
    let good = sidecar.logout_token(json!({}));
    let token = |changes| form(&sidecar.logout_token(changes));
    let now = UnixTime::now().as_secs();
    let forged = Idp::new("").token(&json!({"sub": ALICE}));
    for (case, form) in [
        ("nothing", String::new()),
        ("another name", format!("token={good}")),
        ("two", format!("logout_token={good}&logout_token={good}")),
        ("no token", form("garbage")),
        ("a huge one", form(&"x".repeat(1 << 20))),
        ("forged", form(&forged)),
        ("an access token", form(&sidecar.token(json!({})))),
        ("an ID token", form(&sidecar.token(json!({"typ": "ID", "aud": "openclaw"})))),
        ("for another client", token(json!({"aud": "other-app"}))),
        ("of another issuer", token(json!({"iss": "http://127.0.0.1/realms/acme"}))),
        ("expired", token(json!({"exp": now - 60}))),
        ("from the future", token(json!({"iat": now + 600}))),
        ("about nobody", token(json!({"sub": null, "sid": null}))),
        ("no event", token(json!({"events": {}}))),
        ("with a nonce", token(json!({"nonce": "n"}))),
    ] {
        let answer = sidecar.back_channel(form).await;
        assert_eq!(answer.status, StatusCode::BAD_REQUEST, "{case}: {answer:?}");
        assert_eq!(answer.headers[header::CACHE_CONTROL], "no-store", "{case}");
        assert_eq!(answer.headers[header::CONTENT_TYPE], "application/problem+json", "{case}");
        assert!(!answer.body.contains(&good), "{case}");
    }
    let json = Request::post(format!("http://{}/backchannel-logout", sidecar.admin))
        .header(header::CONTENT_TYPE, "application/json")
        .body(Body::from(json!({"logout_token": good}).to_string()));
    assert_eq!(sidecar.send(json.unwrap()).await.status, StatusCode::BAD_REQUEST);
    let get = sidecar.admin(&format!("/backchannel-logout?logout_token={good}")).await;
    assert_eq!(get.status, StatusCode::METHOD_NOT_ALLOWED);

    runtime.say("still here");
    assert_eq!(next(&mut events).await.as_deref(), Some("data: still here\n\n"));
    assert_eq!(gate(&sidecar, &sidecar.bearer()).await.0, 200);
}

#[tokio::test]
async fn the_client_of_a_logout_may_be_another_than_the_audience() {
    let runtime = Runtime::start().await;
    let sidecar =
        Sidecar::with(runtime.address, &["--logout-client=spawner"], Some(Idp::shared().jwks()))
            .await;
    let refused = sidecar.back_channel(form(&sidecar.logout_token(json!({})))).await;
    assert_eq!(refused.status, StatusCode::BAD_REQUEST);
    let token = sidecar.logout_token(json!({"aud": "spawner"}));
    believed(&sidecar.back_channel(form(&token)).await);
    assert_eq!(gate(&sidecar, &sidecar.bearer()).await.0, 401);
}

#[tokio::test]
async fn without_keys_the_issuer_is_told_to_say_it_again() {
    let runtime = Runtime::start().await;
    let sidecar = Sidecar::with(runtime.address, &[], None).await;
    let answer = sidecar.back_channel(form(&sidecar.logout_token(json!({})))).await;
    assert_eq!(answer.status, StatusCode::SERVICE_UNAVAILABLE);
    assert!(answer.headers.contains_key(header::RETRY_AFTER));
}
