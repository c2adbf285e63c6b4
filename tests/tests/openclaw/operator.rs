//! A program of the user's that speaks OpenClaw's own protocol through the spawner, without the gateway
//! token.

use anyhow::{Context as _, Result, ensure};
use futures::{SinkExt as _, StreamExt as _};
use serde_json::{Value, json};
use tests::{
    door::Stream,
    stage::{SignedIn, Stage},
};
use tokio_tungstenite::{WebSocketStream, tungstenite::Message};

/// A connection that OpenClaw has greeted.
pub(crate) struct Operator(WebSocketStream<Box<dyn Stream>>);

impl Operator {
    /// Connects as the user, who has no more than their own token.
    pub(crate) async fn connect(stage: &Stage, user: &SignedIn) -> Result<Self> {
        let call = stage.spawner.get("/").bearer(&user.tokens.access);
        let mut operator = Self(call.websocket().await?);
        let client = json!({
            "id": "gateway-client", "mode": "backend", "platform": "linux", "version": "1",
        });
        let params = json!({
            "minProtocol": 4, "maxProtocol": 4, "client": client, "role": "operator",
            "scopes": ["operator.admin", "operator.read", "operator.write"],
        });
        operator.call("connect", params).await?;
        Ok(operator)
    }

    /// Says something in the main session. The answer is OpenClaw's business from then on.
    pub(crate) async fn say(&mut self, text: &str) -> Result<()> {
        let params = json!({"sessionKey": "main", "message": text, "idempotencyKey": text});
        self.call("chat.send", params).await.map(drop)
    }

    /// Leaves.
    pub(crate) async fn leave(mut self) -> Result<()> {
        Ok(self.0.close(None).await?)
    }

    async fn call(&mut self, method: &str, params: Value) -> Result<Value> {
        let request = json!({"type": "req", "id": method, "method": method, "params": params});
        self.0.send(Message::text(request.to_string())).await?;
        loop {
            let message = self.0.next().await.context("OpenClaw has left")??;
            let Ok(answer) = serde_json::from_str::<Value>(message.to_text()?) else { continue };
            if answer.get("id").is_some_and(|id| id == method) {
                ensure!(answer.get("ok") == Some(&json!(true)), "{method}: {answer}");
                return Ok(answer);
            }
        }
    }
}
