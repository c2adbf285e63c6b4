//! The handshake before a sleep, with a runtime that speaks as OpenClaw does.

use std::sync::{Arc, Mutex};

use axum::{
    Router,
    body::Body,
    extract::State,
    response::{IntoResponse, Response},
};
use edge::{oidc::testing::Idp, sleep::Agreement};
use futures::{SinkExt, StreamExt};
use http::{Method, Request, StatusCode, header};
use hyper_util::rt::TokioIo;
use serde_json::{Value, json};
use tokio::{
    net::TcpListener,
    sync::{Semaphore, mpsc},
};
use tokio_tungstenite::{
    WebSocketStream,
    tungstenite::{handshake::derive_accept_key, protocol::Role},
};

use crate::{
    runtime::WebSocketRuntime,
    sidecar::{GATEWAY_TOKEN, Sidecar, soon},
};

/// An OpenClaw as far as the handshake goes.
#[derive(Clone)]
struct OpenClaw {
    /// What it answers to `prepare`.
    says: Arc<Mutex<Value>>,
    /// Answers to `prepare` that it may give.
    may_answer: Arc<Semaphore>,
    /// What it was told, method by method; `client` is a client's request.
    told: mpsc::UnboundedSender<String>,
}

fn ready() -> Value {
    json!({"status": "ready", "suspensionId": "s-1", "expiresAtMs": 1, "blockers": []})
}

fn busy() -> Value {
    let blockers = [json!({"kind": "cron-run", "count": 1, "message": "1 active cron run(s)"})];
    json!({"status": "busy", "reason": "active-work", "retryAfterMs": 20_000, "blockers": blockers})
}

impl OpenClaw {
    /// One that says this at once, behind alice's sidecar; and what it is told.
    async fn saying(says: Value) -> (Self, Sidecar, mpsc::UnboundedReceiver<String>) {
        let (told, heard) = mpsc::unbounded_channel();
        let may_answer = Arc::new(Semaphore::new(100));
        let openclaw = Self { says: Arc::new(Mutex::new(says)), may_answer, told };
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let sidecar = Sidecar::before(listener.local_addr().unwrap()).await;
        let router = Router::new().fallback(answer).with_state(openclaw.clone());
        tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
        (openclaw, sidecar, heard)
    }

    /// Answers a method, the connection's first of which is `connect`.
    async fn result(&self, method: &str, params: &Value) -> Result<Value, &'static str> {
        self.told.send(method.to_owned()).unwrap();
        match method {
            "connect" if params["auth"]["token"] == GATEWAY_TOKEN => {
                assert!(params.get("device").is_none());
                Ok(json!({"type": "hello-ok"}))
            }
            "gateway.suspend.prepare" => {
                self.may_answer.acquire().await.unwrap().forget();
                Ok(self.says.lock().unwrap().clone())
            }
            "gateway.suspend.resume" if params["suspensionId"] == "s-1" => Ok(json!({"ok": true})),
            _ => Err("INVALID_REQUEST"),
        }
    }
}

async fn answer(State(openclaw): State<OpenClaw>, mut request: Request<Body>) -> Response {
    let Some(key) = request.headers().get(header::SEC_WEBSOCKET_KEY) else {
        openclaw.told.send("client".to_owned()).unwrap();
        return "answered".into_response();
    };
    let accept = derive_accept_key(key.as_bytes());
    assert!(request.headers().get(header::ORIGIN).is_none(), "a local client has no origin");
    let upgraded = hyper::upgrade::on(&mut request);
    tokio::spawn(async move {
        let io = TokioIo::new(upgraded.await.unwrap());
        talk(openclaw, WebSocketStream::from_raw_socket(io, Role::Server, None).await).await;
    });
    let upgrade = [(header::UPGRADE, "websocket"), (header::CONNECTION, "upgrade")];
    let accept = [(header::SEC_WEBSOCKET_ACCEPT, accept)];
    (StatusCode::SWITCHING_PROTOCOLS, upgrade, accept).into_response()
}

async fn talk(openclaw: OpenClaw, mut socket: WebSocketStream<TokioIo<hyper::upgrade::Upgraded>>) {
    let challenge = json!({"type": "event", "event": "connect.challenge", "payload": {}});
    socket.send(challenge.to_string().into()).await.unwrap();
    while let Some(Ok(message)) = socket.next().await {
        let Ok(request) = serde_json::from_str::<Value>(message.to_text().unwrap()) else { break };
        let method = request["method"].as_str().unwrap();
        let answer = match openclaw.result(method, &request["params"]).await {
            Ok(payload) => json!({"type": "res", "ok": true, "payload": payload}),
            Err(code) => json!({"type": "res", "ok": false, "error": {"code": code}}),
        };
        let mut answer = answer;
        answer["id"] = request["id"].clone();
        let _ = socket.send(answer.to_string().into()).await;
    }
}

async fn ask(sidecar: &Sidecar) -> Agreement {
    let request = Request::post(format!("http://{}/sleep", sidecar.admin));
    let answer = soon(sidecar.send(request.body(Body::empty()).unwrap())).await;
    assert_eq!(answer.status, StatusCode::OK);
    serde_json::from_str(&answer.body).unwrap()
}

async fn told<const N: usize>(heard: &mut mpsc::UnboundedReceiver<String>, methods: [&str; N]) {
    for method in methods {
        assert_eq!(soon(heard.recv()).await.unwrap(), method);
    }
}

#[tokio::test]
async fn an_idle_openclaw_agrees_and_goes_on_when_told_to() {
    let (_openclaw, sidecar, mut heard) = OpenClaw::saying(ready()).await;
    assert_eq!(ask(&sidecar).await, Agreement::Ready);
    told(&mut heard, ["connect", "gateway.suspend.prepare"]).await;
    let wake = Request::builder().method(Method::DELETE);
    let wake = wake.uri(format!("http://{}/sleep", sidecar.admin)).body(Body::empty()).unwrap();
    assert_eq!(sidecar.send(wake).await.status, StatusCode::NO_CONTENT);
    told(&mut heard, ["connect", "gateway.suspend.resume"]).await;
    sidecar.get_as_alice("/").await;
    told(&mut heard, ["client"]).await;
}

#[tokio::test]
async fn a_busy_openclaw_names_its_work() {
    let (_openclaw, sidecar, mut heard) = OpenClaw::saying(busy()).await;
    let blockers = vec!["cron-run".to_owned()];
    assert_eq!(ask(&sidecar).await, Agreement::Busy { blockers });
    told(&mut heard, ["connect", "gateway.suspend.prepare"]).await;
    sidecar.get_as_alice("/").await;
    told(&mut heard, ["client"]).await;
}

#[tokio::test]
async fn a_client_after_the_agreement_is_served_by_a_runtime_that_goes_on() {
    let (_openclaw, sidecar, mut heard) = OpenClaw::saying(ready()).await;
    assert_eq!(ask(&sidecar).await, Agreement::Ready);
    assert_eq!(sidecar.get_as_alice("/").await.body, "answered");
    let order =
        ["connect", "gateway.suspend.prepare", "connect", "gateway.suspend.resume", "client"];
    told(&mut heard, order).await;
}

#[tokio::test]
async fn a_client_in_the_middle_of_the_handshake_wins() {
    let (openclaw, sidecar, mut heard) = OpenClaw::saying(ready()).await;
    let held_back = openclaw.may_answer.clone();
    let none = held_back.acquire_many(100).await.unwrap();
    let sidecar = Arc::new(sidecar);
    let asking = tokio::spawn({
        let sidecar = Arc::clone(&sidecar);
        async move { ask(&sidecar).await }
    });
    told(&mut heard, ["connect", "gateway.suspend.prepare"]).await;
    let client = tokio::spawn({
        let sidecar = Arc::clone(&sidecar);
        async move { sidecar.get_as_alice("/").await }
    });
    soon(async {
        while !sidecar.admin("/activity").await.body.contains(r#""inflight":1"#) {
            tokio::task::yield_now().await;
        }
    })
    .await;
    drop(none);
    let blockers = vec!["client".to_owned()];
    assert_eq!(soon(asking).await.unwrap(), Agreement::Busy { blockers });
    assert_eq!(soon(client).await.unwrap().body, "answered");
    told(&mut heard, ["connect", "gateway.suspend.resume", "client"]).await;
}

#[tokio::test]
async fn a_runtime_that_cannot_be_asked_is_silent() {
    let (openclaw, sidecar, _heard) = OpenClaw::saying(json!({"status": "thinking"})).await;
    assert_eq!(ask(&sidecar).await, Agreement::Silent, "in words of a later OpenClaw");
    *openclaw.says.lock().unwrap() = json!([]);
    assert_eq!(ask(&sidecar).await, Agreement::Silent);

    let gone = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    assert_eq!(ask(&Sidecar::before(gone).await).await, Agreement::Silent);
    // One that closes what it does not understand.
    let http = crate::runtime::Runtime::start().await;
    assert_eq!(ask(&Sidecar::before(http.address).await).await, Agreement::Silent);
    let socket = WebSocketRuntime::start().await;
    for mode in ["none", "trusted-proxy"] {
        let flags = ["--gateway-auth", mode];
        let sidecar = Sidecar::with(socket.address, &flags, Some(Idp::shared().jwks())).await;
        assert_eq!(ask(&sidecar).await, Agreement::Silent);
        assert!(socket.seen.lock().unwrap().is_none(), "nobody was asked");
    }
}
