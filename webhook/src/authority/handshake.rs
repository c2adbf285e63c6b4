//! Ready is who can be called: the own port is tried, as an API server would call it.

use std::{net::SocketAddr, time::Duration};

use edge::{program::Chain, readiness::Gate, shutdown::Shutdown, tls::handshake};

use super::Trusting;

/// Between two tries.
const INTERVAL: Duration = Duration::from_secs(5);
/// Before the first success, which the rollout waits for.
const AT_START: Duration = Duration::from_millis(500);
/// One failure may be a busy node's; taking every replica out of the Service would be worse.
const PATIENCE: u32 = 3;

/// Tries the listener at `address` until the program drains, and keeps `gate` accordingly.
pub(crate) async fn follow(address: SocketAddr, trust: Trusting, gate: Gate, shutdown: Shutdown) {
    let mut failures = PATIENCE;
    loop {
        match handshake(address, &trust.now()).await {
            Ok(()) => {
                failures = 0;
                gate.ready();
            }
            Err(error) => {
                failures = failures.saturating_add(1);
                if failures >= PATIENCE {
                    gate.not_ready(Chain(&error).to_string());
                }
            }
        }
        let pause = if gate.is_ready() { INTERVAL } else { AT_START };
        tokio::select! {
            () = tokio::time::sleep(pause) => {}
            () = shutdown.draining() => return,
        }
    }
}
