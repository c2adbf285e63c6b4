use std::{
    future::Future,
    net::SocketAddr,
    pin::{Pin, pin},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use http::Request;
use hyper::{body::Incoming, service::service_fn};
use hyper_util::rt::TokioIo;
use rustls::ServerConfig;
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::TcpStream,
    sync::{Notify, OwnedSemaphorePermit},
    time::timeout,
};
use tokio_rustls::TlsAcceptor;

use super::{Server, Timeout, answer::Answer, guard::Guard};
use crate::{program::BoxError, tunnels::Tunnels};

/// How long a connection without a request is kept once no more is accepted.
const FIRST_REQUEST: Duration = Duration::from_secs(1);

impl Server {
    /// One accepted connection, from handshake to its last response.
    pub(super) async fn connection(
        self: Arc<Self>,
        stream: TcpStream,
        peer: SocketAddr,
        place: OwnedSemaphorePermit,
    ) {
        // Small answers must not wait for the peer's acknowledgements. A failure means that the
        // peer has gone, which the next read tells too.
        let _ = stream.set_nodelay(true);
        let tunnels = self.tunnels.holding(Arc::new(place));
        // Pinned here: what takes a future by value would hold room for it twice.
        let served = pin!(async {
            match &self.tls {
                None => self.http(stream, peer, &tunnels).await,
                Some(tls) => {
                    (tls.serve)(Arc::clone(&self), tls.current(), stream, peer, tunnels.clone())
                        .await;
                }
            }
        });
        self.aborting.run_until_cancelled(served).await;
    }

    async fn http<IO>(self: &Arc<Self>, io: IO, peer: SocketAddr, tunnels: &Tunnels)
    where
        IO: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let _counted = self.limits.metrics.connection();
        let answer = Arc::new(Answer::default());
        let io = TokioIo::new(Guard::new(io, &self.limits, Arc::clone(&answer)));
        let first = First::default();
        let service = service_fn(|request: Request<Incoming>| {
            first.came();
            Arc::clone(self).answer(request, peer, tunnels.clone(), Arc::clone(&answer))
        });
        let mut connection = pin!(self.http.serve_connection_with_upgrades(io, service));
        let mut closing = pin!(async {
            self.closing.cancelled().await;
            // A connection that was accepted a moment ago has its first request on the way.
            let _ = timeout(FIRST_REQUEST, first.awaited()).await;
        });
        let mut silence = pin!(first.missing_for(2 * self.limits.header_timeout));
        let mut open = true;
        loop {
            tokio::select! {
                // An answer that is ready now should already tell that it is the last.
                biased;
                () = closing.as_mut(), if open => {
                    open = false;
                    connection.as_mut().graceful_shutdown();
                }
                ended = connection.as_mut() => return self.ended(peer, ended),
                () = silence.as_mut() => {
                    self.limits.metrics.timed_out(Timeout::Header);
                    return;
                }
            }
        }
    }

    fn ended(&self, peer: SocketAddr, outcome: Result<(), BoxError>) {
        let Err(error) = outcome else { return };
        if error.downcast_ref::<hyper::Error>().is_some_and(hyper::Error::is_timeout) {
            self.limits.metrics.timed_out(Timeout::Idle);
        }
        tracing::debug!(%peer, %error, "connection ended");
    }
}

/// [`over_tls`], called through [`crate::tls::TlsConfig`].
pub(crate) type ServeTls = fn(
    Arc<Server>,
    Arc<ServerConfig>,
    TcpStream,
    SocketAddr,
    Tunnels,
) -> Pin<Box<dyn Future<Output = ()> + Send>>;

/// One connection over TLS. Boxed, so that a plain connection holds no room for it.
pub(crate) fn over_tls(
    server: Arc<Server>,
    config: Arc<ServerConfig>,
    stream: TcpStream,
    peer: SocketAddr,
    tunnels: Tunnels,
) -> Pin<Box<dyn Future<Output = ()> + Send>> {
    Box::pin(async move {
        let handshake = TlsAcceptor::from(config).accept(stream);
        match timeout(server.limits.header_timeout, handshake).await {
            Ok(Ok(stream)) => server.http(stream, peer, &tunnels).await,
            Ok(Err(error)) => tracing::debug!(%peer, %error, "TLS handshake failed"),
            Err(_elapsed) => {
                server.limits.metrics.timed_out(Timeout::Handshake);
                tracing::debug!(%peer, "TLS handshake too slow");
            }
        }
    })
}

/// Whether a connection has sent a request.
#[derive(Default)]
struct First {
    seen: AtomicBool,
    tell: Notify,
}

impl First {
    fn came(&self) {
        if !self.seen.swap(true, Ordering::Relaxed) {
            self.tell.notify_one();
        }
    }

    fn is_here(&self) -> bool {
        self.seen.load(Ordering::Relaxed)
    }

    /// Resolves when it has.
    async fn awaited(&self) {
        if !self.is_here() {
            self.tell.notified().await;
        }
    }

    /// Resolves when it has not by then; otherwise never. The guard's timer is half as long, but
    /// knows nothing of HTTP/2.
    async fn missing_for(&self, patience: Duration) {
        tokio::time::sleep(patience).await;
        if self.is_here() {
            std::future::pending().await
        }
    }
}
