//! Something that goes on, again and again, while something else happens.

use std::{
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use anyhow::{Result, ensure};
use futures::future::join_all;
use tokio::time::{MissedTickBehavior, interval};

/// How many do it at once.
const AT_ONCE: usize = 4;
/// How often each of them does: 80 times a second in all, so that a minute is a few thousand.
const PACE: Duration = Duration::from_millis(50);

/// What came of it.
#[derive(Debug, Default)]
pub struct Tally {
    /// How often it went well.
    pub good: usize,
    /// What was said the other times.
    pub failures: Vec<String>,
}

impl Tally {
    /// Every one of at least `count` went well.
    ///
    /// # Errors
    /// Some did not, with the first words.
    pub fn expect_all_of(&self, count: usize) -> Result<()> {
        let (failed, first) = (self.failures.len(), self.failures.first());
        ensure!(failed == 0, "{failed} failed beside {}: {first:?}", self.good);
        ensure!(self.good >= count, "{} are too few to tell", self.good);
        Ok(())
    }
}

/// Does `one` again and again until `work` is done and it was done `count` times at least.
///
/// # Errors
/// Those of `work`.
pub async fn meanwhile<T, F: Future<Output = Result<()>>>(
    count: usize,
    one: impl Fn() -> F,
    work: impl Future<Output = Result<T>>,
) -> Result<(T, Tally)> {
    let (done, tally) = (AtomicBool::new(false), Mutex::new(Tally::default()));
    let worker = |_| async {
        let mut pace = interval(PACE);
        // A pause is a pause: what was missed in it is not made up for at once.
        pace.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            pace.tick().await;
            let failure = one().await.err().map(|error| format!("{error:#}"));
            let mut tally = tally.lock().unwrap_or_else(PoisonError::into_inner);
            match failure {
                None => tally.good += 1,
                Some(failure) => tally.failures.push(failure),
            }
            if done.load(Ordering::Relaxed) && tally.good + tally.failures.len() >= count {
                return;
            }
        }
    };
    let work = async {
        let worked = work.await;
        done.store(true, Ordering::Relaxed);
        worked
    };
    let (worked, _) = tokio::join!(work, join_all((0..AT_ONCE).map(worker)));
    let tally = tally.into_inner().unwrap_or_else(PoisonError::into_inner);
    worked.map(|worked| (worked, tally))
}
