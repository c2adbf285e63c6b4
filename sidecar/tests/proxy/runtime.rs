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
use http::{HeaderMap, HeaderName, HeaderValue, header};
use tokio::net::{TcpListener, TcpStream};
use tokio_tungstenite::{accept_hdr_async, tungstenite::handshake::server};

/// An HTTP runtime: answers with its own name, echoes what is posted to `/echo`, and streams from
/// `/events` what the test says, to every reader. `/download` says the same and announces 1 GiB.
#[derive(Clone)]
pub(crate) struct Runtime {
    pub(crate) address: SocketAddr,
    seen: Arc<Mutex<Vec<HeaderMap>>>,
    readers: Readers,
}

type Readers = Arc<Mutex<Vec<mpsc::UnboundedSender<&'static str>>>>;

impl Runtime {
    pub(crate) async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let runtime = Self { address, seen: Arc::default(), readers: Arc::default() };
        let state = (Arc::clone(&runtime.seen), Arc::clone(&runtime.readers));
        let router = Router::new().fallback(answer).with_state(state);
        tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
        runtime
    }

    /// The headers of every request so far.
    pub(crate) fn seen(&self) -> Vec<HeaderMap> {
        self.seen.lock().unwrap().clone()
    }

    /// Says something to every reader.
    pub(crate) fn say(&self, event: &'static str) {
        // One that has gone hears nothing.
        self.readers.lock().unwrap().retain(|reader| reader.unbounded_send(event).is_ok());
    }
}

async fn answer(
    State((seen, readers)): State<(Arc<Mutex<Vec<HeaderMap>>>, Readers)>,
    request: Request,
) -> Response {
    seen.lock().unwrap().push(request.headers().clone());
    match request.uri().path() {
        "/echo" => Response::new(Body::from_stream(request.into_body().into_data_stream())),
        "/events" => said(&readers, header::CONTENT_TYPE, "text/event-stream"),
        "/download" => said(&readers, header::CONTENT_LENGTH, "1073741824"),
        "/refused" => {
            let mut response = Response::new(Body::empty());
            let forged = HeaderValue::from_static(contract::header::REFUSED_OTHER_USER);
            response.headers_mut().insert(contract::header::REFUSED, forged);
            response
        }
        _ => {
            Response::new(Body::from_stream(stream::iter([Ok::<_, std::io::Error>("the runtime")])))
        }
    }
}

fn said(readers: &Readers, name: HeaderName, value: &'static str) -> Response {
    let (reader, events) = mpsc::unbounded();
    readers.lock().unwrap().push(reader);
    let events =
        events.map(|event| Ok::<_, std::io::Error>(Bytes::from(format!("data: {event}\n\n"))));
    let mut response = Response::new(Body::from_stream(events));
    response.headers_mut().insert(name, HeaderValue::from_static(value));
    response
}

/// A WebSocket runtime: says "welcome" when asked for `/greeting`, and then echoes every message.
pub(crate) struct WebSocketRuntime {
    pub(crate) address: SocketAddr,
    /// The headers of the last handshake.
    pub(crate) seen: Arc<Mutex<Option<HeaderMap>>>,
}

impl WebSocketRuntime {
    pub(crate) async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let seen = Arc::new(Mutex::new(None));
        tokio::spawn({
            let seen = Arc::clone(&seen);
            async move {
                while let Ok((stream, _)) = listener.accept().await {
                    tokio::spawn(talk(stream, Arc::clone(&seen)));
                }
            }
        });
        Self { address, seen }
    }
}

#[expect(clippy::result_large_err, reason = "the signature is tungstenite's")]
async fn talk(stream: TcpStream, seen: Arc<Mutex<Option<HeaderMap>>>) {
    let mut greets = false;
    let look = |request: &server::Request, response: server::Response| {
        *seen.lock().unwrap() = Some(request.headers().clone());
        greets = request.uri().path() == "/greeting";
        Ok(response)
    };
    let mut socket = accept_hdr_async(stream, look).await.unwrap();
    if greets {
        let _ = socket.send("welcome".into()).await;
    }
    while let Some(Ok(message)) = socket.next().await {
        if message.is_text() || message.is_binary() {
            let _ = socket.send(message).await;
        }
    }
}
