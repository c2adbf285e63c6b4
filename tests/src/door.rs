//! One way to send a request to anything: an address, a pod's port, a TLS server. Each call has a
//! connection of its own, so that what one test does to a connection is no other test's business.

use std::{fmt, sync::Arc, time::Duration};

use anyhow::{Context as _, Result, bail};
use bytes::Bytes;
use http::{HeaderMap, HeaderName, Method, Request, StatusCode, header};
use http_body_util::{BodyExt as _, Full};
use hyper::body::Incoming;
use hyper_util::rt::TokioIo;
use k8s_openapi::api::core::v1::Pod;
use kube::Api;
use rustls::{ClientConfig, RootCertStore};
use rustls_pki_types::{CertificateDer, ServerName, pem::PemObject as _};
use serde::de::DeserializeOwned;
use tokio::{
    io::{AsyncRead, AsyncWrite, AsyncWriteExt as _},
    net::TcpStream,
    time::timeout,
};
use tokio_tungstenite::{WebSocketStream, tungstenite};

use crate::keycloak::Token;

/// How long an answer may take. The spawner holds a request while a pod starts, 120 s at most.
const PATIENCE: Duration = Duration::from_secs(150);

/// How much of a body an error shows, in characters.
const SHOWN: usize = 600;

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

/// What came back.
#[derive(Debug)]
pub struct Answer {
    /// Its status.
    pub status: StatusCode,
    /// Its headers.
    pub headers: HeaderMap,
    body: Incoming,
    what: String,
}

/// A stream of server-sent events.
#[derive(Debug)]
pub struct Events {
    body: Incoming,
    unread: Vec<u8>,
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

    fn call(&self, method: Method, path: &str) -> Call {
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

impl Answer {
    /// The answer itself if it has this status; else an error that says what came instead.
    ///
    /// # Errors
    /// Another status.
    pub async fn expect(self, expected: StatusCode) -> Result<Self> {
        if self.status == expected {
            return Ok(self);
        }
        let (what, seen) = (self.what.clone(), self.status);
        let body: String = self.text().await?.chars().take(SHOWN).collect();
        bail!("{what}: expected {expected}, saw {seen}: {}", body.trim())
    }

    /// The whole body as text.
    ///
    /// # Errors
    /// The body broke off.
    pub async fn text(self) -> Result<String> {
        let body = timeout(PATIENCE, self.body.collect()).await;
        let body = body.with_context(|| format!("the body did not end: {}", self.what))?;
        let body = body.with_context(|| format!("the body broke off: {}", self.what))?;
        Ok(String::from_utf8_lossy(&body.to_bytes()).into_owned())
    }

    /// The whole body as JSON.
    ///
    /// # Errors
    /// The body broke off, or is something else.
    pub async fn json<T: DeserializeOwned>(self) -> Result<T> {
        let what = self.what.clone();
        let text = self.text().await?;
        serde_json::from_str(&text).with_context(|| {
            let shown: String = text.chars().take(SHOWN).collect();
            format!("{what}: expected JSON, saw {shown}")
        })
    }

    /// The body as server-sent events, each as it arrives.
    ///
    /// # Errors
    /// The body is no event stream.
    pub fn events(self) -> Result<Events> {
        let kind = self.headers.get(header::CONTENT_TYPE);
        let kind = kind.and_then(|kind| kind.to_str().ok()).unwrap_or_default();
        if !kind.starts_with("text/event-stream") {
            bail!("{}: expected text/event-stream, saw {kind:?}", self.what);
        }
        Ok(Events { body: self.body, unread: Vec::new() })
    }
}

impl Events {
    /// The data of the next event; none at the end.
    ///
    /// # Errors
    /// The stream broke off, or nothing came in time.
    pub async fn next(&mut self) -> Result<Option<String>> {
        loop {
            if let Some(event) = self.take_event() {
                return Ok(Some(event));
            }
            let frame = timeout(PATIENCE, self.body.frame()).await.context("no event came")?;
            match frame {
                None => return Ok(None),
                Some(frame) => {
                    if let Ok(data) = frame.context("the events broke off")?.into_data() {
                        self.unread.extend_from_slice(&data);
                    }
                }
            }
        }
    }

    /// Takes the data of one complete event out of what has arrived. Comments are no events.
    fn take_event(&mut self) -> Option<String> {
        loop {
            let end = self.unread.windows(2).position(|pair| pair == b"\n\n")?;
            let event: Vec<u8> = self.unread.drain(..end + 2).collect();
            let event = String::from_utf8_lossy(&event);
            let data = event.lines().filter_map(|line| line.strip_prefix("data:"));
            let data: Vec<_> = data.map(|line| line.strip_prefix(' ').unwrap_or(line)).collect();
            if !data.is_empty() {
                return Some(data.join("\n"));
            }
        }
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
