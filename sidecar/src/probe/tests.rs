use axum::body::{Body, to_bytes};
use clap::Parser;
use http::{HeaderMap, Request, header};
use rcgen::{CertifiedKey, generate_simple_self_signed};
use rustls_pki_types::PrivateKeyDer;
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;
use tower::ServiceExt;

use super::*;

#[derive(Debug, Parser)]
struct Program {
    #[command(flatten)]
    probes: ProbeArgs,
}

fn router(flags: &[&str]) -> Router {
    let flags = std::iter::once(&"program").chain(flags);
    super::router(Program::try_parse_from(flags).unwrap().probes.probes().unwrap())
}

async fn probe(router: &Router, kind: &str) -> (u16, String) {
    let request = Request::get(format!("/probe/{kind}")).body(Body::empty()).unwrap();
    let response = router.clone().oneshot(request).await.unwrap();
    let status = response.status().as_u16();
    let body = to_bytes(response.into_body(), 4096).await.unwrap();
    (status, String::from_utf8(body.to_vec()).unwrap())
}

/// A runtime on loopback whose answer follows from the path; `/host` wants the probe's own headers.
async fn runtime() -> u16 {
    async fn host(headers: HeaderMap) -> StatusCode {
        let own = headers[header::HOST] == "app.example"
            && headers["x-probe"] == "a"
            && headers[header::USER_AGENT] == "custom"
            && headers[header::ACCEPT] == "*/*";
        if own { StatusCode::OK } else { StatusCode::BAD_REQUEST }
    }
    let router = Router::new()
        .route("/ok", get(async || "fine"))
        .route("/moved", get(async || StatusCode::FOUND))
        .route("/broken", get(async || StatusCode::INTERNAL_SERVER_ERROR))
        .route("/host", get(host));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
    port
}

/// A port where nobody listens.
async fn closed_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap().port()
}

#[tokio::test]
async fn the_runtime_answers_through_the_sidecar() {
    let port = runtime().await;
    let [startup, readiness, liveness] =
        [("startup", "ok"), ("readiness", "broken"), ("liveness", "moved")]
            .map(|(kind, path)| format!("--probe={kind}=http://:{port}/{path}"));
    let router = router(&[&startup, &readiness, &liveness]);
    assert_eq!(probe(&router, "startup").await, (200, "ok\n".to_owned()));
    assert_eq!(probe(&router, "liveness").await, (200, "ok\n".to_owned()));
    let failed = "the runtime answered 500 Internal Server Error\n";
    assert_eq!(probe(&router, "readiness").await, (503, failed.to_owned()));
}

#[tokio::test]
async fn the_probes_own_headers_replace_ours() {
    let probe_flag = format!("--probe=startup=http://:{}/host", runtime().await);
    let headers = ["Host: app.example", "X-Probe:a", "User-Agent:custom"]
        .map(|header| format!("--probe-header=startup={header}"));
    let with_headers = router(&[&probe_flag, &headers[0], &headers[1], &headers[2]]);
    assert_eq!(probe(&with_headers, "startup").await.0, 200);
}

#[tokio::test]
async fn a_connection_is_enough_for_tcp() {
    let open = format!("--probe=startup=tcp://:{}", runtime().await);
    let closed = format!("--probe=liveness=tcp://:{}", closed_port().await);
    let router = router(&[&open, &closed]);
    assert_eq!(probe(&router, "startup").await.0, 200);
    let (status, reason) = probe(&router, "liveness").await;
    assert_eq!(status, 503);
    assert!(reason.contains("cannot connect") && reason.contains("refused"), "{reason}");
}

#[tokio::test]
async fn https_needs_no_trusted_certificate() {
    let CertifiedKey { cert, signing_key } =
        generate_simple_self_signed(["elsewhere.example".to_owned()]).unwrap();
    let key = PrivateKeyDer::try_from(signing_key.serialize_der()).unwrap();
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = rustls::ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![cert.der().clone()], key)
        .unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(async move {
        let (stream, _) = listener.accept().await.unwrap();
        let stream = TlsAcceptor::from(Arc::new(config)).accept(stream).await.unwrap();
        let answer = axum::routing::get(async || "fine");
        let service = hyper_util::service::TowerToHyperService::new(Router::new().fallback(answer));
        let io = hyper_util::rt::TokioIo::new(stream);
        hyper::server::conn::http1::Builder::new().serve_connection(io, service).await.unwrap();
    });
    let router = router(&[&format!("--probe=startup=https://:{port}/")]);
    assert_eq!(probe(&router, "startup").await, (200, "ok\n".to_owned()));
}

#[tokio::test]
async fn a_runtime_that_talks_no_http_is_not_well() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            drop(stream)
        }
    });
    let router = router(&[
        &format!("--probe=startup=http://:{port}/"),
        &format!("--probe=liveness=https://:{port}/"),
    ]);
    assert_eq!(probe(&router, "startup").await.0, 503);
    assert_eq!(probe(&router, "liveness").await.0, 503);
}

#[tokio::test]
async fn a_probe_that_was_not_configured_is_not_found() {
    let (status, body) = probe(&router(&[]), "startup").await;
    assert_eq!(status, 404);
    assert!(body.contains("no_probe"), "{body}");
}
