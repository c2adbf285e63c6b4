//! The accept loop of every server: HTTP/1.1 and HTTP/2, with or without TLS, with limits that a
//! stranger cannot exceed and a drain that cuts nothing which could still end by itself.

mod access_log;
mod answer;
mod connection;
mod guard;
mod head;
mod listener;
mod metrics;
mod request_body;
mod response_body;
mod scanner;
mod service;
mod timer;

use std::{future::Future, sync::Arc, time::Duration};

use axum::Router;
use hyper_util::{
    rt::{TokioExecutor, TokioTimer},
    server::conn::auto,
};
use tokio::{
    net::TcpStream,
    sync::Semaphore,
    time::{Instant, timeout_at},
};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

pub(crate) use self::{
    connection::{ServeTls, over_tls},
    metrics::Timeout,
};
pub use self::{
    listener::{BindError, Listener},
    metrics::ServeMetrics,
    request_body::BodyTimeout,
};
pub use crate::tls::TlsConfig;
use crate::{args::DrainArgs, shutdown::Shutdown, tunnels::Tunnels};

/// How long streams and tunnels may take to say goodbye once the drain's deadline is reached.
const FAREWELL: Duration = Duration::from_secs(1);
/// How long accepting rests after the system refused, for instance for want of file descriptors.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);
/// What hyper may buffer beyond a whole head, so that it never finds one too large that the guard let
/// pass.
const SPARE: usize = 8 * 1024;

/// What one server gives to strangers, how it stops, and what it tells. A time of zero is for ever.
#[derive(Clone, Debug)]
pub struct Limits {
    /// Time for the TLS handshake, for the first request of a connection, and from the first byte
    /// of each further head to its last. A client that began one gets 408.
    pub header_timeout: Duration,
    /// How long an HTTP/1.1 connection is kept between two requests.
    pub idle_timeout: Duration,
    /// The longest pause within a request's body, while somebody wants to read it. The client gets
    /// 408. Answers may pause as long as they like: event streams and long polls do.
    pub body_timeout: Duration,
    /// Bytes per second that a request's body must bring on average in each [`Self::body_timeout`].
    pub min_body_rate: u64,
    /// How long a client may take nothing of an answer that is there.
    pub write_timeout: Duration,
    /// How long a tunnel is kept in which neither side says anything.
    pub tunnel_timeout: Duration,
    /// Bytes of one request head over HTTP/1.1, at least 8 KiB. A longer one gets 431.
    pub header_bytes: usize,
    /// Bytes of the decoded header list of one request over HTTP/2.
    pub h2_header_list_bytes: u32,
    /// Requests at once on one HTTP/2 connection.
    pub h2_streams: u32,
    /// Connections and tunnels at once. More wait in the system's backlog.
    pub max_connections: usize,
    /// Requests at once whose answer has not ended. More get 503.
    pub max_requests: usize,
    /// How the server stops.
    pub drain: DrainArgs,
    /// Whether each answer is logged, with the target `access`.
    pub access_log: bool,
    /// What is counted.
    pub metrics: ServeMetrics,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            header_timeout: Duration::from_secs(10),
            idle_timeout: Duration::from_secs(60),
            body_timeout: Duration::from_secs(60),
            min_body_rate: 16,
            write_timeout: Duration::from_secs(60),
            tunnel_timeout: Duration::from_secs(3600),
            header_bytes: 32 * 1024,
            h2_header_list_bytes: 16 * 1024,
            h2_streams: 100,
            max_connections: 10_000,
            max_requests: 10_000,
            drain: DrainArgs::default(),
            access_log: false,
            metrics: ServeMetrics::default(),
        }
    }
}

/// Serves `router` until `shutdown` drains and everything accepted has ended, or was ended at the
/// deadline.
///
/// Each request carries three extensions: `ConnectInfo<SocketAddr>` (the peer), [`Shutdown`], and
/// the [`Tunnels`] that an upgrade belongs into.
pub async fn serve(
    listener: Listener,
    tls: Option<TlsConfig>,
    router: Router,
    limits: Limits,
    shutdown: Shutdown,
) {
    let server = Arc::new(Server::new(listener.name(), tls, router, limits, shutdown));
    server.accept(listener).await;
    server.drain().await;
}

pub(crate) struct Server {
    name: &'static str,
    router: Router,
    tls: Option<TlsConfig>,
    http: auto::Builder<TokioExecutor>,
    limits: Limits,
    shutdown: Shutdown,
    places: Arc<Semaphore>,
    requests: Arc<Semaphore>,
    /// Connections and tunnels.
    tasks: TaskTracker,
    tunnels: Tunnels,
    /// Connections take no further request.
    closing: CancellationToken,
    /// Tunnels say goodbye.
    ending: CancellationToken,
    /// Nothing goes on.
    aborting: CancellationToken,
}

impl Server {
    fn new(
        name: &'static str,
        tls: Option<TlsConfig>,
        router: Router,
        limits: Limits,
        shutdown: Shutdown,
    ) -> Self {
        let tasks = TaskTracker::new();
        let ending = CancellationToken::new();
        let aborting = CancellationToken::new();
        Self {
            name,
            http: http_builder(&limits),
            places: Arc::new(Semaphore::new(limits.max_connections)),
            requests: Arc::new(Semaphore::new(limits.max_requests)),
            tunnels: Tunnels::new(tasks.clone(), ending.clone(), aborting.clone())
                .limited(limits.tunnel_timeout, limits.metrics.clone()),
            closing: CancellationToken::new(),
            router,
            tls,
            limits,
            shutdown,
            tasks,
            ending,
            aborting,
        }
    }

    /// Accepts until the drain delay is over.
    async fn accept(self: &Arc<Self>, listener: Listener) {
        let closed = self.closed();
        tokio::pin!(closed);
        loop {
            let place = tokio::select! {
                place = Arc::clone(&self.places).acquire_owned() => place,
                () = &mut closed => return,
            };
            // The semaphore is never closed.
            let Ok(place) = place else { return };
            tokio::select! {
                Some((stream, peer)) = next(&listener) => {
                    let connection = Arc::clone(self).connection(stream, peer, place);
                    self.tasks.spawn(connection);
                }
                () = &mut closed => return,
            }
        }
    }

    /// Resolves when nothing more is accepted.
    fn closed(&self) -> impl Future<Output = ()> + use<> {
        let shutdown = self.shutdown.clone();
        let delay = self.limits.drain.drain_delay;
        async move {
            shutdown.draining().await;
            tokio::select! {
                () = tokio::time::sleep(delay) => {}
                () = shutdown.aborting() => {}
            }
        }
    }

    /// Lets everything end, then ends it.
    async fn drain(&self) {
        let name = self.name;
        let DrainArgs { drain_delay, drain_deadline } = self.limits.drain;
        let deadline = Instant::now() + drain_deadline.saturating_sub(drain_delay);
        self.tasks.close();
        self.closing.cancel();
        if !self.ended_before(deadline).await {
            tracing::warn!(listener = name, open = self.tasks.len(), "ending what is still open");
            self.ending.cancel();
            self.ended_before(Instant::now() + FAREWELL).await;
        }
        self.aborting.cancel();
        self.tasks.wait().await;
        tracing::info!(listener = name, "drained");
    }

    async fn ended_before(&self, deadline: Instant) -> bool {
        tokio::select! {
            ended = timeout_at(deadline, self.tasks.wait()) => ended.is_ok(),
            () = self.shutdown.aborting() => false,
        }
    }
}

/// The next connection, or `None` after trouble of the system that passes.
async fn next(listener: &Listener) -> Option<(TcpStream, std::net::SocketAddr)> {
    match listener.accept().await {
        Ok(accepted) => Some(accepted),
        Err(error) => {
            tracing::warn!(listener = listener.name(), %error, "cannot accept; trying again");
            tokio::time::sleep(ACCEPT_PAUSE).await;
            None
        }
    }
}

fn http_builder(limits: &Limits) -> auto::Builder<TokioExecutor> {
    let mut builder = auto::Builder::new(TokioExecutor::new());
    // Half-closed HTTP/1.1 clients are taken to have gone: nothing else tells that the reader of a
    // silent event stream has. Over HTTP/2 a stream's half says so without a doubt.
    builder
        .http1()
        .timer(TokioTimer::new())
        // The guard below hyper bounds heads by size and time; this one ends idle connections.
        .header_read_timeout(Some(limits.idle_timeout).filter(|time| !time.is_zero()))
        .max_buf_size(limits.header_bytes + SPARE)
        .http2()
        .timer(TokioTimer::new())
        .max_concurrent_streams(limits.h2_streams)
        .max_header_list_size(limits.h2_header_list_bytes)
        .initial_stream_window_size(64 * 1024)
        .initial_connection_window_size(1024 * 1024)
        .max_send_buf_size(64 * 1024)
        // Streams that are opened and reset at once cost us more than their sender (CVE-2023-44487,
        // CVE-2019-9514). Too many end the connection.
        .max_pending_accept_reset_streams(20)
        .max_local_error_reset_streams(1024)
        .enable_connect_protocol()
        // A peer that vanished without a word would otherwise keep its place for ever.
        .keep_alive_interval(Duration::from_secs(30))
        .keep_alive_timeout(Duration::from_secs(10));
    builder
}
