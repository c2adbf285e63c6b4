//! Connections to the upstream over HTTP/1.1, reused for a short while.

use std::{
    collections::HashMap,
    fmt,
    pin::{Pin, pin},
    sync::{
        Arc, Mutex, MutexGuard, PoisonError, Weak,
        atomic::{AtomicUsize, Ordering::Relaxed},
    },
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
use tokio::{
    sync::Notify,
    time::{Instant, sleep, timeout},
};
use tower::{Service, ServiceExt};

use crate::program::BoxError;

/// How long an unused connection is kept: shorter than any server's own limit, so that it is rare
/// to send a request into a connection that is just being closed.
const IDLE_TIMEOUT: Duration = Duration::from_secs(3);
/// Unused connections kept for one authority. Fewer than requests at once would open and close a
/// connection for most requests; [`IDLE_TIMEOUT`] gives them back soon.
const IDLE_CONNECTIONS: usize = 512;
/// Connections in use for one authority beyond which a request first waits for one that comes back. A
/// burst of short requests is then served over these, at 40 KB each less than over one for each.
const CROWD: usize = 64;
/// How long it waits in which none comes back. What holds many connections for long, such as event
/// streams, costs a further request no more than this.
const PATIENCE: Duration = Duration::from_millis(50);
/// How long it waits at most, for others come before it.
const LONGEST_WAIT: Duration = Duration::from_millis(250);
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

#[derive(Default)]
struct Idle {
    hosts: HashMap<Authority, Host>,
    /// Somebody will look for what has been there too long.
    swept: bool,
}

/// The connections of one authority.
#[derive(Default)]
struct Host {
    /// Those that are unused, the latest last.
    unused: Vec<(Sender, Instant)>,
    used: Arc<Used>,
}

/// The connections in use.
#[derive(Default)]
struct Used {
    count: AtomicUsize,
    /// How often one came back.
    returns: AtomicUsize,
    /// Tells one who waits when one is used no more.
    freed: Notify,
}

/// One connection in use, until it is dropped.
struct Use(Arc<Used>);

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
    in_use: Use,
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
        let Host { unused, used } = idle.hosts.get_mut(authority)?;
        // One whose last answer has only just ended may not be ready, and a closed one never is.
        // The latest comes first; what is too old is left to the sweep.
        let usable = |(sender, since): &(Sender, Instant)| {
            sender.is_ready() && since.elapsed() < IDLE_TIMEOUT
        };
        let ready = unused.iter().rposition(usable)?;
        let (sender, _) = unused.remove(ready);
        Some(self.lease(sender, authority, Use::of(used)))
    }

    /// The same, and a little patience where many are in use.
    pub(super) async fn reuse_soon(&self, authority: &Authority) -> Option<Lease> {
        if let Some(lease) = self.reuse(authority) {
            return Some(lease);
        }
        let used = self.used(authority);
        if !used.is_crowded() {
            return None;
        }
        let until = Instant::now() + LONGEST_WAIT;
        let mut freed = pin!(used.freed.notified());
        while Instant::now() < until {
            let returns = used.returns.load(Relaxed);
            if timeout(PATIENCE, freed.as_mut()).await.is_ok() {
                let lease = self.reuse(authority);
                if lease.is_some() || !used.is_crowded() {
                    return lease;
                }
                freed.set(used.freed.notified());
            } else if returns == used.returns.load(Relaxed) {
                return None;
            }
        }
        None
    }

    fn used(&self, authority: &Authority) -> Arc<Used> {
        let mut idle = lock(&self.idle);
        Arc::clone(&idle.hosts.entry(authority.clone()).or_default().used)
    }

    /// A new connection.
    pub(super) async fn connect(
        &self,
        scheme: &Scheme,
        authority: &Authority,
    ) -> Result<Lease, NoConnection> {
        let in_use = Use::of(&self.used(authority));
        match timeout(self.connect_timeout, self.handshake(scheme, authority)).await {
            Ok(Ok(sender)) => Ok(self.lease(sender, authority, in_use)),
            Ok(Err(error)) => Err(NoConnection::Failed(error)),
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

    fn lease(&self, sender: Sender, authority: &Authority, in_use: Use) -> Lease {
        Lease { sender, authority: authority.clone(), idle: Arc::downgrade(&self.idle), in_use }
    }
}

impl Used {
    fn is_crowded(&self) -> bool {
        self.count.load(Relaxed) >= CROWD
    }
}

impl Use {
    fn of(used: &Arc<Used>) -> Self {
        used.count.fetch_add(1, Relaxed);
        Self(Arc::clone(used))
    }
}

impl Drop for Use {
    fn drop(&mut self) {
        self.0.count.fetch_sub(1, Relaxed);
        self.0.returns.fetch_add(1, Relaxed);
        self.0.freed.notify_one();
    }
}

impl Host {
    /// Closes what has been unused for too long. Whether anything is left.
    fn sweep(&mut self) -> bool {
        self.unused.retain(|(sender, since)| !sender.is_closed() && since.elapsed() < IDLE_TIMEOUT);
        !self.unused.is_empty() || Arc::strong_count(&self.used) > 1
    }
}

impl Lease {
    fn give_back(self) {
        let Self { sender, authority, idle: weak, in_use } = self;
        let Some(shared) = weak.upgrade() else { return };
        let mut idle = lock(&shared);
        let Host { unused, .. } = idle.hosts.entry(authority).or_default();
        if unused.len() < IDLE_CONNECTIONS && !sender.is_closed() {
            unused.push((sender, Instant::now()));
        }
        if !idle.swept {
            idle.swept = true;
            tokio::spawn(sweep(weak));
        }
        drop(idle);
        drop(in_use);
    }
}

/// Closes what has been unused for too long. Ends when nothing is left, so that a program nobody
/// uses does not wake up.
async fn sweep(shared: Weak<Mutex<Idle>>) {
    loop {
        sleep(IDLE_TIMEOUT).await;
        let Some(shared) = shared.upgrade() else { return };
        let mut idle = lock(&shared);
        idle.hosts.retain(|_, host| host.sweep());
        if idle.hosts.is_empty() {
            *idle = Idle::default();
            return;
        }
        if idle.hosts.values().all(|host| host.unused.is_empty()) {
            // What is in use comes back, and brings the next sweep.
            idle.swept = false;
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

#[cfg(test)]
mod tests {
    use hyper_util::rt::TokioIo;
    use rustls::RootCertStore;

    use super::*;
    use crate::client::https_connector;

    /// A connection that is in use, and its other end.
    async fn lease(pool: &Pool, authority: &Authority) -> (Lease, tokio::io::DuplexStream) {
        let (ours, theirs) = tokio::io::duplex(1024);
        let (mut sender, connection) = http1::handshake(TokioIo::new(ours)).await.unwrap();
        tokio::spawn(connection);
        sender.ready().await.unwrap();
        (pool.lease(sender, authority, Use::of(&pool.used(authority))), theirs)
    }

    #[tokio::test(start_paused = true)]
    async fn in_a_crowd_a_request_waits_for_a_connection_that_comes_back() {
        let connector = https_connector(RootCertStore::empty(), IDLE_TIMEOUT).unwrap();
        let pool = Pool::new(connector, IDLE_TIMEOUT);
        let authority = Authority::from_static("runtime:18789");
        let start = Instant::now();
        let (lease, _theirs) = lease(&pool, &authority).await;
        assert!(pool.reuse_soon(&authority).await.is_none());
        assert_eq!(start.elapsed(), Duration::ZERO, "one is no crowd");

        let used = pool.used(&authority);
        let crowd: Vec<_> = (1..CROWD).map(|_| Use::of(&used)).collect();
        assert!(pool.reuse_soon(&authority).await.is_none());
        assert_eq!(start.elapsed(), PATIENCE);
        let (found, ()) = tokio::join!(pool.reuse_soon(&authority), async { lease.give_back() });
        assert!(found.is_some());
        assert_eq!(start.elapsed(), PATIENCE);

        drop((found, crowd));
        assert_eq!(used.count.load(Relaxed), 0);
    }
}
