//! The server: what HTTP and TLS add.

use std::sync::Arc;

use arc_swap::ArcSwap;
use axum::{Router, body::Body};
use http::{Request, Response, StatusCode, header};
use http_body_util::BodyExt;
use prometheus_client::{encoding::text::encode, registry::Registry};
use rustls::{
    ClientConfig, RootCertStore,
    pki_types::{CertificateDer, pem::PemObject},
};
use serde_json::{Value, json};
use tower::ServiceExt;
use webhook::{
    metrics,
    server::{App, MAX_BODY, router},
};

use crate::common::{config, pod};

pub(crate) struct Server {
    router: Router,
    registry: Arc<Registry>,
}

impl Server {
    pub(crate) fn new() -> Self {
        let (metrics, registry) = metrics::registry();
        let config = Arc::new(ArcSwap::from_pointee(config().clone()));
        Self { router: router(Arc::new(App::new(config, metrics))), registry }
    }

    pub(crate) async fn ask(&self, request: Request<Body>) -> (StatusCode, String) {
        read(self.router.clone().oneshot(request).await.unwrap()).await
    }

    pub(crate) fn metrics(&self) -> String {
        let mut text = String::new();
        encode(&mut text, &self.registry).unwrap();
        text
    }
}

pub(crate) async fn read<B>(response: Response<B>) -> (StatusCode, String)
where
    B: http_body::Body,
    B::Error: std::fmt::Debug,
{
    let status = response.status();
    let body = response.into_body().collect().await.unwrap().to_bytes();
    (status, String::from_utf8(body.to_vec()).unwrap())
}

pub(crate) fn post(body: impl Into<Body>) -> Request<Body> {
    Request::post("/mutate")
        .header(header::CONTENT_TYPE, "application/json")
        .body(body.into())
        .unwrap()
}

fn review() -> String {
    json!({
        "apiVersion": "admission.k8s.io/v1",
        "kind": "AdmissionReview",
        "request": {
            "uid": "abc",
            "resource": {"group": "", "version": "v1", "resource": "pods"},
            "namespace": "tenant",
            "operation": "CREATE",
            "object": pod(),
        },
    })
    .to_string()
}

#[tokio::test]
async fn an_admission_is_answered_and_counted() {
    let server = Server::new();
    let (status, body) = server.ask(post(review())).await;
    assert_eq!(status, StatusCode::OK);
    let body: Value = serde_json::from_str(&body).unwrap();
    assert_eq!(body["response"]["allowed"], true);
    let metrics = server.metrics();
    for line in [
        r#"openclaw_webhook_admissions_total{outcome="injected",reason="patched"} 1"#,
        r#"openclaw_webhook_admissions_total{outcome="denied",reason="host-namespace"} 0"#,
        "openclaw_webhook_admission_duration_seconds_count 1",
        "openclaw_webhook_in_flight 0",
    ] {
        assert!(metrics.contains(line), "{line} in {metrics}");
    }
}

#[tokio::test]
async fn what_is_no_admission_gets_a_status_and_words() {
    let server = Server::new();
    let exactly = " ".repeat(MAX_BODY);
    let plain = Request::post("/mutate").header(header::CONTENT_TYPE, "text/plain");
    let announced = Request::post("/mutate")
        .header(header::CONTENT_TYPE, "application/json")
        .header(header::CONTENT_LENGTH, MAX_BODY + 1);
    let cases = [
        (post("not json"), 400, "not JSON"),
        (post(r#"{"kind":"AdmissionReview"}"#), 400, "AdmissionReview of admission.k8s.io/v1"),
        (post(exactly.clone()), 400, "not JSON"),
        (post(exactly + " "), 413, "7 MiB"),
        (announced.body(Body::empty()).unwrap(), 413, "7 MiB"),
        (plain.body(Body::from(review())).unwrap(), 415, "application/json"),
        (Request::post("/mutate").body(Body::from(review())).unwrap(), 415, "application/json"),
        (Request::get("/mutate").body(Body::empty()).unwrap(), 405, "POST"),
        (Request::post("/other").body(Body::empty()).unwrap(), 404, "/mutate"),
    ];
    for (request, expected, words) in cases {
        let (status, body) = server.ask(request).await;
        assert_eq!(status.as_u16(), expected, "{body}");
        assert!(body.contains(words), "{body}");
    }
    assert!(
        server.metrics().contains(r#"openclaw_webhook_refused_requests_total{status="413"} 2"#)
    );
}

#[tokio::test]
async fn a_content_type_may_have_parameters() {
    let mut request = post(review());
    let value = "Application/JSON; charset=utf-8".parse().unwrap();
    request.headers_mut().insert(header::CONTENT_TYPE, value);
    assert_eq!(Server::new().ask(request).await.0, StatusCode::OK);
}

#[tokio::test]
async fn more_admissions_than_there_is_room_for_are_sent_away() {
    let server = Server::new();
    // Bodies that never end hold their places.
    let mut held = Vec::new();
    for _ in 0..64 {
        let body = Body::from_stream(futures::stream::pending::<Result<Vec<u8>, std::io::Error>>());
        let mut answer = Box::pin(server.router.clone().oneshot(post(body)));
        assert!(futures::poll!(&mut answer).is_pending());
        held.push(answer);
    }
    let (status, body) = server.ask(post(review())).await;
    assert_eq!(status, StatusCode::TOO_MANY_REQUESTS, "{body}");
    let response = server.router.clone().oneshot(post(review())).await.unwrap();
    assert_eq!(response.headers()[header::RETRY_AFTER], "1");
    held.pop();
    assert_eq!(server.ask(post(review())).await.0, StatusCode::OK);
}

#[tokio::test]
async fn a_client_that_vanishes_is_in_flight_no_more() {
    let server = Server::new();
    let endless = Body::from_stream(futures::stream::pending::<Result<Vec<u8>, std::io::Error>>());
    let mut answer = Box::pin(server.router.clone().oneshot(post(endless)));
    assert!(futures::poll!(&mut answer).is_pending());
    assert!(server.metrics().contains("openclaw_webhook_in_flight 1\n"));
    drop(answer);
    assert!(server.metrics().contains("openclaw_webhook_in_flight 0\n"));
}

#[tokio::test]
async fn a_body_that_breaks_off_or_never_ends_gets_a_status() {
    let server = Server::new();
    let broken = futures::stream::iter([Ok(vec![b'{']), Err(std::io::Error::other("gone"))]);
    let (status, words) = server.ask(post(Body::from_stream(broken))).await;
    assert_eq!((status, words.as_str()), (StatusCode::BAD_REQUEST, "the body ended early\n"));
    tokio::time::pause();
    let endless = Body::from_stream(futures::stream::pending::<Result<Vec<u8>, std::io::Error>>());
    let (status, words) = server.ask(post(endless)).await;
    assert_eq!((status, words.as_str()), (StatusCode::REQUEST_TIMEOUT, "the body took too long\n"));
}

/// A client that trusts `ca` alone.
pub(crate) fn client_config(ca: &str) -> ClientConfig {
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_slice(ca.as_bytes()).unwrap()).unwrap();
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth()
}

pub(crate) fn now() -> i64 {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap();
    since.as_secs().try_into().unwrap()
}
