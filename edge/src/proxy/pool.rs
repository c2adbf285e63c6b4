//! Connections to the upstream over HTTP/1.1, reused for a short while.

use std::{
    collections::HashMap,
    fmt,
    pin::Pin,
    sync::{Arc, Mutex, MutexGuard, PoisonError, Weak},
    task::{Context, Poll},
    time::Duration,
};

use axum::body::{Body, Bytes};
use http::{
    Uri,
    uri::{Authority, Scheme},
};
use http_body::{Body as HttpBody, Frame, SizeHint};
use hyper::{body::Incoming, client::conn::http1};
use hyper_rustls::HttpsConnector;
use hyper_util::client::legacy::connect::HttpConnector;
use tokio::time::{Instant, sleep, timeout};
use tower::{Service, ServiceExt};

use crate::program::BoxError;

/// How long an unused connection is kept: shorter than any server's own limit, so that it is rare
/// to send a request into a connection that is just being closed.
const IDLE_TIMEOUT: Duration = Duration::from_secs(3);
/// Unused connections kept for one authority. Fewer than requests at once would open and close a
/// connection for most requests; [`IDLE_TIMEOUT`] gives them back soon.
const IDLE_CONNECTIONS: usize = 512;
/// What hyper may buffer of one answer's head, or between a fast upstream and a slow client.
const BUFFER: usize = 32 * 1024;

/// Makes connections and keeps some. Clones share them.
#[derive(Clone)]
pub(super) struct Pool {
    connector: HttpsConnector<HttpConnector>,
    connect_timeout: Duration,
    idle: Arc<Mutex<Idle>>,
}

type Sender = http1::SendRequest<Body>;

/// Unused connections, the latest last.
#[derive(Default)]
struct Idle {
    connections: HashMap<Authority, Vec<(Sender, Instant)>>,
    /// Somebody will look for what has been there too long.
    swept: bool,
}

/// No connection.
#[derive(Debug)]
pub(super) enum NoConnection {
    Failed(BoxError),
    TimedOut,
}

/// A connection for one request. Whoever has it decides whether it goes back.
pub(super) struct Lease {
    pub(super) sender: Sender,
    authority: Authority,
    idle: Weak<Mutex<Idle>>,
}

impl Pool {
    pub(super) fn new(connector: HttpsConnector<HttpConnector>, connect_timeout: Duration) -> Self {
        Self { connector, connect_timeout, idle: Arc::default() }
    }

    pub(super) fn connecting_within(self, connect_timeout: Duration) -> Self {
        Self { connect_timeout, ..self }
    }

    /// A connection that was used before, if there is one that can be used again.
    pub(super) fn reuse(&self, authority: &Authority) -> Option<Lease> {
        let mut idle = lock(&self.idle);
        let connections = idle.connections.get_mut(authority)?;
        // One whose last answer has only just ended may not be ready, and a closed one never is.
        // The latest comes first; what is too old is left to the sweep.
        let usable = |(sender, since): &(Sender, Instant)| {
            sender.is_ready() && since.elapsed() < IDLE_TIMEOUT
        };
        let ready = connections.iter().rposition(usable)?;
        let (sender, _) = connections.remove(ready);
        Some(self.lease(sender, authority))
    }

    /// A new connection.
    pub(super) async fn connect(
        &self,
        scheme: &Scheme,
        authority: &Authority,
    ) -> Result<Lease, NoConnection> {
        match timeout(self.connect_timeout, self.handshake(scheme, authority)).await {
            Ok(connected) => {
                connected.map(|sender| self.lease(sender, authority)).map_err(NoConnection::Failed)
            }
            Err(_elapsed) => Err(NoConnection::TimedOut),
        }
    }

    async fn handshake(&self, scheme: &Scheme, authority: &Authority) -> Result<Sender, BoxError> {
        let uri = Uri::builder()
            .scheme(scheme.clone())
            .authority(authority.clone())
            .path_and_query("/")
            .build()?;
        let io = self.connector.clone().ready().await?.call(uri).await?;
        let (sender, connection) = http1::Builder::new().max_buf_size(BUFFER).handshake(io).await?;
        tokio::spawn(async move {
            // Whoever waits for the answer learns of the failure too.
            if let Err(error) = connection.with_upgrades().await {
                tracing::debug!(%error, "upstream connection ended");
            }
        });
        Ok(sender)
    }

    fn lease(&self, sender: Sender, authority: &Authority) -> Lease {
        Lease { sender, authority: authority.clone(), idle: Arc::downgrade(&self.idle) }
    }
}

impl Lease {
    fn give_back(self) {
        let Some(shared) = self.idle.upgrade() else { return };
        let mut idle = lock(&shared);
        let connections = idle.connections.entry(self.authority).or_default();
        if connections.len() < IDLE_CONNECTIONS && !self.sender.is_closed() {
            connections.push((self.sender, Instant::now()));
        }
        if !idle.swept {
            idle.swept = true;
            tokio::spawn(sweep(self.idle));
        }
    }
}

/// Closes what has been unused for too long. Ends when nothing is left, so that a program nobody
/// uses does not wake up.
async fn sweep(shared: Weak<Mutex<Idle>>) {
    loop {
        sleep(IDLE_TIMEOUT).await;
        let Some(shared) = shared.upgrade() else { return };
        let mut idle = lock(&shared);
        idle.connections.retain(|_, connections| {
            connections
                .retain(|(sender, since)| !sender.is_closed() && since.elapsed() < IDLE_TIMEOUT);
            !connections.is_empty()
        });
        if idle.connections.is_empty() {
            *idle = Idle::default();
            return;
        }
    }
}

fn lock(idle: &Mutex<Idle>) -> MutexGuard<'_, Idle> {
    // No code panics while it holds the lock.
    idle.lock().unwrap_or_else(PoisonError::into_inner)
}

/// An answer's body. Its connection goes back when it has ended well, and closes otherwise.
pub(super) struct Leased {
    body: Incoming,
    lease: Option<Lease>,
}

impl Leased {
    pub(super) fn body(body: Incoming, lease: Lease) -> Body {
        let mut leased = Self { body, lease: Some(lease) };
        if leased.ended() { Body::empty() } else { Body::new(leased) }
    }

    /// Whether the body has ended. Then the connection goes back.
    fn ended(&mut self) -> bool {
        let ended = self.body.is_end_stream();
        if ended && let Some(lease) = self.lease.take() {
            lease.give_back();
        }
        ended
    }
}

impl HttpBody for Leased {
    type Data = Bytes;
    type Error = hyper::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, hyper::Error>>> {
        let polled = Pin::new(&mut self.body).poll_frame(context);
        match &polled {
            Poll::Ready(Some(Err(_))) => self.lease = None,
            // A body of known length has ended with its last frame: nobody asks for another.
            Poll::Ready(Some(Ok(_))) => {
                self.ended();
            }
            Poll::Ready(None) => {
                if let Some(lease) = self.lease.take() {
                    lease.give_back();
                }
            }
            Poll::Pending => {}
        }
        polled
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

impl fmt::Debug for Pool {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Pool")
            .field("connect_timeout", &self.connect_timeout)
            .finish_non_exhaustive()
    }
}
