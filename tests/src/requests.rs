//! A user's requests that go on while something else happens to the release.

use std::{
    sync::atomic::{AtomicBool, Ordering},
    time::Duration,
};

use anyhow::{Result, ensure};
use http::StatusCode;
use tokio::time::{Instant, MissedTickBehavior, interval};

use crate::stage::{SignedIn, Stage};

/// How often it is asked.
const PACE: Duration = Duration::from_millis(100);
/// How long one token is used; Keycloak's live for five minutes.
const FRESH: Duration = Duration::from_secs(120);
/// How many failures are told in full.
const SHOWN: usize = 3;

/// What came of the requests.
#[derive(Debug, Default)]
pub struct Asked {
    /// How many were answered as they should be.
    pub answered: usize,
    /// What was said to the others.
    pub failures: Vec<String>,
}

impl Asked {
    /// Every one of at least `count` was answered.
    ///
    /// # Errors
    /// Some were not, with the first words.
    pub fn expect_all_of(&self, count: usize) -> Result<()> {
        let (failed, answered) = (self.failures.len(), self.answered);
        let first: Vec<_> = self.failures.iter().take(SHOWN).collect();
        ensure!(failed == 0, "{failed} failed beside {answered}: {first:?}");
        ensure!(answered >= count, "{answered} are too few to tell");
        Ok(())
    }
}

/// Has `user` ask their own workspace through the spawner's Service, again and again, each time over
/// a new connection, until `work` is done.
///
/// # Errors
/// Those of `work`, and of signing in.
pub async fn while_asking<T>(
    stage: &Stage,
    user: &SignedIn,
    work: impl Future<Output = Result<T>>,
) -> Result<(T, Asked)> {
    let done = AtomicBool::new(false);
    let asking = async {
        let mut asked = Asked::default();
        let mut pace = interval(PACE);
        pace.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let (mut user, mut since) = (user.clone(), Instant::now());
        while !done.load(Ordering::Relaxed) {
            pace.tick().await;
            if since.elapsed() > FRESH {
                (user, since) = (stage.sign_in(&user.person.name).await?, Instant::now());
            }
            let answer = stage.spawner.get("/v1/models").bearer(&user.tokens.access).send().await;
            match answer {
                Ok(answer) if answer.status == StatusCode::OK => asked.answered += 1,
                Ok(answer) => asked.failures.push(format!("{}", answer.status)),
                Err(error) => asked.failures.push(format!("{error:#}")),
            }
        }
        Ok(asked)
    };
    let work = async {
        let worked = work.await;
        done.store(true, Ordering::Relaxed);
        worked
    };
    let (worked, asked): (_, Result<Asked>) = tokio::join!(work, asking);
    Ok((worked?, asked?))
}
