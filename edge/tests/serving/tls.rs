use std::sync::Arc;

use axum::{Router, routing::get};
use edge::{
    program::install_crypto_provider,
    serve::{Limits, TlsConfig},
    tls::server_config,
};
use rcgen::{CertifiedKey, generate_simple_self_signed};
use rustls::{ClientConfig, RootCertStore};
use rustls_pki_types::{CertificateDer, ServerName};
use tokio::net::TcpStream;
use tokio_rustls::{TlsConnector, client::TlsStream};

use crate::support::{Server, soon};

/// A server certificate for `localhost`, and a TLS configuration that serves it.
fn certificate() -> (CertificateDer<'static>, rustls::ServerConfig) {
    let CertifiedKey { cert, signing_key } =
        generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    let config =
        server_config(cert.pem().as_bytes(), signing_key.serialize_pem().as_bytes()).unwrap();
    (cert.der().clone(), config)
}

async fn connect(
    server: &Server,
    trusted: &CertificateDer<'static>,
    protocols: &[&str],
) -> std::io::Result<TlsStream<TcpStream>> {
    let mut roots = RootCertStore::empty();
    roots.add(trusted.clone()).unwrap();
    let mut config = ClientConfig::builder().with_root_certificates(roots).with_no_client_auth();
    config.alpn_protocols = protocols.iter().map(|name| name.as_bytes().to_vec()).collect();
    let stream = TcpStream::connect(server.address).await.unwrap();
    let name = ServerName::try_from("localhost").unwrap();
    soon(TlsConnector::from(Arc::new(config)).connect(name, stream)).await
}

fn hello() -> Router {
    Router::new().route("/", get(async || "hello"))
}

#[tokio::test]
async fn http_2_is_preferred_and_http_1_1_is_offered() {
    install_crypto_provider();
    let (trusted, config) = certificate();
    let server = Server::start_with(hello(), Limits::default(), Some(TlsConfig::new(config))).await;
    for (offered, chosen) in [(&["http/1.1", "h2"][..], "h2"), (&["http/1.1"], "http/1.1")] {
        let stream = connect(&server, &trusted, offered).await.unwrap();
        assert_eq!(stream.get_ref().1.alpn_protocol(), Some(chosen.as_bytes()));
    }
}

#[tokio::test]
async fn new_connections_get_the_new_certificate() {
    install_crypto_provider();
    let (old, config) = certificate();
    let tls = TlsConfig::new(config);
    let server = Server::start_with(hello(), Limits::default(), Some(tls.clone())).await;
    connect(&server, &old, &[]).await.unwrap();
    let (new, config) = certificate();
    tls.replace(config);
    connect(&server, &new, &[]).await.unwrap();
    connect(&server, &old, &[]).await.unwrap_err();
}

#[tokio::test]
async fn a_client_that_stalls_in_the_handshake_is_dropped() {
    let limits =
        Limits { header_timeout: std::time::Duration::from_millis(20), ..Limits::default() };
    let (_, config) = certificate();
    let server = Server::start_with(hello(), limits, Some(TlsConfig::new(config))).await;
    assert_eq!(crate::support::exchange(server.address, "\u{16}\u{3}\u{1}").await, "");
}
