//! The real OpenClaw under the real kubelet: its Control UI in a browser, its API and its own client, who
//! does not get in, and what becomes of it when it sleeps. One user's pod at a time.

mod chat;
mod client;
mod neighbour;
mod operator;
mod reach;
mod reaper;
mod sleep;

use anyhow::Result;
use serde_json::{Value, json};
use tests::{browser::Front, install, stage::Stage};

/// The public address of the stage's spawner.
async fn front(stage: &Stage) -> Result<Front> {
    let spawner = format!("{}:{}", stage.cluster.node_address, install::SPAWNER_NODE_PORT);
    Front::before(spawner).await
}

/// Values with which workspaces sleep soon, and only if OpenClaw agrees.
fn drowsy() -> Value {
    json!({"spawner": {
        "sleep": {"idleTimeout": "15s", "cooperative": "required"},
        "env": [{"name": "REAP_INTERVAL", "value": "2s"}],
    }})
}
