//! One way to send a request to anything: an address, a pod's port, a TLS server. Each call has a
//! connection of its own, so that what one test does to a connection is no other test's business.

mod answer;

use std::{fmt, sync::Arc, time::Duration};

use anyhow::{Context as _, Result};
use bytes::Bytes;
use http::{HeaderName, Method, Request, header};
use http_body_util::Full;
use hyper_util::rt::TokioIo;
use k8s_openapi::api::core::v1::Pod;
use kube::Api;
use rustls::{ClientConfig, RootCertStore};
use rustls_pki_types::{CertificateDer, ServerName, pem::PemObject as _};
use tokio::{
    io::{AsyncRead, AsyncWrite, AsyncWriteExt as _},
    net::TcpStream,
    time::timeout,
};
use tokio_tungstenite::{WebSocketStream, tungstenite};

pub use answer::{Answer, Events};

use crate::keycloak::Token;

/// How long an answer may take. The spawner holds a request while a pod starts, 120 s at most.
const PATIENCE: Duration = Duration::from_secs(150);

/// A connection.
pub trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}
impl<S: AsyncRead + AsyncWrite + Send + Unpin> Stream for S {}

/// Where requests go in.
#[derive(Clone)]
pub struct Door {
    /// What is behind it, for messages.
    name: String,
    /// Host and port, for the `Host` header.
    authority: String,
    way: Way,
    tls: Option<Arc<ClientConfig>>,
}

#[derive(Clone)]
enum Way {
    /// This host and port.
    Tcp(String),
    /// A port of a pod, through the API server and the kubelet.
    Pod { pods: Box<Api<Pod>>, pod: String, port: u16 },
}

/// A request on its way.
#[derive(Debug)]
#[must_use = "a call does nothing until it is sent"]
pub struct Call {
    door: Door,
    request: http::request::Builder,
    body: Bytes,
    what: String,
}

impl Door {
    /// A host and port.
    #[must_use]
    pub fn at(name: &str, authority: &str) -> Self {
        Self {
            name: name.to_owned(),
            authority: authority.to_owned(),
            way: Way::Tcp(authority.to_owned()),
            tls: None,
        }
    }

    /// A port of a pod, as whoever can reach the pod's address sees it.
    #[must_use]
    pub fn of_pod(name: &str, pods: Api<Pod>, pod: &str, port: u16) -> Self {
        let way = Way::Pod { pods: Box::new(pods), pod: pod.to_owned(), port };
        Self { name: name.to_owned(), authority: format!("{pod}:{port}"), way, tls: None }
    }

    /// The same over TLS, to a server whose certificate is for `host` and signed by `ca` (PEM).
    ///
    /// # Errors
    /// `ca` holds no certificate.
    pub fn over_tls(mut self, host: &str, ca: &[u8]) -> Result<Self> {
        let mut roots = RootCertStore::empty();
        for certificate in CertificateDer::pem_slice_iter(ca) {
            roots.add(certificate?)?;
        }
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let config = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()?
            .with_root_certificates(roots)
            .with_no_client_auth();
        self.tls = Some(Arc::new(config));
        self.authority = host.to_owned();
        Ok(self)
    }

    /// Host and port.
    #[must_use]
    pub fn authority(&self) -> &str {
        &self.authority
    }

    /// A GET request.
    pub fn get(&self, path: &str) -> Call {
        self.call(Method::GET, path)
    }

    /// A POST request.
    pub fn post(&self, path: &str) -> Call {
        self.call(Method::POST, path)
    }

    /// A DELETE request.
    pub fn delete(&self, path: &str) -> Call {
        self.call(Method::DELETE, path)
    }

    /// A request of any method.
    pub fn call(&self, method: Method, path: &str) -> Call {
        let what = format!("{method} {path} at {self}");
        let request = Request::builder().method(method).uri(path);
        let request = request.header(header::HOST, &self.authority);
        Call { door: self.clone(), request, body: Bytes::new(), what }
    }

    /// A connection through this door.
    ///
    /// # Errors
    /// Nobody answers.
    pub async fn open(&self) -> Result<Box<dyn Stream>> {
        let plain: Box<dyn Stream> = match &self.way {
            Way::Tcp(address) => Box::new(
                TcpStream::connect(address)
                    .await
                    .with_context(|| format!("cannot connect to {self}"))?,
            ),
            Way::Pod { pods, pod, port } => {
                let mut forwarder = pods.portforward(pod, &[*port]).await?;
                Box::new(forwarder.take_stream(*port).with_context(|| format!("no way to {self}"))?)
            }
        };
        let Some(tls) = &self.tls else {
            return Ok(plain);
        };
        let host = ServerName::try_from(self.authority.clone())?;
        let connector = tokio_rustls::TlsConnector::from(Arc::clone(tls));
        let stream = connector.connect(host, plain).await;
        Ok(Box::new(stream.with_context(|| format!("no TLS with {self}"))?))
    }

    /// Sends bytes as they are and reads all that comes back, for what no HTTP client would send.
    ///
    /// # Errors
    /// Nobody answers in time.
    pub async fn say(&self, bytes: &[u8]) -> Result<String> {
        let talk = async {
            let mut stream = self.open().await?;
            // A server that has heard enough may close before we are done.
            drop(stream.write_all(bytes).await);
            let mut heard = Vec::new();
            drop(tokio::io::AsyncReadExt::read_to_end(&mut stream, &mut heard).await);
            Ok(String::from_utf8_lossy(&heard).into_owned())
        };
        timeout(PATIENCE, talk).await.with_context(|| format!("no answer from {self}"))?
    }
}

impl Call {
    /// With a user's token.
    pub fn bearer(self, token: &Token) -> Self {
        self.header(header::AUTHORIZATION, format!("Bearer {}", token.expose()))
    }

    /// With a header.
    pub fn header(mut self, name: HeaderName, value: impl AsRef<str>) -> Self {
        self.request = self.request.header(name, value.as_ref());
        self
    }

    /// With a JSON body.
    pub fn json(self, body: &serde_json::Value) -> Self {
        self.header(header::CONTENT_TYPE, "application/json").body(body.to_string())
    }

    /// With a form as the body.
    pub fn form(self, fields: &[(&str, &str)]) -> Self {
        let encode = |text: &str| -> String {
            let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~".contains(&byte);
            let bytes = text.bytes();
            bytes
                .map(|b| if plain(b) { char::from(b).into() } else { format!("%{b:02X}") })
                .collect()
        };
        let pair = |(name, value): &(&str, &str)| format!("{}={}", encode(name), encode(value));
        let body = fields.iter().map(pair).collect::<Vec<_>>().join("&");
        self.header(header::CONTENT_TYPE, "application/x-www-form-urlencoded").body(body)
    }

    /// With a body.
    pub fn body(mut self, body: impl Into<Bytes>) -> Self {
        self.body = body.into();
        self
    }

    /// Sends it. The answer's body is still on its way.
    ///
    /// # Errors
    /// No answer, or none in time.
    pub async fn send(self) -> Result<Answer> {
        let Self { door, request, body, what } = self;
        let sending = async {
            let request = request.body(Full::new(body))?;
            let stream = TokioIo::new(door.open().await?);
            let (mut sender, connection) = hyper::client::conn::http1::handshake(stream).await?;
            // Ends with the answer's body; its errors show up there.
            tokio::spawn(async { drop(connection.await) });
            let (head, body) = sender.send_request(request).await?.into_parts();
            Ok::<_, anyhow::Error>((head, body))
        };
        let (head, body) = timeout(PATIENCE, sending)
            .await
            .with_context(|| format!("no answer within {} s to {what}", PATIENCE.as_secs()))?
            .with_context(|| format!("no answer to {what}"))?;
        Ok(Answer { status: head.status, headers: head.headers, body, what })
    }

    /// Opens a WebSocket with this request.
    ///
    /// # Errors
    /// The upgrade was refused.
    pub async fn websocket(self) -> Result<WebSocketStream<Box<dyn Stream>>> {
        let key = tungstenite::handshake::client::generate_key();
        let request = self
            .request
            .header(header::CONNECTION, "Upgrade")
            .header(header::UPGRADE, "websocket")
            .header(header::SEC_WEBSOCKET_VERSION, "13")
            .header(header::SEC_WEBSOCKET_KEY, key);
        let mut request = request.body(())?;
        let address = format!("ws://{}{}", self.door.authority, request.uri());
        *request.uri_mut() = address.parse()?;
        let stream = self.door.open().await?;
        let opened = timeout(PATIENCE, tokio_tungstenite::client_async(request, stream)).await?;
        Ok(opened.with_context(|| format!("no WebSocket from {}", self.what))?.0)
    }
}

impl fmt::Display for Door {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({})", self.name, self.authority)
    }
}

impl fmt::Debug for Door {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Door({self})")
    }
}
