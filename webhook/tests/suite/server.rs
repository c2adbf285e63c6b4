//! The server: what HTTP and TLS add.

use std::sync::Arc;

use arc_swap::ArcSwap;
use axum::{Router, body::Body};
use edge::{
    args::DrainArgs,
    serve::{Limits, Listener, TlsConfig, serve},
    shutdown::Shutdown,
};
use http::{Method, Request, Response, StatusCode, header};
use http_body_util::{BodyExt, Full};
use hyper_util::rt::TokioIo;
use prometheus_client::{encoding::text::encode, registry::Registry};
use rustls::{
    ClientConfig, RootCertStore,
    pki_types::{CertificateDer, ServerName, pem::PemObject},
};
use serde_json::{Value, json};
use tower::ServiceExt;
use webhook::{
    authority::Ca,
    metrics,
    server::{App, MAX_BODY, router},
};

use crate::common::{config, pod};

struct Server {
    router: Router,
    registry: Arc<Registry>,
}

impl Server {
    fn new() -> Self {
        let (metrics, registry) = metrics::registry();
        let config = Arc::new(ArcSwap::from_pointee(config().clone()));
        Self { router: router(Arc::new(App::new(config, metrics))), registry }
    }

    async fn ask(&self, request: Request<Body>) -> (StatusCode, String) {
        read(self.router.clone().oneshot(request).await.unwrap()).await
    }

    fn metrics(&self) -> String {
        let mut text = String::new();
        encode(&mut text, &self.registry).unwrap();
        text
    }
}

async fn read<B>(response: Response<B>) -> (StatusCode, String)
where
    B: http_body::Body,
    B::Error: std::fmt::Debug,
{
    let status = response.status();
    let body = response.into_body().collect().await.unwrap().to_bytes();
    (status, String::from_utf8(body.to_vec()).unwrap())
}

fn post(body: impl Into<Body>) -> Request<Body> {
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
        (Request::post("/other").body(Body::empty()).unwrap(), 404, ""),
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
    held.pop();
    assert_eq!(server.ask(post(review())).await.0, StatusCode::OK);
}

#[tokio::test]
async fn it_serves_tls_with_a_certificate_of_its_own_authority() {
    let ca = Ca::generate(now(), std::time::Duration::from_hours(24)).unwrap();
    let leaf =
        ca.issue(vec!["webhook.ns.svc".into()], now(), std::time::Duration::from_hours(1)).unwrap();
    let tls = edge::tls::server_config(leaf.certificate.as_bytes(), leaf.key.as_bytes()).unwrap();
    let listener = Listener::bind("127.0.0.1:0".parse().unwrap(), "test").await.unwrap();
    let address = listener.local_addr();
    let (trigger, shutdown) = Shutdown::manual();
    let drain = DrainArgs { drain_delay: std::time::Duration::ZERO, ..DrainArgs::default() };
    let limits = Limits { drain, ..Limits::default() };
    let served = tokio::spawn(serve(
        listener,
        Some(TlsConfig::new(tls)),
        Server::new().router,
        limits,
        shutdown,
    ));

    let socket = tokio::net::TcpStream::connect(address).await.unwrap();
    let name = ServerName::try_from("webhook.ns.svc").unwrap();
    let stream = connector(ca.certificate()).connect(name, socket).await.unwrap();
    let (mut sender, connection) =
        hyper::client::conn::http1::handshake(TokioIo::new(stream)).await.unwrap();
    let connection = tokio::spawn(connection);
    let request = Request::builder()
        .method(Method::POST)
        .uri("/mutate")
        .header(header::HOST, "webhook.ns.svc")
        .header(header::CONTENT_TYPE, "application/json")
        .body(Full::new(bytes::Bytes::from(review())))
        .unwrap();
    let (status, body) = read(sender.send_request(request).await.unwrap()).await;
    assert_eq!(status, StatusCode::OK, "{body}");
    trigger.drain();
    connection.await.unwrap().unwrap();
    served.await.unwrap();
}

fn connector(ca: &str) -> tokio_rustls::TlsConnector {
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_slice(ca.as_bytes()).unwrap()).unwrap();
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    tokio_rustls::TlsConnector::from(Arc::new(config))
}

fn now() -> i64 {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap();
    since.as_secs().try_into().unwrap()
}
