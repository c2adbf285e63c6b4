//! Chat over a WebSocket at `/ws`: each text message is the JSON of a chat request, and it is
//! answered by the streamed chunks, a text message each, and then `[DONE]`.

use axum::{
    body::{Body, BodyDataStream},
    extract::State,
    response::{IntoResponse, Response},
};
use edge::{
    problem::problem,
    proxy::request::{Kind, check},
    tunnels::Tunnels,
};
use futures::{SinkExt, StreamExt};
use http::{Request, StatusCode, header};
use hyper::upgrade::{OnUpgrade, Upgraded};
use hyper_util::rt::TokioIo;
use serde_json::{Map, Value};
use tokio_tungstenite::{
    WebSocketStream,
    tungstenite::{
        self, Message,
        handshake::server::create_response_with_body,
        protocol::{CloseFrame, Role, WebSocketConfig, frame::coding::CloseCode},
    },
};

use crate::{newapi::NewApi, sse::Events};

/// Ends every answer, whole or not: the client's turn.
const DONE: &str = "[DONE]";
/// Longest message of a client, in bytes: a long conversation with a picture.
const LONGEST_REQUEST: usize = 8 * 1024 * 1024;
/// Longest answer that is no stream, in bytes: an error, or a model without streaming.
const LONGEST_ANSWER: usize = 1024 * 1024;

type Socket = WebSocketStream<TokioIo<Upgraded>>;

/// Answers the handshake. The conversation goes on beside the connection.
pub(crate) async fn chat(State(newapi): State<NewApi>, mut request: Request<Body>) -> Response {
    match check(&request) {
        Ok(Kind::WebSocket) => {}
        Ok(Kind::Plain) => return no_handshake("open it as a WebSocket"),
        Err(refusal) => return refusal.into_response(),
    }
    let client = hyper::upgrade::on(&mut request);
    let tunnels = request.extensions().get::<Tunnels>().cloned();
    let tunnels = tunnels.unwrap_or_else(Tunnels::untracked);
    match create_response_with_body(&request.map(drop), Body::empty) {
        Ok(switching) => {
            tunnels.spawn(serve(client, newapi, tunnels.clone()));
            switching
        }
        Err(error) => no_handshake(&error.to_string()),
    }
}

fn no_handshake(detail: &str) -> Response {
    let mut response =
        problem(StatusCode::UPGRADE_REQUIRED, "websocket_required", "A WebSocket path", detail);
    let upgrade = header::HeaderValue::from_static("websocket");
    response.headers_mut().insert(header::UPGRADE, upgrade);
    response
}

async fn serve(client: OnUpgrade, newapi: NewApi, tunnels: Tunnels) {
    let Ok(client) = client.await else { return };
    let config = WebSocketConfig::default()
        .read_buffer_size(8 * 1024)
        .max_message_size(Some(LONGEST_REQUEST))
        .max_frame_size(Some(LONGEST_REQUEST));
    let mut socket =
        WebSocketStream::from_raw_socket(TokioIo::new(client), Role::Server, Some(config)).await;
    let ended = tokio::select! {
        ended = converse(&mut socket, &newapi) => ended,
        () = tunnels.ending() => say_goodbye(&mut socket).await,
    };
    if let Err(error) = ended {
        tracing::debug!(%error, "chat ended");
    }
}

async fn converse(socket: &mut Socket, newapi: &NewApi) -> Result<(), tungstenite::Error> {
    while let Some(message) = socket.next().await {
        // Pings are answered, and a Close is confirmed, while reading on.
        if let Message::Text(text) = message? {
            match chat_request(&text) {
                Ok(request) => answer(socket, newapi.forward(request).await).await?,
                Err(error) => socket.send(failure(&error.to_string())).await?,
            }
            socket.send(Message::text(DONE)).await?;
        }
    }
    Ok(())
}

async fn say_goodbye(socket: &mut Socket) -> Result<(), tungstenite::Error> {
    let reason = CloseFrame { code: CloseCode::Away, reason: "runtime is going away".into() };
    socket.close(Some(reason)).await?;
    while socket.next().await.transpose()?.is_some() {}
    Ok(())
}

/// The request that a message stands for, always asking for a stream.
fn chat_request(text: &str) -> serde_json::Result<Request<Body>> {
    let mut chat: Map<String, Value> = serde_json::from_str(text)?;
    chat.insert("stream".to_owned(), Value::Bool(true));
    let mut request = Request::new(Body::from(serde_json::to_vec(&chat)?));
    *request.method_mut() = http::Method::POST;
    *request.uri_mut() = http::Uri::from_static("/v1/chat/completions");
    let headers = request.headers_mut();
    headers.insert(header::HOST, header::HeaderValue::from_static("localhost"));
    headers.insert(header::CONTENT_TYPE, header::HeaderValue::from_static("application/json"));
    Ok(request)
}

async fn answer(socket: &mut Socket, response: Response) -> Result<(), tungstenite::Error> {
    if response.status() == StatusCode::OK && is_stream(&response) {
        return relay(socket, response.into_body().into_data_stream()).await;
    }
    // NewAPI's errors and our own are JSON objects already.
    let message = match axum::body::to_bytes(response.into_body(), LONGEST_ANSWER).await {
        Ok(body) => Message::text(&*String::from_utf8_lossy(&body)),
        Err(_) => failure("the answer is too long or ended early"),
    };
    socket.send(message).await
}

fn is_stream(response: &Response) -> bool {
    let kind = response.headers().get(header::CONTENT_TYPE);
    kind.is_some_and(|kind| kind.as_bytes().starts_with(b"text/event-stream"))
}

/// Sends each event as it comes. The upstream's own end mark is left out: ours follows in any case.
async fn relay(socket: &mut Socket, mut body: BodyDataStream) -> Result<(), tungstenite::Error> {
    let mut events = Events::default();
    while let Some(bytes) = body.next().await {
        let Ok(bytes) = bytes else {
            return socket.send(failure("the answer ended early")).await;
        };
        let data = match events.push(&bytes) {
            Ok(data) => data,
            Err(error) => return socket.send(failure(&error.to_string())).await,
        };
        for data in data.into_iter().filter(|data| data != DONE) {
            socket.send(Message::text(data)).await?;
        }
    }
    Ok(())
}

/// An error in the form of NewAPI's own.
fn failure(message: &str) -> Message {
    let error = serde_json::json!({ "error": { "message": message, "type": "runtime_error" } });
    Message::text(error.to_string())
}
