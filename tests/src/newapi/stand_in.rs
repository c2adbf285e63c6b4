//! An honest stand-in for NewAPI: its paths, its errors, its streams, and one fault of it that bites
//! (a base URL without `/v1` is answered with 200 and a page).

use std::{
    collections::{BTreeMap, HashMap},
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use axum::{
    Json, Router,
    body::{Body, Bytes},
    extract::{Path, State},
    response::{Html, IntoResponse, Response},
    routing::{get, post},
};
use futures::{StreamExt as _, stream};
use http::{HeaderMap, StatusCode, Uri, header};
use serde::Deserialize;
use serde_json::{Value, json};
use tokio::{
    sync::Notify,
    time::{sleep, timeout},
};

use super::recorder::{bearer, recording};

/// The one model on offer.
const MODEL: &str = "stand-in-1";

/// How long a held answer waits to be told to go on, at most.
const LONGEST_HOLD: Duration = Duration::from_secs(180);

/// Whose key is whose: name by key.
pub type Keys = BTreeMap<String, String>;

/// The stand-in.
#[derive(Clone, Debug)]
pub struct StandIn(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    keys: Keys,
    /// Time between two words of a stream.
    pace: Duration,
    holds: Mutex<HashMap<String, Arc<Notify>>>,
}

impl StandIn {
    /// One that knows these keys and takes `pace` between two words.
    #[must_use]
    pub fn new(keys: Keys, pace: Duration) -> Self {
        Self(Arc::new(Inner { keys, pace, holds: Mutex::default() }))
    }

    /// All its paths.
    pub fn router(self) -> Router {
        let api = Router::new()
            .route("/v1/models", get(models))
            .route("/v1/chat/completions", post(chat))
            .fallback(unknown)
            .with_state(self.clone());
        Router::new()
            .route("/api/status", get(status))
            .route("/go-on/{hold}", post(go_on))
            .with_state(self)
            .fallback_service(recording(api))
    }

    /// Whose key the request brings; NewAPI's own refusal without a known one.
    #[expect(clippy::result_large_err, reason = "the refusal is the answer")]
    fn key_owner(&self, headers: &HeaderMap) -> Result<&str, Response> {
        let owner = bearer(headers).and_then(|key| self.0.keys.get(key));
        owner.map(String::as_str).ok_or_else(|| {
            refusal(StatusCode::UNAUTHORIZED, "Invalid token (request id: stand-in)")
        })
    }

    fn hold(&self, name: &str) -> Arc<Notify> {
        let mut holds = self.0.holds.lock().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(holds.entry(name.to_owned()).or_default())
    }
}

async fn status() -> Json<Value> {
    let data = json!({"system_name": "NewAPI stand-in", "version": "stand-in"});
    Json(json!({"success": true, "message": "", "data": data}))
}

async fn go_on(State(it): State<StandIn>, Path(hold): Path<String>) -> StatusCode {
    // Remembered until somebody waits, so that it may come first.
    it.hold(&hold).notify_one();
    StatusCode::NO_CONTENT
}

async fn models(State(it): State<StandIn>, headers: HeaderMap) -> Response {
    if let Err(refused) = it.key_owner(&headers) {
        return refused;
    }
    let model = json!({"id": MODEL, "object": "model", "created": 0, "owned_by": "stand-in"});
    Json(json!({"object": "list", "success": true, "data": [model]})).into_response()
}

/// What is read of a chat.
#[derive(Deserialize)]
struct Question {
    model: String,
    #[serde(default)]
    stream: bool,
    messages: Vec<Value>,
    #[serde(default)]
    metadata: Metadata,
}

impl Question {
    /// The last message that somebody said. OpenClaw adds one of its own after it, and takes what quotes
    /// that out of an answer.
    fn asked(&self) -> String {
        let mut said = self.messages.iter().rev().map(text);
        let said = said.find(|text| !text.starts_with(OPENCLAWS_OWN)).unwrap_or_default();
        as_said(&said).to_owned()
    }

    /// What the answer waits for after its first word. A program in between may not pass metadata on,
    /// so `hold=NAME` as a word of the message says the same.
    fn hold(&self) -> Option<String> {
        let asked = self.asked();
        let said = asked.split_whitespace().find_map(|word| word.strip_prefix("hold="));
        self.metadata.hold.clone().or_else(|| said.map(str::to_owned))
    }
}

/// What a message says: a text, or the texts of its parts.
fn text(message: &Value) -> String {
    match message.get("content") {
        Some(Value::String(text)) => text.clone(),
        Some(Value::Array(parts)) => {
            parts.iter().filter_map(|part| part.get("text")?.as_str()).collect()
        }
        _ => String::new(),
    }
}

/// Without what OpenClaw writes before a message (the time in brackets, and what it knows of a browser's
/// user) and after it: of an answer that quotes those, the Control UI shows a part alone.
fn as_said(text: &str) -> &str {
    let said = text.split_once(" UTC] ").map_or(text, |(_, said)| said);
    let said = said.split_once(OPENCLAWS_NOTE).map_or(said, |(said, _)| said);
    let known = said.starts_with(OPENCLAW_KNOWS).then(|| said.split_once("\n```\n\n"));
    known.flatten().map_or(said, |(_, said)| said)
}

/// How begins what OpenClaw knows of whoever sent a message, as JSON between fences.
const OPENCLAW_KNOWS: &str = "Conversation info: ";

/// How begins what OpenClaw adds to a message.
const OPENCLAWS_NOTE: &str = "\n\nRuntime: agent=";

/// How OpenClaw's own messages begin, which tell the model what else goes on.
const OPENCLAWS_OWN: &str = "<<<BEGIN_OPENCLAW_INTERNAL_CONTEXT>>>";

#[derive(Default, Deserialize)]
struct Metadata {
    hold: Option<String>,
}

async fn chat(State(it): State<StandIn>, headers: HeaderMap, body: Bytes) -> Response {
    let owner = match it.key_owner(&headers) {
        Ok(owner) => owner.to_owned(),
        Err(refused) => return refused,
    };
    let question: Question = match serde_json::from_slice(&body) {
        Ok(question) => question,
        Err(error) => return refusal(StatusCode::BAD_REQUEST, &error.to_string()),
    };
    let reply = format!("Hello {owner}, {} here. You said: {}", question.model, question.asked());
    if question.stream { streamed(it, &question, &reply) } else { whole(&question.model, &reply) }
}

fn whole(model: &str, reply: &str) -> Response {
    let message = json!({"role": "assistant", "content": reply});
    let choice = json!({"index": 0, "message": message, "finish_reason": "stop"});
    let usage = json!({"prompt_tokens": 1, "completion_tokens": 1, "total_tokens": 2});
    let answer = json!({"id": "chatcmpl-stand-in", "object": "chat.completion", "created": 0,
        "model": model, "choices": [choice], "usage": usage});
    Json(answer).into_response()
}

/// Word by word; after the first one it waits to be told to go on, if the question says so.
fn streamed(it: StandIn, question: &Question, reply: &str) -> Response {
    let chunk = |delta: Value, finish: Value| {
        let choice = json!({"index": 0, "delta": delta, "finish_reason": finish});
        let chunk = json!({"id": "chatcmpl-stand-in", "object": "chat.completion.chunk",
            "created": 0, "model": question.model, "choices": [choice]});
        format!("data: {chunk}\n\n")
    };
    let words = reply.split_inclusive(' ');
    let mut events: Vec<_> =
        words.map(|word| chunk(json!({"content": word}), Value::Null)).collect();
    events.push(chunk(json!({}), json!("stop")));
    events.push("data: [DONE]\n\n".to_owned());
    let hold = question.hold();
    let paced = stream::iter(events.into_iter().enumerate()).then(move |(at, event)| {
        let (it, hold) = (it.clone(), hold.clone().filter(|_| at == 1));
        async move {
            if let Some(hold) = hold {
                // At the limit it goes on as well: an abandoned test must not hold a connection.
                drop(timeout(LONGEST_HOLD, it.hold(&hold).notified()).await);
            }
            sleep(it.0.pace).await;
            Ok::<_, std::convert::Infallible>(event)
        }
    });
    let headers =
        [(header::CONTENT_TYPE, "text/event-stream"), (header::CACHE_CONTROL, "no-cache")];
    (headers, [("x-accel-buffering", "no")], Body::from_stream(paced)).into_response()
}

/// Under `/v1` an error; elsewhere NewAPI's own page, with 200.
async fn unknown(uri: Uri) -> Response {
    if is_api(&uri) {
        let message = format!("Invalid URL ({})", uri.path());
        return refusal(StatusCode::NOT_FOUND, &message);
    }
    Html("<!doctype html><title>New API</title>").into_response()
}

fn is_api(uri: &Uri) -> bool {
    uri.path() == "/v1" || uri.path().starts_with("/v1/")
}

fn refusal(status: StatusCode, message: &str) -> Response {
    let error = json!({"code": "", "message": message, "type": "new_api_error"});
    (status, Json(json!({"error": error}))).into_response()
}

#[cfg(test)]
mod tests {
    use tokio::net::TcpListener;

    use super::{super::Recorded, *};
    use crate::{
        chat,
        door::Door,
        keycloak::Token,
        people::{Person, person},
    };

    async fn stand_in() -> (Door, Person, Token) {
        let alice = person("alice").unwrap();
        let keys = [(alice.newapi_key(), "alice".to_owned())].into();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let door = Door::at("stand-in", &listener.local_addr().unwrap().to_string());
        let router = StandIn::new(keys, Duration::ZERO).router();
        tokio::spawn(axum::serve(listener, router).into_future());
        let key = Token::new(alice.newapi_key());
        (door, alice, key)
    }

    #[tokio::test]
    async fn a_chat_is_streamed_word_by_word_and_held_on_request() {
        let (door, _, key) = stand_in().await;
        let model = chat::first_model(&door, &key).await.unwrap();
        for (question, said, pieces) in [
            (chat::held_question(&model, "good morning", "h1"), "good morning", 7),
            (chat::question(&model, "good hold=h1 morning"), "good hold=h1 morning", 8),
        ] {
            let mut words = chat::ask(&door, &key, &question).await.unwrap();
            assert_eq!(words.next().await.unwrap().as_deref(), Some("Hello "));
            door.post("/go-on/h1").send().await.unwrap();
            let rest = words.rest().await.unwrap();
            assert_eq!(rest, (format!("alice, stand-in-1 here. You said: {said}"), pieces));
        }
    }

    #[tokio::test]
    async fn a_chat_in_one_piece_is_openai_shaped() {
        let (door, _, key) = stand_in().await;
        let question = json!({"model": "m", "messages": [{"role": "user", "content": "hi"}]});
        let answer =
            door.post(chat::COMPLETIONS).bearer(&key).json(&question).send().await.unwrap();
        let answer: Value = answer.json().await.unwrap();
        assert_eq!(answer["choices"][0]["message"]["content"], "Hello alice, m here. You said: hi");
        let parts = json!([{"type": "text", "text": "h"}, {"type": "text", "text": "i"}]);
        let question = json!({"model": "m", "messages": [{"role": "user", "content": parts}]});
        let answer =
            door.post(chat::COMPLETIONS).bearer(&key).json(&question).send().await.unwrap();
        let answer: Value = answer.json().await.unwrap();
        assert_eq!(answer["choices"][0]["message"]["content"], "Hello alice, m here. You said: hi");
    }

    #[test]
    fn what_openclaw_writes_around_a_message_is_not_repeated() {
        let note = "\n\nRuntime: agent=main | model=newapi/stand-in-1";
        let timed = format!("[Tue 2026-12-01 03:25 UTC] hold=h good morning{note}");
        let sent = "[Tue 2026-12-01 03:25 UTC] Conversation info: \u{27e6}openclaw:ctx\u{27e7}\n\
            ```json\n{\"sender\":{}}\n```\n\nhold=h good morning";
        for (text, said) in [
            (timed.as_str(), "hold=h good morning"),
            (sent, "hold=h good morning"),
            ("[1] is a list\n\nRuntime: 3 s", "[1] is a list\n\nRuntime: 3 s"),
            ("", ""),
        ] {
            assert_eq!(as_said(text), said);
        }
    }

    #[tokio::test]
    async fn it_refuses_as_newapi_does() {
        let (door, _, key) = stand_in().await;
        let stranger = Token::new("sk-nobody".to_owned());
        for (path, token, status) in [
            ("/v1/models", &stranger, StatusCode::UNAUTHORIZED),
            ("/v1/chat/completion", &key, StatusCode::NOT_FOUND),
        ] {
            let answer = door.get(path).bearer(token).send().await.unwrap();
            assert_eq!(answer.status, status, "{path}");
            let body: Value = answer.json().await.unwrap();
            assert_eq!(body["error"]["type"], "new_api_error", "{path}");
        }
        let page = door.post("/chat/completions").bearer(&key).send().await.unwrap();
        assert_eq!(page.status, StatusCode::OK);
        assert!(page.text().await.unwrap().starts_with("<!doctype html>"));
    }

    #[tokio::test]
    async fn it_records_key_path_and_headers() {
        let (door, alice, key) = stand_in().await;
        let call = door.get("/v1/models?page=2").bearer(&key);
        call.header(header::FROM, "someone").send().await.unwrap();
        let seen: Vec<Recorded> = door.get("/recorded").send().await.unwrap().json().await.unwrap();
        assert_eq!(seen.len(), 1);
        assert_eq!((seen[0].method.as_str(), seen[0].path.as_str()), ("GET", "/v1/models?page=2"));
        assert_eq!(seen[0].key, Some(alice.newapi_key()));
        assert_eq!(seen[0].headers.get("from").map(String::as_str), Some("someone"));
        assert!(!seen[0].headers.contains_key("authorization"));
    }
}
