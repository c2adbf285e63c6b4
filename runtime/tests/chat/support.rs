use std::{
    future::Future,
    net::SocketAddr,
    sync::{Arc, Mutex},
    time::Duration,
};

use axum::{Router, body::Body, extract::State, response::Response, routing::post};
use edge::{
    serve::{Limits, Listener},
    shutdown::{Shutdown, Trigger},
};
use http::{HeaderMap, Request};
use http_body_util::BodyExt;
use runtime::{app, newapi_from};
use tokio::{net::TcpListener, task::JoinHandle, time::timeout};

/// Waits for what has to happen. The limit only turns a hang into a failure.
pub(crate) async fn soon<T>(future: impl Future<Output = T>) -> T {
    timeout(Duration::from_secs(20), future).await.expect("it never happened")
}

/// What NewAPI saw of one request.
#[derive(Clone, Debug)]
pub(crate) struct Seen {
    pub(crate) path: String,
    pub(crate) headers: HeaderMap,
    pub(crate) body: String,
}

/// A NewAPI on loopback that streams two words.
#[derive(Clone)]
pub(crate) struct FakeNewApi {
    pub(crate) address: SocketAddr,
    seen: Arc<Mutex<Vec<Seen>>>,
}

impl FakeNewApi {
    pub(crate) async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let fake = Self { address: listener.local_addr().unwrap(), seen: Arc::default() };
        let router = Router::new()
            .route("/v1/chat/completions", post(stream))
            .fallback(record)
            .with_state(fake.clone());
        tokio::spawn(async move { axum::serve(listener, router).await });
        fake
    }

    pub(crate) fn last(&self) -> Seen {
        self.seen.lock().unwrap().last().expect("NewAPI saw nothing").clone()
    }

    async fn keep(&self, request: Request<Body>) {
        let (head, body) = request.into_parts();
        let body = body.collect().await.unwrap().to_bytes();
        let seen = Seen {
            path: head.uri.to_string(),
            headers: head.headers,
            body: String::from_utf8(body.to_vec()).unwrap(),
        };
        self.seen.lock().unwrap().push(seen);
    }
}

async fn record(State(newapi): State<FakeNewApi>, request: Request<Body>) -> &'static str {
    newapi.keep(request).await;
    "{}"
}

async fn stream(State(newapi): State<FakeNewApi>, request: Request<Body>) -> Response {
    newapi.keep(request).await;
    let words = "data: {\"word\":1}\n\ndata: {\"word\":2}\n\ndata: [DONE]\n\n";
    Response::builder().header("content-type", "text/event-stream").body(words.into()).unwrap()
}

/// A running runtime.
pub(crate) struct Runtime {
    pub(crate) address: SocketAddr,
    trigger: Trigger,
    ended: JoinHandle<()>,
}

impl Runtime {
    pub(crate) async fn using(newapi: SocketAddr) -> Self {
        let variable = move |name: &str| match name {
            "NEWAPI_BASE_URL" => Some(format!("http://{newapi}/v1/")),
            "NEWAPI_KEY" => Some("sk-alice\n".to_owned()),
            _ => None,
        };
        let app = app(newapi_from(variable, None).unwrap());
        let listener = Listener::bind("127.0.0.1:0".parse().unwrap(), "runtime").await.unwrap();
        let address = listener.local_addr();
        let (trigger, shutdown) = Shutdown::manual();
        let mut limits = Limits::default();
        limits.drain.drain_delay = Duration::ZERO;
        limits.drain.drain_deadline = Duration::ZERO;
        let ended = tokio::spawn(edge::serve::serve(listener, None, app, limits, shutdown));
        Self { address, trigger, ended }
    }

    pub(crate) fn drain(&self) {
        self.trigger.drain();
    }

    pub(crate) async fn ended(self) {
        soon(self.ended).await.unwrap();
    }
}

/// A port of this host where nobody listens.
pub(crate) fn nobody() -> SocketAddr {
    std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap()
}
