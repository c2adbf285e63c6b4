//! Keys over the network, from servers that misbehave.

use axum::{Router, response::Redirect, routing::get};
use http::StatusCode;
use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
use rustls_pki_types::{PrivateKeyDer, pem::PemObject};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpListener,
};
use tokio_rustls::{TlsAcceptor, rustls::ServerConfig};

use super::*;
use crate::{oidc::testing::Idp, program::Chain};

/// The address of a server on loopback that gives `router`.
async fn server(router: Router) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move { axum::serve(listener, router).await });
    format!("http://{address}")
}

fn jwks() -> String {
    Idp::shared().jwks().to_string()
}

/// How many keys are at `url`, or why not.
async fn load(url: String) -> Result<usize, String> {
    let fetcher = Fetcher::new(None).unwrap();
    let loaded = Source::Url { fetcher, url }.load().await;
    loaded.map(|keys| keys.len()).map_err(|error| Chain(&error).to_string())
}

#[tokio::test]
async fn only_a_200_at_the_very_address_brings_keys() {
    let huge = || async { format!("{}{}", jwks(), " ".repeat(KeySet::MAX_BYTES)) };
    let router = Router::new()
        .route("/good", get(async || jwks()))
        .route("/moved", get(async || Redirect::permanent("/good")))
        .route("/elsewhere", get(async || Redirect::temporary("/good")))
        .route("/partial", get(async || (StatusCode::PARTIAL_CONTENT, jwks())))
        .route("/error", get(async || (StatusCode::INTERNAL_SERVER_ERROR, jwks())))
        .route("/huge", get(huge))
        .route("/page", get(async || "<html>Log in</html>"));
    let address = server(router).await;
    assert_eq!(load(format!("{address}/good")).await, Ok(4));
    for (path, reason) in [
        ("moved", "the answer is 308"),
        ("elsewhere", "the answer is 307"),
        ("partial", "the answer is 206"),
        ("error", "the answer is 500"),
        ("missing", "the answer is 404"),
        ("huge", "larger than 262144 bytes"),
        ("page", "not valid JSON"),
    ] {
        let error = load(format!("{address}/{path}")).await.unwrap_err();
        assert!(error.contains(reason) && error.contains(path), "{path}: {error}");
    }
}

#[tokio::test]
async fn keys_are_not_taken_on_the_word_of_another_issuer() {
    let document =
        async || r#"{"issuer":"http://evil.example","jwks_uri":"http://evil.example/k"}"#;
    let router = Router::new().route("/.well-known/openid-configuration", get(document));
    let issuer = server(router).await;
    let fetcher = Fetcher::new(None).unwrap();
    let mut source = Source::Discovery { fetcher, issuer, found: None };
    let error = source.load().await.unwrap_err();
    assert!(matches!(error, SourceError::OtherIssuer { .. }), "{error}");
}

#[tokio::test]
async fn an_issuer_with_a_private_ca_is_trusted_when_the_ca_is_named() {
    let ca_key = KeyPair::generate().unwrap();
    let mut ca = CertificateParams::default();
    ca.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let ca_file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(ca_file.path(), ca.self_signed(&ca_key).unwrap().pem()).unwrap();
    let key = KeyPair::generate().unwrap();
    let certificate = CertificateParams::new(["127.0.0.1".to_owned()]).unwrap();
    let certificate = certificate.signed_by(&key, &Issuer::from_params(&ca, &ca_key)).unwrap();
    let key = PrivateKeyDer::from_pem_slice(key.serialize_pem().as_bytes()).unwrap();
    let config = ServerConfig::builder_with_provider(crate::tls::provider())
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![certificate.der().clone()], key)
        .unwrap();
    let url = tls_server(config, jwks()).await;

    let load = async |ca_file: Option<&std::path::Path>| {
        let fetcher = Fetcher::new(ca_file).unwrap();
        Source::Url { fetcher, url: url.clone() }.load().await
    };
    assert_eq!(load(Some(ca_file.path())).await.unwrap().len(), 4);
    let stranger = load(None).await.unwrap_err();
    let stranger = Chain(&stranger).to_string();
    assert!(stranger.contains("UnknownIssuer"), "{stranger}");
}

/// Answers each connection once with `document`, over TLS.
async fn tls_server(config: ServerConfig, document: String) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let acceptor = TlsAcceptor::from(std::sync::Arc::new(config));
    tokio::spawn(async move {
        while let Ok((tcp, _)) = listener.accept().await {
            // A client that does not trust it breaks off.
            let Ok(mut stream) = acceptor.accept(tcp).await else { continue };
            let mut request = [0; 2048];
            let _ = stream.read(&mut request).await;
            let head = format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n", document.len());
            let _ = stream.write_all(format!("{head}{document}").as_bytes()).await;
            let _ = stream.shutdown().await;
        }
    });
    format!("https://{address}/certs")
}
