//! A look at one's own port with a client's eyes: is a certificate served there that clients trust?

use std::{
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
    sync::Arc,
    time::Duration,
};

use rustls::{
    CertificateError, ClientConfig, DigitallySignedStruct, Error, RootCertStore, SignatureScheme,
    client::{
        WebPkiServerVerifier,
        danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier},
    },
    crypto::{CryptoProvider, verify_tls12_signature, verify_tls13_signature},
    server::VerifierBuilderError,
};
use rustls_pki_types::{CertificateDer, InvalidDnsNameError, ServerName, UnixTime, pem::PemObject};
use tokio::{io::AsyncWriteExt, net::TcpStream, time::timeout};
use tokio_rustls::TlsConnector;

use super::provider;

/// How long a handshake over loopback may take, on a busy node too.
const PATIENCE: Duration = Duration::from_secs(5);

/// What a client trusts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Trust {
    /// Certificates for `name` that a CA of `bundle` (PEM) signed, and that are valid now.
    Signed {
        /// What is no certificate in it counts as nothing.
        bundle: Vec<u8>,
        /// As the client calls the server.
        name: String,
    },
    /// This one, because nobody has said more.
    Exactly(CertificateDer<'static>),
}

/// A client would not connect.
#[derive(Debug, thiserror::Error)]
pub enum HandshakeError {
    /// Nobody listens.
    #[error("nothing answers at {0}")]
    Connect(SocketAddr, #[source] std::io::Error),
    /// What is served is not trusted, or no TLS.
    #[error("no TLS handshake with {0}")]
    Handshake(SocketAddr, #[source] std::io::Error),
    /// The listener is there and says nothing.
    #[error("no TLS handshake with {0} within {PATIENCE:?}")]
    TooSlow(SocketAddr),
    /// There is nothing to trust.
    #[error("no CA is trusted")]
    Roots(#[source] VerifierBuilderError),
    /// The server has no name that certificates could be for.
    #[error("{0:?} is no name of a server")]
    Name(String, #[source] InvalidDnsNameError),
    /// The client cannot be made.
    #[error("no TLS client")]
    Client(#[source] Error),
}

/// Connects to the listener at `address` over loopback as a client that trusts just `trust`.
///
/// Where the server wants a client certificate it goes as far as a client without one can see: the
/// server has proved who it is.
pub async fn handshake(address: SocketAddr, trust: &Trust) -> Result<(), HandshakeError> {
    let address = reachable(address);
    let (connector, name) = client(trust)?;
    let shake = async {
        let stream = TcpStream::connect(address).await;
        let stream = stream.map_err(|source| HandshakeError::Connect(address, source))?;
        connector
            .connect(name, stream)
            .await
            .map_err(|source| HandshakeError::Handshake(address, source))
    };
    let shaken = timeout(PATIENCE, shake).await;
    let mut stream = shaken.map_err(|_elapsed| HandshakeError::TooSlow(address))??;
    // A goodbye that does not arrive tells nothing about the handshake.
    let _ = stream.shutdown().await;
    Ok(())
}

/// An address that stands for all is reached over loopback.
fn reachable(mut address: SocketAddr) -> SocketAddr {
    if address.ip().is_unspecified() {
        address.set_ip(match address.ip() {
            IpAddr::V4(_) => Ipv4Addr::LOCALHOST.into(),
            IpAddr::V6(_) => Ipv6Addr::LOCALHOST.into(),
        });
    }
    address
}

fn client(trust: &Trust) -> Result<(TlsConnector, ServerName<'static>), HandshakeError> {
    let (verifier, name): (Arc<dyn ServerCertVerifier>, _) = match trust {
        Trust::Signed { bundle, name } => {
            let mut roots = RootCertStore::empty();
            let found = CertificateDer::pem_slice_iter(bundle).filter_map(Result::ok);
            roots.add_parsable_certificates(found);
            let builder = WebPkiServerVerifier::builder_with_provider(roots.into(), provider());
            (builder.build().map_err(HandshakeError::Roots)?, name.as_str())
        }
        Trust::Exactly(certificate) => {
            let verifier = Exactly { certificate: certificate.clone(), provider: provider() };
            (Arc::new(verifier), "localhost")
        }
    };
    let config = ClientConfig::builder_with_provider(provider())
        .with_safe_default_protocol_versions()
        .map_err(HandshakeError::Client)?
        .dangerous()
        .with_custom_certificate_verifier(verifier)
        .with_no_client_auth();
    let name = ServerName::try_from(name.to_owned())
        .map_err(|source| HandshakeError::Name(name.to_owned(), source))?;
    Ok((TlsConnector::from(Arc::new(config)), name))
}

/// Takes one certificate and no other, from whoever holds its key.
#[derive(Debug)]
struct Exactly {
    certificate: CertificateDer<'static>,
    provider: Arc<CryptoProvider>,
}

impl ServerCertVerifier for Exactly {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        _server_name: &ServerName<'_>,
        _ocsp_response: &[u8],
        _now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        if *end_entity == self.certificate {
            Ok(ServerCertVerified::assertion())
        } else {
            Err(CertificateError::ApplicationVerificationFailure.into())
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let known = &self.provider.signature_verification_algorithms;
        verify_tls12_signature(message, certificate, signature, known)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let known = &self.provider.signature_verification_algorithms;
        verify_tls13_signature(message, certificate, signature, known)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider.signature_verification_algorithms.supported_schemes()
    }
}
