//! How a program is asked to stop: the first signal drains, the second aborts, and the log says
//! which. The deadline that bounds a drain is [`crate::args::DrainArgs`], kept by [`crate::serve`].

use std::io;

use tokio::{
    signal::unix::{Signal, SignalKind, signal},
    sync::watch,
};

/// A view of the stopping: cheap to clone, given to everything that has to end.
#[derive(Clone, Debug)]
pub struct Shutdown {
    phase: watch::Receiver<Phase>,
}

/// Starts the stopping. Without signals, for tests and for programs that end by themselves.
#[derive(Debug)]
pub struct Trigger {
    phase: watch::Sender<Phase>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Phase {
    Running,
    Draining,
    Aborting,
}

impl Shutdown {
    /// Listens for SIGTERM and SIGINT. Must be called within the async runtime.
    pub fn on_signals() -> io::Result<Self> {
        let terminate = signal(SignalKind::terminate())?;
        let interrupt = signal(SignalKind::interrupt())?;
        let (trigger, shutdown) = Self::manual();
        tokio::spawn(follow(terminate, interrupt, trigger));
        Ok(shutdown)
    }

    /// A handle and its trigger. A dropped trigger means that nobody will ask to stop.
    #[must_use]
    pub fn manual() -> (Trigger, Self) {
        let (sender, phase) = watch::channel(Phase::Running);
        (Trigger { phase: sender }, Self { phase })
    }

    /// Waits until the program should finish what it has and take nothing new.
    pub async fn draining(&self) {
        self.reached(Phase::Draining).await;
    }

    /// Waits until the program should end at once.
    pub async fn aborting(&self) {
        self.reached(Phase::Aborting).await;
    }

    /// Whether the program was asked to stop.
    #[must_use]
    pub fn is_draining(&self) -> bool {
        *self.phase.borrow() >= Phase::Draining
    }

    async fn reached(&self, phase: Phase) {
        let mut current = self.phase.clone();
        if current.wait_for(|now| *now >= phase).await.is_err() {
            std::future::pending().await
        }
    }
}

impl Trigger {
    /// Asks to drain. Does nothing when that was asked before.
    pub fn drain(&self) {
        self.advance(Phase::Draining);
    }

    /// Asks to end at once.
    pub fn abort(&self) {
        self.advance(Phase::Aborting);
    }

    fn advance(&self, phase: Phase) {
        self.phase.send_if_modified(|now| {
            let later = phase > *now;
            *now = phase.max(*now);
            later
        });
    }
}

async fn follow(mut terminate: Signal, mut interrupt: Signal, trigger: Trigger) {
    let first = next(&mut terminate, &mut interrupt).await;
    tracing::info!(signal = first, "draining; a second signal ends the program at once");
    trigger.drain();
    let second = next(&mut terminate, &mut interrupt).await;
    tracing::warn!(signal = second, "aborting");
    trigger.abort();
}

async fn next(terminate: &mut Signal, interrupt: &mut Signal) -> &'static str {
    tokio::select! {
        _ = terminate.recv() => "SIGTERM",
        _ = interrupt.recv() => "SIGINT",
    }
}

#[cfg(test)]
mod tests {
    use futures::FutureExt;

    use super::*;

    #[tokio::test]
    async fn the_phases_only_go_forward() {
        let (trigger, shutdown) = Shutdown::manual();
        assert!(!shutdown.is_draining());
        assert!(shutdown.draining().now_or_never().is_none());
        trigger.drain();
        shutdown.draining().await;
        assert!(shutdown.aborting().now_or_never().is_none());
        trigger.abort();
        trigger.drain();
        shutdown.aborting().await;
        assert!(shutdown.is_draining());
    }

    #[tokio::test]
    async fn a_dropped_trigger_stops_nothing() {
        let (_, shutdown) = Shutdown::manual();
        assert!(shutdown.draining().now_or_never().is_none());
    }
}
