//! Admissions that go on while something else happens.

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

use crate::pods::{Pods, injected, labeled};

/// How many ask at once.
const AT_ONCE: usize = 4;
/// How often each of them asks: 80 admissions a second, so that a minute is a few thousand.
const PACE: Duration = Duration::from_millis(50);

/// What came of them.
#[derive(Debug, Default)]
pub struct Tally {
    /// Pods that were let in and are complete.
    pub admitted: usize,
    /// What was said to the others.
    pub failures: Vec<String>,
}

impl Tally {
    /// Every one of at least `count` was admitted.
    ///
    /// # Errors
    /// Some were not, with the first words.
    pub fn expect_all_of(&self, count: usize) -> Result<()> {
        let (failed, first) = (self.failures.len(), self.failures.first());
        ensure!(failed == 0, "{failed} failed beside {}: {first:?}", self.admitted);
        ensure!(self.admitted >= count, "{} are too few to tell", self.admitted);
        Ok(())
    }
}

/// Has labeled pods of `user` admitted, again and again, until `work` is done and at least `count`
/// have been tried. Every one is a dry run: all of admission, and nothing is kept.
///
/// # Errors
/// Those of `work`.
pub async fn while_admitting<T>(
    pods: &Pods,
    user: &str,
    count: usize,
    work: impl Future<Output = Result<T>>,
) -> Result<(T, Tally)> {
    let (done, tally) = (AtomicBool::new(false), Mutex::new(Tally::default()));
    let worker = |_| async {
        let mut pace = interval(PACE);
        // A pause is a pause: what was missed in it is not made up for at once.
        pace.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            pace.tick().await;
            let failure = admit(pods, user).await.err().map(|error| format!("{error:#}"));
            let mut tally = tally.lock().unwrap_or_else(PoisonError::into_inner);
            match failure {
                None => tally.admitted += 1,
                Some(failure) => tally.failures.push(failure),
            }
            if done.load(Ordering::Relaxed) && tally.admitted + tally.failures.len() >= count {
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

async fn admit(pods: &Pods, user: &str) -> Result<()> {
    let seen = pods.try_out(&labeled("p", user)?).await?;
    ensure!(injected(&seen).init_containers.len() == 2, "it was let in without its sidecar");
    Ok(())
}
