//! How often the issuer is asked: jitter, backoff, and a ration for what strangers can trigger.

use std::time::Duration;

use tokio::time::Instant;

/// Varies a time by up to a tenth either way, so that a thousand sidecars that started together do
/// not ask together.
pub(super) fn jittered(time: Duration) -> Duration {
    let mut random = [0_u8; 2];
    // Without randomness there is no jitter, and nothing else is lost.
    let _ = aws_lc_rs::rand::fill(&mut random);
    let share = f64::from(u16::from_le_bytes(random)) / f64::from(u16::MAX);
    time.mul_f64(0.9 + share / 5.0)
}

/// Pauses after failures: 1 s, twice as long each time, at most 30 s.
#[derive(Debug, Default)]
pub(super) struct Backoff {
    failures: u32,
}

impl Backoff {
    const FIRST: Duration = Duration::from_secs(1);
    const LONGEST: Duration = Duration::from_secs(30);

    /// The pause after one more failure.
    pub(super) fn next(&mut self) -> Duration {
        let pause = Self::FIRST.saturating_mul(1 << self.failures.min(16)).min(Self::LONGEST);
        self.failures += 1;
        pause
    }
}

/// Two at once, then one in ten seconds.
#[derive(Debug)]
pub(super) struct TokenBucket {
    tokens: u32,
    /// When the next token is due, if the bucket is not full.
    refilled: Instant,
}

impl TokenBucket {
    const BURST: u32 = 2;
    const REFILL: Duration = Duration::from_secs(10);

    pub(super) fn full(now: Instant) -> Self {
        Self { tokens: Self::BURST, refilled: now }
    }

    /// Takes a token if there is one.
    pub(super) fn take(&mut self, now: Instant) -> bool {
        while self.tokens < Self::BURST && now.duration_since(self.refilled) >= Self::REFILL {
            self.tokens += 1;
            self.refilled += Self::REFILL;
        }
        if self.tokens == Self::BURST {
            self.refilled = now;
        }
        let taken = self.tokens > 0;
        self.tokens = self.tokens.saturating_sub(1);
        taken
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn jitter_stays_within_a_tenth() {
        let minute = Duration::from_secs(60);
        for _ in 0..1_000 {
            let time = jittered(minute);
            assert!(time >= minute.mul_f64(0.899) && time <= minute.mul_f64(1.101), "{time:?}");
        }
    }

    #[test]
    fn backoff_doubles_up_to_half_a_minute() {
        let mut backoff = Backoff::default();
        let secs: Vec<_> = std::iter::repeat_with(|| backoff.next().as_secs()).take(40).collect();
        assert_eq!(secs[..7], [1, 2, 4, 8, 16, 30, 30]);
        assert_eq!(secs[39], 30);
    }

    #[test]
    fn the_bucket_gives_two_at_once_and_one_in_ten_seconds() {
        let start = Instant::now();
        let at = |secs| start + Duration::from_secs(secs);
        let mut bucket = TokenBucket::full(start);
        let taken =
            [0, 0, 0, 9, 10, 10, 19, 20, 1_000, 1_000, 1_000].map(|secs| bucket.take(at(secs)));
        assert_eq!(taken, [true, true, false, false, true, false, false, true, true, true, false]);
    }
}
