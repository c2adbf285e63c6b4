//! A runtime that tells what it saw.

use std::{
    net::SocketAddr,
    sync::{Arc, Mutex},
};

use axum::{
    Router,
    body::{Body, Bytes},
    extract::{Request, State},
    response::Response,
};
use futures::{SinkExt, StreamExt, channel::mpsc, stream};
use http::{HeaderMap, header};
use tokio::net::TcpListener;
use tokio_tungstenite::{accept_hdr_async, tungstenite::handshake::server};

/// An HTTP runtime: answers with its own name, echoes what is posted to `/echo`, and streams from
/// `/events` what the test sends.
#[derive(Clone)]
pub(crate) struct Runtime {
    pub(crate) address: SocketAddr,
    seen: Arc<Mutex<Vec<HeaderMap>>>,
    events: mpsc::UnboundedSender<&'static str>,
}

type Events = Arc<Mutex<Option<mpsc::UnboundedReceiver<&'static str>>>>;

impl Runtime {
    pub(crate) async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (events, receiver) = mpsc::unbounded();
        let runtime = Self { address, seen: Arc::default(), events };
        let state = (Arc::clone(&runtime.seen), Arc::new(Mutex::new(Some(receiver))));
        let router = Router::new().fallback(answer).with_state(state);
        tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
        runtime
    }

    /// The headers of every request so far.
    pub(crate) fn seen(&self) -> Vec<HeaderMap> {
        self.seen.lock().unwrap().clone()
    }

    /// Lets `/events` say something.
    pub(crate) fn say(&self, event: &'static str) {
        self.events.unbounded_send(event).unwrap();
    }
}

async fn answer(
    State((seen, events)): State<(Arc<Mutex<Vec<HeaderMap>>>, Events)>,
    request: Request,
) -> Response {
    seen.lock().unwrap().push(request.headers().clone());
    match request.uri().path() {
        "/echo" => Response::new(Body::from_stream(request.into_body().into_data_stream())),
        "/events" => {
            let events = events.lock().unwrap().take().expect("one reader of events");
            let events = events
                .map(|event| Ok::<_, std::io::Error>(Bytes::from(format!("data: {event}\n\n"))));
            let mut response = Response::new(Body::from_stream(events));
            response
                .headers_mut()
                .insert(header::CONTENT_TYPE, "text/event-stream".parse().unwrap());
            response
        }
        _ => {
            Response::new(Body::from_stream(stream::iter([Ok::<_, std::io::Error>("the runtime")])))
        }
    }
}

/// A WebSocket runtime: answers one connection, echoing every message, until it is told to end.
pub(crate) struct WebSocketRuntime {
    pub(crate) address: SocketAddr,
    pub(crate) seen: Arc<Mutex<Option<HeaderMap>>>,
}

impl WebSocketRuntime {
    pub(crate) async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let seen = Arc::new(Mutex::new(None));
        #[expect(clippy::result_large_err, reason = "the signature is tungstenite's")]
        tokio::spawn({
            let seen = Arc::clone(&seen);
            async move {
                let (stream, _) = listener.accept().await.unwrap();
                let look = |request: &server::Request, response: server::Response| {
                    *seen.lock().unwrap() = Some(request.headers().clone());
                    Ok(response)
                };
                let mut socket = accept_hdr_async(stream, look).await.unwrap();
                while let Some(Ok(message)) = socket.next().await {
                    if message.is_text() || message.is_binary() {
                        let _ = socket.send(message).await;
                    }
                }
            }
        });
        Self { address, seen }
    }
}
