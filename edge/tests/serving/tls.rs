use std::sync::Arc;

use axum::{Router, routing::get};
use edge::{
    program::install_crypto_provider,
    serve::{Limits, TlsConfig},
    tls::{Clients, HandshakeError, Trust, handshake, server_config, server_config_for},
};
use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, CertifiedKey, IsCa, KeyPair,
    generate_simple_self_signed,
};
use rustls::{
    ClientConfig, ProtocolVersion, RootCertStore, SupportedProtocolVersion,
    version::{TLS12, TLS13},
};
use rustls_pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};
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

/// A client that offers just these versions, and a certificate of its own if it has one.
fn client(
    trusted: &CertificateDer<'static>,
    versions: &[&'static SupportedProtocolVersion],
    own: Option<(CertificateDer<'static>, PrivateKeyDer<'static>)>,
) -> TlsConnector {
    install_crypto_provider();
    let mut roots = RootCertStore::empty();
    roots.add(trusted.clone()).unwrap();
    let builder =
        ClientConfig::builder_with_protocol_versions(versions).with_root_certificates(roots);
    let config = match own {
        Some((certificate, key)) => builder.with_client_auth_cert(vec![certificate], key).unwrap(),
        None => builder.with_no_client_auth(),
    };
    TlsConnector::from(Arc::new(config))
}

async fn shake(server: &Server, client: &TlsConnector) -> std::io::Result<TlsStream<TcpStream>> {
    let stream = TcpStream::connect(server.address).await.unwrap();
    soon(client.connect(ServerName::try_from("localhost").unwrap(), stream)).await
}

/// The answer to one request, or how the server ended the connection instead.
async fn ask(server: &Server, client: &TlsConnector) -> std::io::Result<String> {
    let mut stream = shake(server, client).await?;
    stream.write_all(b"GET / HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n").await?;
    let mut answer = String::new();
    soon(stream.read_to_string(&mut answer)).await?;
    Ok(answer)
}

#[tokio::test]
async fn tls_1_3_is_preferred_and_1_2_is_the_floor() {
    let (trusted, config) = certificate();
    let server = Server::start_with(hello(), Limits::default(), Some(TlsConfig::new(config))).await;
    for (offered, chosen) in [
        (&[&TLS12, &TLS13][..], ProtocolVersion::TLSv1_3),
        (&[&TLS13], ProtocolVersion::TLSv1_3),
        (&[&TLS12], ProtocolVersion::TLSv1_2),
    ] {
        let stream = shake(&server, &client(&trusted, offered, None)).await.unwrap();
        assert_eq!(stream.get_ref().1.protocol_version(), Some(chosen));
    }
}

/// A ClientHello of a client that knows TLS 1.1 at most (RFC 4346, 7.4.1.2): version, random, no
/// session, one cipher suite, no compression, and one extension of later days: signature algorithms.
fn tls_1_1_hello() -> Vec<u8> {
    let mut body = vec![3, 2];
    body.extend([7; 32]);
    body.extend([0, 0, 2, 0xc0, 0x13, 1, 0]);
    body.extend([0, 8, 0, 13, 0, 4, 0, 2, 4, 3]);
    let length = u8::try_from(body.len()).unwrap();
    [&[22, 3, 1, 0, length + 4, 1, 0, 0, length][..], &body].concat()
}

#[tokio::test]
async fn a_client_of_tls_1_1_is_told_that_its_version_is_too_old() {
    let (_, config) = certificate();
    let server = Server::start_with(hello(), Limits::default(), Some(TlsConfig::new(config))).await;
    let mut stream = TcpStream::connect(server.address).await.unwrap();
    stream.write_all(&tls_1_1_hello()).await.unwrap();
    let mut answer = Vec::new();
    soon(stream.read_to_end(&mut answer)).await.unwrap();
    // A fatal alert (RFC 8446, 6.2): protocol_version.
    assert_eq!((answer[0], &answer[5..7]), (21, &[2, 70][..]), "{answer:?}");
}

/// A CA in a file, and a client certificate that it signed.
fn client_ca(file: &std::path::Path) -> (CertificateDer<'static>, PrivateKeyDer<'static>) {
    let mut params = CertificateParams::new(Vec::new()).unwrap();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let ca = CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap();
    std::fs::write(file, ca.pem()).unwrap();
    let key = KeyPair::generate().unwrap();
    let params = CertificateParams::new(vec!["kube-apiserver".to_owned()]).unwrap();
    let certificate = params.signed_by(&key, &ca).unwrap();
    (certificate.der().clone(), PrivateKeyDer::try_from(key.serialize_der()).unwrap())
}

#[tokio::test]
async fn only_clients_of_the_given_ca_are_let_in() {
    install_crypto_provider();
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("ca.crt");
    let stranger = client_ca(&file);
    let known = client_ca(&file);
    let clients = Clients::signed_by(&file).unwrap();
    let CertifiedKey { cert, signing_key } =
        generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    let (chain, key) = (cert.pem(), signing_key.serialize_pem());
    let config = server_config_for(&clients, chain.as_bytes(), key.as_bytes()).unwrap();
    let server = Server::start_with(hello(), Limits::default(), Some(TlsConfig::new(config))).await;
    for version in [&TLS12, &TLS13] {
        let client = |own| client(cert.der(), &[version], own);
        let own = |(der, key): &(CertificateDer<'static>, PrivateKeyDer<'static>)| {
            Some((der.clone(), key.clone_key()))
        };
        let answer = ask(&server, &client(own(&known))).await.unwrap();
        assert!(answer.ends_with("hello"), "{answer}");
        ask(&server, &client(None)).await.expect_err("nobody");
        ask(&server, &client(own(&stranger))).await.expect_err("a stranger");
    }
    // The server can still tell that it serves what clients trust.
    handshake(server.address, &Trust::Exactly(cert.der().clone())).await.unwrap();
}

#[tokio::test]
async fn a_server_sees_itself_as_its_clients_do() {
    let (served, config) = certificate();
    let tls = TlsConfig::new(config);
    let server = Server::start_with(hello(), Limits::default(), Some(tls.clone())).await;
    let signed = |der: &CertificateDer<'_>, name: &str| {
        let bundle = to_pem(der).into_bytes();
        Trust::Signed { bundle, name: name.to_owned() }
    };
    let look = |trust: Trust| async move { handshake(server.address, &trust).await };
    look(signed(&served, "localhost")).await.unwrap();
    look(Trust::Exactly(served.clone())).await.unwrap();

    let (other, config) = certificate();
    for trust in
        [signed(&other, "localhost"), Trust::Exactly(other.clone()), signed(&served, "other")]
    {
        let error = look(trust).await.unwrap_err();
        assert!(matches!(error, HandshakeError::Handshake(..)), "{error:?}");
    }
    let nothing = Trust::Signed { bundle: b"nothing".to_vec(), name: "localhost".to_owned() };
    assert!(matches!(look(nothing).await.unwrap_err(), HandshakeError::Roots(_)));

    tls.replace(config);
    look(Trust::Exactly(other)).await.unwrap();
    assert!(matches!(look(Trust::Exactly(served)).await, Err(HandshakeError::Handshake(..))));
}

#[tokio::test]
async fn a_port_that_nobody_serves_is_no_handshake() {
    let (served, _) = certificate();
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    drop(listener);
    let error = handshake(address, &Trust::Exactly(served)).await.unwrap_err();
    assert!(matches!(error, HandshakeError::Connect(..)), "{error:?}");
}

fn to_pem(der: &CertificateDer<'_>) -> String {
    use base64::{Engine as _, engine::general_purpose::STANDARD};
    format!("-----BEGIN CERTIFICATE-----\n{}\n-----END CERTIFICATE-----\n", STANDARD.encode(der))
}
