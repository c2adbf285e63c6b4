use std::{io, net::Ipv4Addr, time::Duration};

use axum::body::Body;
use http::{HeaderName, HeaderValue, Request, StatusCode, header, uri::PathAndQuery};
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use rustls_pki_types::ServerName;
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::TcpStream,
    time::timeout,
};

use super::{flag::Probe, tls};

/// Why the runtime did not pass a probe.
#[derive(Debug, thiserror::Error)]
pub(super) enum ProbeFailure {
    #[error("cannot connect to the runtime on port {port}")]
    Connect { port: u16, source: io::Error },
    #[error("TLS cannot be set up")]
    Tls(#[from] rustls::Error),
    #[error("no TLS handshake with the runtime")]
    Handshake(#[source] io::Error),
    #[error("no answer from the runtime")]
    Answer(#[from] hyper::Error),
    #[error("the runtime answered {0}")]
    Status(StatusCode),
    #[error("the runtime did not answer within {LONGEST:?}")]
    Timeout,
}

/// Only a safety net: the kubelet gives up after the probe's own `timeoutSeconds`, and this
/// question is dropped with its request.
const LONGEST: Duration = Duration::from_secs(60);

impl Probe {
    /// Asks the runtime as the kubelet would have: a connection is enough for `tcpSocket`; for
    /// `httpGet` a status from 200 to 399 is. Redirects are not followed.
    pub(super) async fn ask(&self) -> Result<(), ProbeFailure> {
        timeout(LONGEST, self.ask_patiently()).await.unwrap_or(Err(ProbeFailure::Timeout))
    }

    async fn ask_patiently(&self) -> Result<(), ProbeFailure> {
        match self {
            Self::Tcp { port } => connect(*port).await.map(drop),
            Self::Http { tls, port, path, headers } => {
                let request = request(*port, path, headers);
                let stream = connect(*port).await?;
                if *tls {
                    let name = ServerName::IpAddress(Ipv4Addr::LOCALHOST.into());
                    let stream = tls::connector()?.connect(name, stream).await;
                    get(stream.map_err(ProbeFailure::Handshake)?, request).await
                } else {
                    get(stream, request).await
                }
            }
        }
    }
}

async fn connect(port: u16) -> Result<TcpStream, ProbeFailure> {
    let connected = TcpStream::connect((Ipv4Addr::LOCALHOST, port)).await;
    connected.map_err(|source| ProbeFailure::Connect { port, source })
}

fn request(port: u16, path: &PathAndQuery, own: &[(HeaderName, HeaderValue)]) -> Request<Body> {
    let mut request = Request::new(Body::empty());
    *request.uri_mut() = path.clone().into();
    let headers = request.headers_mut();
    headers.insert(header::ACCEPT, HeaderValue::from_static("*/*"));
    headers.insert(header::USER_AGENT, HeaderValue::from_static("kube-probe/openclaw-sidecar"));
    if let Ok(host) = format!("{}:{port}", Ipv4Addr::LOCALHOST).parse() {
        headers.insert(header::HOST, host);
    }
    // The probe's own headers replace ours; among themselves they add up.
    for (name, _) in own {
        headers.remove(name);
    }
    for (name, value) in own {
        headers.append(name, value.clone());
    }
    headers.insert(header::CONNECTION, HeaderValue::from_static("close"));
    request
}

async fn get<S>(stream: S, request: Request<Body>) -> Result<(), ProbeFailure>
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
    let response = async move { sender.send_request(request).await };
    tokio::pin!(response);
    tokio::pin!(connection);
    let response = tokio::select! {
        response = &mut response => response?,
        ended = &mut connection => {
            ended?;
            response.await?
        }
    };
    // The body does not matter; dropping the connection ends it.
    match response.status().as_u16() {
        200..400 => Ok(()),
        _ => Err(ProbeFailure::Status(response.status())),
    }
}
