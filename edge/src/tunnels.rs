//! Upgraded connections. The HTTP server forgets a connection once it is upgraded, so whoever
//! upgrades one hands the work that follows to [`Tunnels`], and a drain waits for it.

use std::{future::Future, sync::Arc, time::Duration};

use tokio::sync::OwnedSemaphorePermit;
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use crate::serve::{ServeMetrics, Timeout};

/// Where the tunnel of one connection runs: an extension of every request that
/// [`crate::serve::serve`] hands out.
#[derive(Clone, Debug)]
pub struct Tunnels {
    tasks: TaskTracker,
    ending: CancellationToken,
    aborting: CancellationToken,
    /// The connection still counts against the server's limit while its tunnel is open.
    place: Option<Arc<OwnedSemaphorePermit>>,
    /// How long a tunnel may be silent; zero is for ever.
    silence: Duration,
    metrics: ServeMetrics,
}

impl Tunnels {
    /// Tunnels that nobody ends, for a router that is called without a server.
    #[must_use]
    pub fn untracked() -> Self {
        Self::new(TaskTracker::new(), CancellationToken::new(), CancellationToken::new())
    }

    pub(crate) fn new(
        tasks: TaskTracker,
        ending: CancellationToken,
        aborting: CancellationToken,
    ) -> Self {
        let (silence, metrics) = (Duration::ZERO, ServeMetrics::default());
        Self { tasks, ending, aborting, place: None, silence, metrics }
    }

    pub(crate) fn limited(self, silence: Duration, metrics: ServeMetrics) -> Self {
        Self { silence, metrics, ..self }
    }

    pub(crate) fn holding(&self, place: Arc<OwnedSemaphorePermit>) -> Self {
        Self { place: Some(place), ..self.clone() }
    }

    /// Runs `tunnel` until it ends, or until the server ends what did not end by itself.
    pub fn spawn(&self, tunnel: impl Future<Output = ()> + Send + 'static) {
        let aborting = self.aborting.clone();
        let held = (self.place.clone(), self.metrics.tunnel());
        self.tasks.spawn(async move {
            aborting.run_until_cancelled(tunnel).await;
            drop(held);
        });
    }

    /// Resolves when the server is about to end: time to say goodbye, and a second to do so.
    pub async fn ending(&self) {
        self.ending.cancelled().await;
    }

    /// How long a tunnel may be silent, if there is a limit.
    pub(crate) fn silence(&self) -> Option<Duration> {
        Some(self.silence).filter(|silence| !silence.is_zero())
    }

    /// Counts a tunnel that was silent for too long.
    pub(crate) fn was_silent(&self) {
        self.metrics.timed_out(Timeout::Tunnel);
    }
}
