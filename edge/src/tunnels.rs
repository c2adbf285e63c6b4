//! Upgraded connections. The HTTP server forgets a connection once it is upgraded, so whoever
//! upgrades one hands the work that follows to [`Tunnels`], and a drain waits for it.

use std::{future::Future, sync::Arc};

use tokio::sync::OwnedSemaphorePermit;
use tokio_util::{sync::CancellationToken, task::TaskTracker};

/// Where the tunnel of one connection runs: an extension of every request that
/// [`crate::serve::serve`] hands out.
#[derive(Clone, Debug)]
pub struct Tunnels {
    tasks: TaskTracker,
    ending: CancellationToken,
    aborting: CancellationToken,
    /// The connection still counts against the server's limit while its tunnel is open.
    place: Option<Arc<OwnedSemaphorePermit>>,
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
        Self { tasks, ending, aborting, place: None }
    }

    pub(crate) fn holding(&self, place: Arc<OwnedSemaphorePermit>) -> Self {
        Self { place: Some(place), ..self.clone() }
    }

    /// Runs `tunnel` until it ends, or until the server ends what did not end by itself.
    pub fn spawn(&self, tunnel: impl Future<Output = ()> + Send + 'static) {
        let aborting = self.aborting.clone();
        let place = self.place.clone();
        self.tasks.spawn(async move {
            aborting.run_until_cancelled(tunnel).await;
            drop(place);
        });
    }

    /// Resolves when the server is about to end: time to say goodbye, and a second to do so.
    pub async fn ending(&self) {
        self.ending.cancelled().await;
    }
}
