//! The sidecar's own program on this host, between a runtime of the test's and a real Keycloak.

use std::{net::SocketAddr, process::Stdio};

use anyhow::{Context as _, Result, bail, ensure};
use axum::{
    Router,
    body::{Body, Bytes},
    response::{IntoResponse, Response},
    routing::get,
};
use futures::{SinkExt as _, StreamExt as _, stream};
use http::{StatusCode, header};
use serde_json::Value;
use tests::{
    door::Door,
    keycloak::{Realm, Token},
    people::Person,
    process,
};
use tokio::{
    io::{AsyncBufReadExt as _, BufReader, Lines},
    net::TcpListener,
    process::{Child, ChildStderr, Command},
};

/// A running sidecar; it ends with the test.
pub(crate) struct Sidecar {
    pub(crate) data: Door,
    pub(crate) admin: Door,
    _running: Child,
}

impl Sidecar {
    /// The sidecar of `person`, for tokens of `realm`, with more flags.
    pub(crate) async fn start(realm: &Realm, person: &Person, more: &[&str]) -> Result<Self> {
        let upstream = format!("http://{}", runtime().await?);
        let mut command = Command::new(process::built("sidecar")?);
        command.args(["proxy", "--listen=127.0.0.1:0", "--admin-listen=127.0.0.1:0"]);
        command.args(["--audience=openclaw", "--gateway-auth=none", "--upstream", &upstream]);
        command.args(["--user", person.id.as_str(), "--issuer", &realm.issuer()]).args(more);
        command.env_clear().stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped());
        let mut running = command.kill_on_drop(true).spawn()?;
        let log = running.stderr.take().context("the sidecar has no log")?;
        let mut log = BufReader::new(log).lines();
        let data = address_of("data", &mut log).await?;
        let admin = address_of("admin", &mut log).await?;
        // A full pipe would stop it.
        tokio::spawn(async move { while let Ok(Some(_)) = log.next_line().await {} });
        Ok(Self {
            data: Door::at("the sidecar", &data),
            admin: Door::at("the sidecar's admin port", &admin),
            _running: running,
        })
    }

    /// How a request with this token is answered.
    pub(crate) async fn status(&self, token: &Token) -> Result<StatusCode> {
        Ok(self.data.get("/").bearer(token).send().await?.status)
    }

    /// Refused with 401, whatever the reason: a client must not learn more.
    pub(crate) async fn refuses(&self, token: &Token) -> Result<()> {
        let answer = self.data.get("/").bearer(token).send().await?;
        let problem: Value = answer.expect(StatusCode::UNAUTHORIZED).await?.json().await?;
        let code = problem.get("code").and_then(Value::as_str);
        ensure!(code == Some("invalid_token"), "{problem}");
        Ok(())
    }

    /// The value of a metric, by the beginning of its line; 0 when it is not there yet.
    pub(crate) async fn metric(&self, line: &str) -> Result<u64> {
        let metrics = self.admin.get("/metrics").send().await?.text().await?;
        let value = metrics.lines().find_map(|found| found.strip_prefix(line));
        value.map_or(Ok(0), |value| Ok(value.trim().parse()?))
    }
}

/// Where the log says that `listener` is bound.
async fn address_of(listener: &str, log: &mut Lines<BufReader<ChildStderr>>) -> Result<String> {
    let mut said = String::new();
    while let Some(line) = log.next_line().await? {
        let entry: Value = serde_json::from_str(&line).unwrap_or_default();
        let text = |name| entry.get(name).and_then(Value::as_str);
        if text("listener") == Some(listener) {
            return text("address").map(str::to_owned).context("no address");
        }
        said.push_str(&line);
    }
    bail!("the sidecar has ended: {said}")
}

/// A runtime that answers everything, streams events without end at `/events`, and echoes at `/ws`.
async fn runtime() -> Result<SocketAddr> {
    let http = TcpListener::bind("127.0.0.1:0").await?;
    let address = http.local_addr()?;
    let router = Router::new()
        .route("/events", get(events))
        .route("/ws", get(websocket))
        .fallback(async || "the runtime");
    tokio::spawn(async move { axum::serve(http, router).await });
    Ok(address)
}

/// One event, and then silence.
async fn events() -> Response {
    let first = stream::once(async { Ok::<_, std::io::Error>(Bytes::from("data: hello\n\n")) });
    let body = Body::from_stream(first.chain(stream::pending()));
    ([(header::CONTENT_TYPE, "text/event-stream")], body).into_response()
}

async fn websocket(mut request: axum::extract::Request) -> Response {
    use tokio_tungstenite::{
        WebSocketStream,
        tungstenite::{handshake::derive_accept_key, protocol::Role},
    };
    let key = request.headers().get(header::SEC_WEBSOCKET_KEY);
    let accept = derive_accept_key(key.map_or(&[][..], |key| key.as_bytes()));
    let upgrade = hyper::upgrade::on(&mut request);
    tokio::spawn(async move {
        let io = hyper_util::rt::TokioIo::new(upgrade.await?);
        let mut socket = WebSocketStream::from_raw_socket(io, Role::Server, None).await;
        while let Some(Ok(message)) = socket.next().await {
            if message.is_text() {
                socket.send(message).await?;
            }
        }
        anyhow::Ok(())
    });
    let headers = [
        (header::CONNECTION, "upgrade".to_owned()),
        (header::UPGRADE, "websocket".to_owned()),
        (header::SEC_WEBSOCKET_ACCEPT, accept),
    ];
    (StatusCode::SWITCHING_PROTOCOLS, headers).into_response()
}
