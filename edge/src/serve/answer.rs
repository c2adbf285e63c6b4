use std::sync::atomic::{AtomicU8, Ordering};

/// What became of a request to speak another protocol. Shared by the stream and the service.
#[derive(Debug, Default)]
pub(super) struct Answer(AtomicU8);

impl Answer {
    const OPEN: u8 = 0;
    const DECLINED: u8 = 1;
    const SWITCHED: u8 = 2;

    /// The service has an answer.
    pub(super) fn given(&self, switches: bool) {
        let answer = if switches { Self::SWITCHED } else { Self::DECLINED };
        // A connection that has switched has no further answers.
        self.0.fetch_max(answer, Ordering::Relaxed);
    }

    pub(super) fn switched(&self) -> bool {
        self.0.load(Ordering::Relaxed) == Self::SWITCHED
    }

    /// Whether there is an answer that declines; it is forgotten.
    pub(super) fn take_declined(&self) -> bool {
        let taken = self.0.compare_exchange(
            Self::DECLINED,
            Self::OPEN,
            Ordering::Relaxed,
            Ordering::Relaxed,
        );
        taken.is_ok()
    }
}
