use std::{
    pin::Pin,
    task::{Context, Poll},
    time::Duration,
};

use tokio::time::{Instant, Sleep, sleep_until};

/// A timeout that costs nothing until it is waited for. Zero is for ever.
#[derive(Debug)]
pub(super) struct Timer {
    patience: Duration,
    sleep: Option<Pin<Box<Sleep>>>,
}

impl Timer {
    pub(super) fn of(patience: Duration) -> Self {
        Self { patience, sleep: None }
    }

    /// What was waited for has happened.
    pub(super) fn stop(&mut self) {
        self.sleep = None;
    }

    /// Ready when it has been polled for its whole time without a stop.
    pub(super) fn poll(&mut self, context: &mut Context<'_>) -> Poll<()> {
        if self.patience.is_zero() {
            return Poll::Pending;
        }
        let patience = self.patience;
        let sleep =
            self.sleep.get_or_insert_with(|| Box::pin(sleep_until(Instant::now() + patience)));
        sleep.as_mut().poll(context)
    }
}
