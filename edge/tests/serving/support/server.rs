use std::{net::SocketAddr, sync::Arc, time::Duration};

use axum::Router;
use edge::{
    args::DrainArgs,
    proxy::{Session, Upstream, forward},
    serve::{Limits, Listener, TlsConfig, serve},
    shutdown::{Shutdown, Trigger},
};
use http::{HeaderMap, Request};
use tokio::task::JoinHandle;

use super::soon;

/// A running server.
pub(crate) struct Server {
    pub(crate) address: SocketAddr,
    trigger: Trigger,
    ended: JoinHandle<()>,
}

impl Server {
    pub(crate) async fn start(router: Router) -> Self {
        Self::start_with(router, limits(), None).await
    }

    pub(crate) async fn start_with(router: Router, limits: Limits, tls: Option<TlsConfig>) -> Self {
        let any_port = "127.0.0.1:0".parse().unwrap();
        let listener = Listener::bind(any_port, "test").await.unwrap();
        let address = listener.local_addr();
        let (trigger, shutdown) = Shutdown::manual();
        let ended = tokio::spawn(serve(listener, tls, router, limits, shutdown));
        Self { address, trigger, ended }
    }

    pub(crate) fn drain(&self) {
        self.trigger.drain();
    }

    pub(crate) fn abort(&self) {
        self.trigger.abort();
    }

    pub(crate) async fn ended(self) {
        soon(self.ended).await.unwrap();
    }
}

/// Limits under which a drained server closes its port at once, and nothing ends for want of time.
pub(crate) fn limits() -> Limits {
    let drain =
        DrainArgs { drain_delay: Duration::ZERO, drain_deadline: Duration::from_secs(3600) };
    let hour = Duration::from_secs(3600);
    Limits { drain, header_timeout: hour, idle_timeout: hour, ..Limits::default() }
}

/// A proxy to `upstream` that adds nothing.
pub(crate) fn proxy(upstream: SocketAddr) -> Router {
    proxy_with(upstream, |_| {}, Session::unbounded())
}

/// A proxy to `upstream` that adds headers with `edit` and bounds streams by `session`.
pub(crate) fn proxy_with(
    upstream: SocketAddr,
    edit: impl Fn(&mut HeaderMap) + Send + Sync + 'static,
    session: Session,
) -> Router {
    let upstream = Upstream::new(&format!("http://{upstream}")).unwrap();
    let edit = Arc::new(edit);
    Router::new().fallback(async move |request: Request<axum::body::Body>| {
        forward(request, &upstream, |headers| edit(headers), session).await
    })
}
