use std::{
    net::SocketAddr,
    pin::pin,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use axum::{body::Body, extract::ConnectInfo};
use http::Request;
use hyper::{body::Incoming, rt, service::service_fn};
use hyper_util::rt::TokioIo;
use tokio::{net::TcpStream, sync::OwnedSemaphorePermit, time::timeout};
use tokio_rustls::TlsAcceptor;
use tower::ServiceExt;

use super::Server;
use crate::tunnels::Tunnels;

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
        let served = async {
            match &self.tls {
                None => self.http(TokioIo::new(stream), peer, &tunnels).await,
                Some(tls) => {
                    let handshake = TlsAcceptor::from(tls.current()).accept(stream);
                    match timeout(self.limits.header_timeout, handshake).await {
                        Ok(Ok(stream)) => self.http(TokioIo::new(stream), peer, &tunnels).await,
                        Ok(Err(error)) => tracing::debug!(%peer, %error, "TLS handshake failed"),
                        Err(_elapsed) => tracing::debug!(%peer, "TLS handshake too slow"),
                    }
                }
            }
        };
        self.aborting.run_until_cancelled(served).await;
    }

    async fn http<IO>(&self, io: IO, peer: SocketAddr, tunnels: &Tunnels)
    where
        IO: rt::Read + rt::Write + Unpin + Send + 'static,
    {
        let spoke = AtomicBool::new(false);
        let service = service_fn(|request: Request<Incoming>| {
            spoke.store(true, Ordering::Relaxed);
            let request = self.dress(request, peer, tunnels);
            self.router.clone().oneshot(request)
        });
        let mut connection = pin!(self.http.serve_connection_with_upgrades(io, service));
        let mut closing = pin!(self.closing.cancelled());
        let mut silence = pin!(silent_for(self.limits.header_timeout, &spoke));
        let mut open = true;
        loop {
            tokio::select! {
                // An answer that is ready now should already tell that it is the last.
                biased;
                () = closing.as_mut(), if open => {
                    open = false;
                    connection.as_mut().graceful_shutdown();
                }
                ended = connection.as_mut() => {
                    if let Err(error) = ended {
                        tracing::debug!(%peer, %error, "connection ended");
                    }
                    return;
                }
                () = silence.as_mut() => return,
            }
        }
    }

    fn dress(
        &self,
        request: Request<Incoming>,
        peer: SocketAddr,
        tunnels: &Tunnels,
    ) -> Request<Body> {
        let mut request = request.map(Body::new);
        let extensions = request.extensions_mut();
        extensions.insert(ConnectInfo(peer));
        extensions.insert(self.shutdown.clone());
        extensions.insert(tunnels.clone());
        request
    }
}

/// Resolves when a connection has sent no request by then; otherwise never.
///
/// hyper's own timer starts only once it knows the HTTP version, and a peer that sends `P` and
/// then nothing leaves that open.
async fn silent_for(patience: Duration, spoke: &AtomicBool) {
    tokio::time::sleep(patience).await;
    if spoke.load(Ordering::Relaxed) {
        std::future::pending().await
    }
}
