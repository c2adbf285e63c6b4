//! Ready is who can be called: the own port is tried, as an API server would call it.

use std::{net::SocketAddr, time::Duration};

use edge::{
    program::Chain,
    readiness::Gate,
    shutdown::Shutdown,
    tls::{HandshakeError, handshake},
};

use super::Trusting;

/// Between two tries.
const INTERVAL: Duration = Duration::from_secs(5);
/// Before the first success, which the rollout waits for.
const AT_START: Duration = Duration::from_millis(500);
/// One failure may be a busy node's; taking every replica out of the Service would be worse.
const PATIENCE: u32 = 3;

/// Tries the listener at `address` until the program drains, and keeps `gate` accordingly.
pub(crate) async fn follow(address: SocketAddr, trust: Trusting, gate: Gate, shutdown: Shutdown) {
    let mut judge = Judge::new(gate);
    loop {
        judge.hear(handshake(address, &trust.now()).await);
        tokio::select! {
            () = tokio::time::sleep(judge.pause()) => {}
            () = shutdown.draining() => return,
        }
    }
}

/// Makes readiness of tries.
struct Judge {
    gate: Gate,
    /// In a row.
    failures: u32,
}

impl Judge {
    /// Not ready before the first success.
    fn new(gate: Gate) -> Self {
        Self { gate, failures: PATIENCE }
    }

    fn hear(&mut self, tried: Result<(), HandshakeError>) {
        match tried {
            Ok(()) => {
                self.failures = 0;
                self.gate.ready();
            }
            Err(error) => {
                self.failures = self.failures.saturating_add(1);
                if self.failures >= PATIENCE {
                    self.gate.not_ready(Chain(&error).to_string());
                }
            }
        }
    }

    fn pause(&self) -> Duration {
        if self.gate.is_ready() { INTERVAL } else { AT_START }
    }
}

#[cfg(test)]
mod tests {
    use edge::readiness::Readiness;

    use super::*;

    fn refused() -> Result<(), HandshakeError> {
        Err(HandshakeError::TooSlow(SocketAddr::from(([127, 0, 0, 1], 8443))))
    }

    #[test]
    fn ready_from_the_first_handshake_until_some_fail_in_a_row() {
        let readiness = Readiness::new();
        let mut judge = Judge::new(readiness.gate("handshake"));
        let mut heard = |tried| {
            judge.hear(tried);
            (readiness.snapshot().is_ready(), judge.pause())
        };
        assert_eq!(heard(refused()), (false, AT_START), "not before the first success");
        assert_eq!(heard(Ok(())), (true, INTERVAL));
        assert_eq!(heard(refused()), (true, INTERVAL), "a busy node");
        assert_eq!(heard(refused()), (true, INTERVAL));
        assert_eq!(heard(Ok(())), (true, INTERVAL), "it starts anew");
        for expected in [true, true, false] {
            assert_eq!(heard(refused()).0, expected);
        }
        assert_eq!(heard(Ok(())), (true, INTERVAL));
    }
}
