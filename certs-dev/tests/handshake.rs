//! Certificates as a TLS peer sees them: real handshakes over memory, with rustls on both ends.
#![expect(clippy::unwrap_used, reason = "a helper of a test fails as the test does, by a panic")]

use certs_dev::{Authority, Error, Leaf, Validity};
use rustls::{
    ClientConfig, ClientConnection, RootCertStore, ServerConfig, ServerConnection,
    crypto::aws_lc_rs,
    pki_types::{CertificateDer, PrivateKeyDer, ServerName, pem::PemObject as _},
    server::WebPkiClientVerifier,
};
use std::{
    net::IpAddr,
    sync::Arc,
    time::{Duration, SystemTime},
};

const YEAR: u16 = 365;

fn authority() -> Authority {
    Authority::new("test CA", Validity::days(YEAR)).unwrap()
}

fn roots(authority: &Authority) -> Arc<RootCertStore> {
    let mut roots = RootCertStore::empty();
    roots.add(der(authority.certificate_pem())).unwrap();
    Arc::new(roots)
}

fn der(pem: &str) -> CertificateDer<'static> {
    CertificateDer::from_pem_slice(pem.as_bytes()).unwrap()
}

fn identity(leaf: &Leaf) -> (Vec<CertificateDer<'static>>, PrivateKeyDer<'static>) {
    let key = PrivateKeyDer::from_pem_slice(leaf.key_pem().as_bytes()).unwrap();
    (vec![der(leaf.certificate_pem())], key)
}

/// A handshake in which both sides prove themselves; the error is that of the side that refused.
fn handshake(
    ca: &Authority,
    server: &Leaf,
    client: &Leaf,
    name: &str,
) -> Result<(), rustls::Error> {
    let provider = Arc::new(aws_lc_rs::default_provider());
    let clients = WebPkiClientVerifier::builder_with_provider(roots(ca), provider.clone());
    let (chain, key) = identity(server);
    let server = ServerConfig::builder_with_provider(provider.clone())
        .with_safe_default_protocol_versions()?
        .with_client_cert_verifier(clients.build().unwrap())
        .with_single_cert(chain, key)?;
    let (chain, key) = identity(client);
    let client = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()?
        .with_root_certificates(roots(ca))
        .with_client_auth_cert(chain, key)?;
    let name = ServerName::try_from(name.to_owned()).unwrap();
    let mut client = ClientConnection::new(Arc::new(client), name)?;
    let mut server = ServerConnection::new(Arc::new(server))?;
    while client.is_handshaking() || server.is_handshaking() {
        let mut flight = Vec::new();
        client.write_tls(&mut flight).unwrap();
        server.read_tls(&mut flight.as_slice()).unwrap();
        server.process_new_packets()?;
        let mut flight = Vec::new();
        server.write_tls(&mut flight).unwrap();
        client.read_tls(&mut flight.as_slice()).unwrap();
        client.process_new_packets()?;
    }
    Ok(())
}

#[test]
fn a_server_is_trusted_under_each_of_its_names_and_no_other() {
    let ca = authority();
    let addresses: [IpAddr; 2] = ["127.0.0.1".parse().unwrap(), "::1".parse().unwrap()];
    let dns = ["webhook.openclaw.svc", "*.apps.test"];
    let server = ca.server(&dns, &addresses, Validity::days(1)).unwrap();
    let client = ca.client("admin", Some("system:masters"), Validity::days(1)).unwrap();
    for name in ["webhook.openclaw.svc", "alice.apps.test", "127.0.0.1", "::1"] {
        handshake(&ca, &server, &client, name).unwrap();
    }
    for name in ["openclaw.svc", "apps.test", "a.b.apps.test", "127.0.0.2"] {
        handshake(&ca, &server, &client, name).expect_err(name);
    }
}

#[test]
fn a_client_certificate_does_not_serve_and_a_server_certificate_is_no_client() {
    let ca = authority();
    let server = ca.server(&["localhost"], &[], Validity::days(1)).unwrap();
    let client = ca.client("localhost", None, Validity::days(1)).unwrap();
    handshake(&ca, &server, &client, "localhost").unwrap();
    handshake(&ca, &client, &client, "localhost").unwrap_err();
    handshake(&ca, &server, &server, "localhost").unwrap_err();
}

#[test]
fn another_authority_of_the_same_name_is_not_trusted() {
    let (ca, other) = (authority(), authority());
    let server = other.server(&["localhost"], &[], Validity::days(1)).unwrap();
    let client = ca.client("admin", None, Validity::days(1)).unwrap();
    handshake(&ca, &server, &client, "localhost").unwrap_err();
}

#[test]
fn an_authority_read_back_from_its_files_signs_what_the_first_one_trusts() {
    let ca = authority();
    let again = Authority::from_pem(ca.certificate_pem(), &ca.key_pem()).unwrap();
    let server = again.server(&["localhost"], &[], Validity::days(1)).unwrap();
    let client = again.client("admin", None, Validity::days(1)).unwrap();
    handshake(&ca, &server, &client, "localhost").unwrap();
    assert_eq!((again.validity(), again.ca_bundle()), (ca.validity(), ca.ca_bundle()));
}

#[test]
fn an_expired_certificate_is_refused() {
    let ca = authority();
    let past = SystemTime::now() - Duration::from_hours(48);
    let expired = Validity::between(past, past + Duration::from_hours(24));
    let server = ca.server(&["localhost"], &[], expired).unwrap();
    let client = ca.client("admin", None, Validity::days(1)).unwrap();
    handshake(&ca, &server, &client, "localhost").unwrap_err();
}

#[test]
fn a_leaf_never_outlives_its_authority() {
    let ca = Authority::new("short", Validity::days(2)).unwrap();
    let leaf = ca.client("admin", None, Validity::days(YEAR)).unwrap();
    assert_eq!(leaf.validity().not_after(), ca.validity().not_after());
    let shorter = ca.client("admin", None, Validity::days(1)).unwrap();
    assert!(shorter.validity().not_after() < ca.validity().not_after());
}

#[test]
fn what_cannot_be_an_authority_is_named() {
    let (ca, other) = (authority(), authority());
    let leaf = ca.client("admin", None, Validity::days(1)).unwrap();
    let read = |certificate: &str, key: &str| Authority::from_pem(certificate, key).unwrap_err();
    assert!(matches!(read("junk", &ca.key_pem()), Error::NotACertificate));
    assert!(matches!(read(ca.certificate_pem(), "junk"), Error::NotAKey(_)));
    assert!(matches!(read(ca.certificate_pem(), &other.key_pem()), Error::OtherKey));
    assert!(matches!(read(leaf.certificate_pem(), &leaf.key_pem()), Error::NotAnAuthority));
}

#[test]
fn names_that_no_client_would_match_are_refused() {
    let ca = authority();
    let long = "a".repeat(64);
    for bad in ["", ".", "a..b", "-a.test", "a-.test", "a.*.test", "*", "a b", "127.0.0.1", &long] {
        let error = ca.server(&[bad], &[], Validity::days(1)).unwrap_err();
        assert!(matches!(&error, Error::DnsName(name) if name == bad), "{bad:?}: {error}");
    }
    assert!(matches!(ca.server(&[], &[], Validity::days(1)), Err(Error::NoNames)));
}

#[test]
fn no_key_is_printed() {
    let ca = authority();
    let leaf = ca.client("admin", None, Validity::days(1)).unwrap();
    let printed = format!("{ca:?} {leaf:?}");
    let secret = |pem: String| pem.lines().nth(1).unwrap().to_owned();
    assert!(!printed.contains(&secret(ca.key_pem())) && !printed.contains(&secret(leaf.key_pem())));
}
