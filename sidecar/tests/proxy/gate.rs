//! Who passes, with what, and what the others are told.

use edge::oidc::testing::{ALICE, BOB, Idp};
use http::{StatusCode, header};
use serde_json::json;

use crate::{
    runtime::Runtime,
    sidecar::{GATEWAY_TOKEN, Sidecar},
};

#[tokio::test]
async fn only_the_users_own_good_token_passes() {
    let runtime = Runtime::start().await;
    let sidecar = Sidecar::before(runtime.address).await;
    let good = sidecar.bearer();
    let bearer = |changes| format!("Bearer {}", sidecar.token(changes));
    let stranger = Idp::new("");
    let forged = format!("Bearer {}", stranger.token(&json!({})));
    for (case, values, status, code) in [
        ("no token", vec![], 401, "missing_token"),
        ("Basic", vec!["Basic YWxpY2U6cHc=".to_owned()], 401, "missing_token"),
        ("garbage", vec!["Bearer garbage".to_owned()], 401, "invalid_token"),
        ("expired", vec![bearer(json!({"exp": 1_700_000_000}))], 401, "invalid_token"),
        ("another audience", vec![bearer(json!({"aud": "other-app"}))], 401, "invalid_token"),
        (
            "an ID token",
            vec![bearer(json!({"typ": "ID", "aud": "openclaw"}))],
            401,
            "invalid_token",
        ),
        (
            "another issuer",
            vec![bearer(json!({"iss": "http://127.0.0.1/realms/acme"}))],
            401,
            "invalid_token",
        ),
        ("forged", vec![forged], 401, "invalid_token"),
        ("another user", vec![bearer(json!({"sub": BOB}))], 403, "other_user"),
        ("twice", vec![good.clone(), good.clone()], 400, "invalid_request"),
        ("two in one", vec![format!("{good}, {good}")], 400, "invalid_request"),
    ] {
        let headers: Vec<_> =
            values.iter().map(|value| ("authorization", value.as_str())).collect();
        let answer = sidecar.get("/v1/models?access_token=x", &headers).await;
        assert_eq!(answer.status.as_u16(), status, "{case}");
        let problem: serde_json::Value = serde_json::from_str(&answer.body).unwrap();
        assert_eq!(problem["code"], code, "{case}");
        assert_eq!(answer.headers[header::CONTENT_TYPE], "application/problem+json", "{case}");
        assert!(
            answer.headers[header::WWW_AUTHENTICATE].to_str().unwrap().starts_with("Bearer "),
            "{case}"
        );
        let to_the_spawner = answer.headers.get(contract::header::REFUSED);
        assert_eq!(to_the_spawner.is_some(), code == "other_user", "{case}");
    }
    assert!(runtime.seen().is_empty(), "a refused request reached the runtime");
    let answer = sidecar.get_as_alice("/v1/models").await;
    assert_eq!((answer.status, answer.body.as_str()), (StatusCode::OK, "the runtime"));
}

#[tokio::test]
async fn no_path_and_no_method_is_exempt() {
    let runtime = Runtime::start().await;
    let sidecar = Sidecar::before(runtime.address).await;
    for path in [
        "/",
        "/livez",
        "/healthz",
        "/metrics",
        "/probe/startup",
        "/activity",
        "/backchannel-logout",
        "/favicon.ico",
    ] {
        for method in ["GET", "HEAD", "OPTIONS", "POST", "PROPFIND"] {
            let request = http::Request::builder()
                .method(method)
                .uri(format!("http://{}{path}", sidecar.data));
            let answer = sidecar.send(request.body(axum::body::Body::empty()).unwrap()).await;
            assert_eq!(answer.status, StatusCode::UNAUTHORIZED, "{method} {path}");
        }
    }
    assert!(runtime.seen().is_empty());
}

#[tokio::test]
async fn the_runtime_gets_the_gateway_token_and_never_the_users() {
    let runtime = Runtime::start().await;
    let sidecar = Sidecar::before(runtime.address).await;
    let answer = sidecar
        .get(
            "/",
            &[
                ("authorization", &sidecar.bearer()),
                ("x-forwarded-user", BOB),
                ("x-forwarded-for", "127.0.0.1"),
                ("x_forwarded_user", BOB),
                ("connection", "authorization"),
            ],
        )
        .await;
    assert_eq!(answer.status, StatusCode::OK);
    let [seen] = runtime.seen().try_into().unwrap();
    let authorizations: Vec<_> = seen.get_all(header::AUTHORIZATION).iter().collect();
    assert_eq!(authorizations, [&format!("Bearer {GATEWAY_TOKEN}")]);
    for name in ["x-forwarded-user", "x-forwarded-for", "x_forwarded_user"] {
        assert!(!seen.contains_key(name), "{name}");
    }
}

#[tokio::test]
async fn a_trusting_runtime_is_told_the_user_that_the_token_named() {
    let runtime = Runtime::start().await;
    let keys = Some(Idp::shared().jwks());
    let sidecar =
        Sidecar::with(runtime.address, &["--gateway-auth=trusted-proxy"], keys.clone()).await;
    let forged = [
        ("authorization", &*sidecar.bearer()),
        ("x-forwarded-user", BOB),
        ("x-forwarded-for", "::1"),
    ];
    assert_eq!(sidecar.get("/", &forged).await.status, StatusCode::OK);
    let bare = Sidecar::with(runtime.address, &["--gateway-auth=none"], keys).await;
    assert_eq!(bare.get_as_alice("/").await.status, StatusCode::OK);
    let [trusting, none] = runtime.seen().try_into().unwrap();
    let values = |name| trusting.get_all(name).iter().collect::<Vec<_>>();
    assert_eq!(values("x-forwarded-user"), [ALICE]);
    assert_eq!(values("x-forwarded-for"), ["192.0.2.1"]);
    assert!(!trusting.contains_key(header::AUTHORIZATION));
    for name in ["authorization", "x-forwarded-user", "x-forwarded-for"] {
        assert!(!none.contains_key(name), "{name}");
    }
}

#[tokio::test]
async fn without_the_issuer_nobody_passes_and_nothing_dies() {
    let runtime = Runtime::start().await;
    let sidecar = Sidecar::with(runtime.address, &[], None).await;
    let answer = sidecar.get_as_alice("/").await;
    assert_eq!(answer.status, StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(answer.headers[header::RETRY_AFTER], "5");
    assert!(!answer.headers.contains_key(header::WWW_AUTHENTICATE), "a 503 is no 401");
    assert_eq!(sidecar.admin("/livez").await.status, StatusCode::OK);
    let ready = sidecar.admin("/readyz").await;
    assert_eq!(ready.status, StatusCode::SERVICE_UNAVAILABLE);
    assert!(ready.body.contains("keys: ") && ready.body.contains("502"), "{}", ready.body);

    sidecar.idp.set(Some(Idp::shared().jwks()));
    assert_eq!(sidecar.get_as_alice("/").await.status, StatusCode::OK);
    assert_eq!(sidecar.admin("/readyz").await.status, StatusCode::OK);
}

#[tokio::test]
async fn without_the_runtime_the_client_is_told_to_come_back() {
    let gone = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    let sidecar = Sidecar::before(gone).await;
    let answer = sidecar.get_as_alice("/").await;
    assert_eq!(answer.status, StatusCode::SERVICE_UNAVAILABLE);
    assert!(answer.headers.contains_key(header::RETRY_AFTER));
}

#[tokio::test]
async fn a_huge_header_is_refused() {
    let runtime = Runtime::start().await;
    let sidecar = Sidecar::before(runtime.address).await;
    let answer = sidecar.get("/", &[("x-huge", &"x".repeat(100_000))]).await;
    assert_eq!(answer.status, StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE);
    assert!(runtime.seen().is_empty());
}

#[tokio::test]
async fn metrics_count_verdicts_without_naming_anybody() {
    let runtime = Runtime::start().await;
    let sidecar = Sidecar::before(runtime.address).await;
    sidecar.get_as_alice("/").await;
    sidecar.get("/", &[]).await;
    let expired = format!("Bearer {}", sidecar.token(json!({"exp": 1_700_000_000})));
    sidecar.get("/", &[("authorization", &expired)]).await;
    let metrics = sidecar.admin("/metrics").await.body;
    for line in [
        "openclaw_sidecar_auth_result_total{reason=\"accepted\"} 1",
        "openclaw_sidecar_auth_result_total{reason=\"missing_token\"} 1",
        "openclaw_sidecar_auth_result_total{reason=\"expired\"} 1",
        "openclaw_jwks_fetch_total{result=\"ok\"} 1",
    ] {
        assert!(metrics.contains(line), "{line} not in {metrics}");
    }
    assert!(!metrics.contains(ALICE), "{metrics}");
}

#[tokio::test]
async fn the_runtime_cannot_refuse_in_the_sidecars_name() {
    let runtime = Runtime::start().await;
    let sidecar = Sidecar::before(runtime.address).await;
    let answer = sidecar.get_as_alice("/refused").await;
    assert_eq!(answer.status, StatusCode::OK);
    assert!(!answer.headers.contains_key(contract::header::REFUSED));
}
