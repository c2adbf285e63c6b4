//! One call of OpenClaw's gateway, over a WebSocket of its own on loopback, as OpenClaw's own programs
//! make it: a local client that shows the gateway token needs no device.

use std::{fmt, time::Duration};

use edge::proxy::{Upstream, WebSocket, WebSocketError};
use serde::Deserialize;
use serde_json::{Value, json};
use tokio::time::timeout;

/// For connection, handshake and answer together.
const PATIENCE: Duration = Duration::from_secs(5);
/// The longest message: the greeting has 16 KB, and grows with what is installed.
const MAX_MESSAGE: usize = 1024 * 1024;

/// The gateway of the pod's OpenClaw. The token does not print.
pub(super) struct Gateway {
    pub(super) runtime: Upstream,
    pub(super) token: String,
}

/// Why a call has no result.
#[derive(Debug, thiserror::Error)]
pub(super) enum CallError {
    #[error("no conversation with the runtime")]
    WebSocket(#[from] WebSocketError),
    #[error("the runtime does not answer within {PATIENCE:?}")]
    Timeout,
    #[error("OpenClaw refuses: {0}")]
    Refused(String),
}

/// An answer, or an event that is none.
#[derive(Deserialize)]
struct Heard {
    id: Option<String>,
    ok: Option<bool>,
    #[serde(default)]
    payload: Value,
    error: Option<Refusal>,
}

#[derive(Deserialize)]
struct Refusal {
    code: String,
}

impl Gateway {
    /// The result of `method`.
    pub(super) async fn call(&self, method: &str, params: Value) -> Result<Value, CallError> {
        let call = async {
            let mut socket = self.connect().await?;
            let result = ask(&mut socket, "call", method, params).await?;
            // It is said already whatever becomes of the connection.
            let _ = socket.close().await;
            Ok(result)
        };
        timeout(PATIENCE, call).await.unwrap_or(Err(CallError::Timeout))
    }

    async fn connect(&self) -> Result<WebSocket, CallError> {
        let mut socket = WebSocket::open(&self.runtime, MAX_MESSAGE).await?;
        let client = json!({
            "id": "gateway-client", "mode": "backend", "platform": "linux",
            "version": env!("CARGO_PKG_VERSION"),
        });
        let params = json!({
            "minProtocol": 4, "maxProtocol": 4, "client": client, "role": "operator",
            "scopes": ["operator.admin", "operator.read"], "auth": {"token": self.token},
        });
        ask(&mut socket, "connect", "connect", params).await?;
        Ok(socket)
    }
}

async fn ask(
    socket: &mut WebSocket,
    id: &str,
    method: &str,
    params: Value,
) -> Result<Value, CallError> {
    let request = json!({"type": "req", "id": id, "method": method, "params": params});
    socket.say(&request.to_string()).await?;
    loop {
        let message = socket.hear().await?;
        // Events are said in between, among them what a newer OpenClaw says otherwise.
        let Ok(heard) = serde_json::from_slice::<Heard>(&message) else { continue };
        if heard.id.as_deref() != Some(id) {
            continue;
        }
        return match (heard.ok, heard.error) {
            (Some(true), _) => Ok(heard.payload),
            (_, Some(refusal)) => Err(CallError::Refused(word(&refusal.code))),
            (_, None) => Err(CallError::Refused("without a reason".to_owned())),
        };
    }
}

/// A foreign word that may stand in a log: short, and of no other characters than words have.
pub(super) fn word(text: &str) -> String {
    text.chars().filter(|c| c.is_ascii_alphanumeric() || "-_.".contains(*c)).take(40).collect()
}

impl fmt::Debug for Gateway {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Gateway").field("runtime", &self.runtime).finish_non_exhaustive()
    }
}
