//! Admissions over TLS and HTTP/2, as the API server sends them: few connections, many at once.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

use bytes::Bytes;
use http::{Request, header};
use http_body_util::{BodyExt, Full};
use hyper::client::conn::http2::{SendRequest, handshake};
use hyper_util::rt::{TokioExecutor, TokioIo};
use rustls::pki_types::ServerName;
use serde_json::Value;
use tokio::{
    net::TcpStream,
    task::JoinSet,
    time::{Duration, Instant},
};
use tokio_rustls::TlsConnector;

use crate::{
    Result,
    in_process::{percentiles, typical},
    subject::{HOST, Subject},
};

const CONNECTIONS: usize = 2;
/// Admissions at once on each connection.
const AT_ONCE: usize = 4;

/// What `count` admissions took.
pub(crate) struct Load {
    /// Admissions a second.
    pub(crate) rate: f64,
    /// Milliseconds.
    pub(crate) p50: f64,
    pub(crate) p99: f64,
    /// Of the server's processes, for one admission, in milliseconds.
    pub(crate) cpu: f64,
}

/// Sends `count` admissions, each as soon as one before it is answered.
pub(crate) async fn run(subject: &Subject, count: usize) -> Result<Load> {
    let body = Bytes::from(typical());
    let left = Arc::new(AtomicUsize::new(count));
    let mut senders = JoinSet::new();
    let (began, before) = (Instant::now(), subject.cpu()?);
    for _ in 0..CONNECTIONS {
        let connection = connect(subject).await?;
        for _ in 0..AT_ONCE {
            senders.spawn(send(connection.clone(), body.clone(), Arc::clone(&left)));
        }
    }
    let mut times = Vec::with_capacity(count);
    while let Some(sent) = senders.join_next().await {
        times.extend(sent??);
    }
    let rate = count as f64 / began.elapsed().as_secs_f64();
    let (p50, p99) = percentiles(times);
    let cpu = (subject.cpu()? - before) / count as f64;
    Ok(Load { rate, p50, p99, cpu })
}

/// What the answer to the typical pod is.
pub(crate) async fn answer(subject: &Subject) -> Result<Value> {
    let mut connection = connect(subject).await?;
    let response = connection.send_request(question(typical().into())?).await?;
    Ok(serde_json::from_slice(&response.into_body().collect().await?.to_bytes())?)
}

fn question(body: Bytes) -> Result<Request<Full<Bytes>>> {
    let request = Request::post(format!("https://{HOST}/mutate"));
    Ok(request.header(header::CONTENT_TYPE, "application/json").body(Full::new(body))?)
}

async fn connect(subject: &Subject) -> Result<SendRequest<Full<Bytes>>> {
    let socket = TcpStream::connect(subject.address).await?;
    socket.set_nodelay(true)?;
    let connector = TlsConnector::from(Arc::clone(&subject.client));
    let stream = connector.connect(ServerName::try_from(HOST)?, socket).await?;
    let (sender, connection) = handshake(TokioExecutor::new(), TokioIo::new(stream)).await?;
    tokio::spawn(connection);
    Ok(sender)
}

async fn send(
    mut connection: SendRequest<Full<Bytes>>,
    body: Bytes,
    left: Arc<AtomicUsize>,
) -> Result<Vec<Duration>> {
    let mut times = Vec::new();
    let take = |left: usize| left.checked_sub(1);
    while left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, take).is_ok() {
        let request = question(body.clone())?;
        let began = Instant::now();
        let response = connection.send_request(request).await?;
        let status = response.status();
        let answer = response.into_body().collect().await?.to_bytes();
        times.push(began.elapsed());
        if !status.is_success() {
            return Err(format!("{status}: {}", String::from_utf8_lossy(&answer)).into());
        }
    }
    Ok(times)
}
