//! Who gets in, and where.

use anyhow::{Context as _, Result};
use http::StatusCode;
use serde_json::json;
use tests::openclaw::{self, PORT};

use crate::neighbour;

/// What stands at the pod's address, and what the sidecar there says to whom.
const LOOK: &str = "
    const { connect } = require('node:net');
    const { POD, OWN, OTHER, PORT } = process.env;
    const at = (port) => new Promise((done) => {
      const socket = connect(port, POD);
      socket.on('connect', () => { socket.destroy(); done('connected'); });
      socket.on('error', (error) => done(error.code));
    });
    const says = async (token) => {
      const headers = token ? { authorization: `Bearer ${token}` } : {};
      return (await fetch(`http://${POD}:4180/v1/models`, { headers })).status;
    };
    Promise.all([at(4180), at(PORT), says(OWN), says(OTHER), says()])
      .then((seen) => console.log(JSON.stringify(seen)));";

#[tokio::test]
async fn only_the_sidecar_answers_and_only_to_its_user() -> Result<()> {
    let Some(stage) = openclaw::alone(json!({})).await? else { return Ok(()) };
    let (alice, bob) = (stage.sign_in("alice").await?, stage.sign_in("bob").await?);
    let pod = stage.start_pod_of(&alice).await?;
    for path in ["/", "/v1/models", "/api/v1/admin/rpc"] {
        let answer = stage.sidecar_of(&alice).get(path).bearer(&bob.tokens.access).send().await?;
        answer.expect(StatusCode::FORBIDDEN).await?;
        let answer = stage.sidecar_of(&alice).get(path).send().await?;
        answer.expect(StatusCode::UNAUTHORIZED).await?;
    }
    let address = pod.status.as_ref().and_then(|status| status.pod_ip.clone());
    let address = address.context("alice's pod has no address")?;
    let port = PORT.to_string();
    let (own, other) = (alice.tokens.access.expose(), bob.tokens.access.expose());
    let variables = [("POD", address.as_str()), ("PORT", &port), ("OWN", own), ("OTHER", other)];
    let seen = neighbour::told(&stage, LOOK, &variables).await?;
    assert_eq!(seen, json!(["connected", "ECONNREFUSED", 200, 403, 401]));
    Ok(())
}
