//! How many workspaces may start and run at once, counted in what the watch shows. No lock is held
//! between replicas: when several start workspaces in the same moment, the limit can be exceeded by
//! what the others began within the watch's delay.
//!
//! Who has to wait keeps a place by asking again. The places are this replica's own; losing them
//! costs a user nothing but the place.

use std::{
    collections::HashSet,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use aws_lc_rs::rand;
use contract::UserId;
use tokio::{
    sync::watch::{Receiver, Sender},
    time::{Instant, sleep_until},
};

use crate::watch::Pods;

/// How much may go on at once.
#[derive(Clone, Debug, Default, clap::Args)]
#[command(next_help_heading = "Limits of workspaces")]
pub struct ServerLimitArgs {
    /// How many workspaces may be starting at once, on all replicas; without it, any number
    #[arg(long, env = "MAX_STARTING", value_name = "NUMBER", value_parser = clap::value_parser!(u32).range(1..))]
    pub max_starting: Option<u32>,

    /// How many workspaces there may be at once; without it, any number
    #[arg(long, env = "MAX_RUNNING", value_name = "NUMBER", value_parser = clap::value_parser!(u32).range(1..))]
    pub max_running: Option<u32>,
}

/// How many workspaces there are.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Load {
    /// On their way to be ready.
    pub starting: usize,
    /// All that use the cluster's room, those that start and those that end among them.
    pub running: usize,
}

/// There is no room now.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("no room now: place {place} in the queue")]
pub struct Full {
    /// The place in the queue, from 1.
    pub place: usize,
    /// When to ask again.
    pub retry_after: Duration,
    /// What there is too much of.
    pub what: TooMuch,
}

/// What there is too much of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TooMuch {
    /// Workspaces that start.
    Starting,
    /// Workspaces.
    Running,
}

impl TooMuch {
    /// The name, as the API and metric labels spell it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Starting => "too_many_starting",
            Self::Running => "too_many_running",
        }
    }
}

/// Who may start, and who waits.
#[derive(Clone, Debug)]
pub(super) struct Admission {
    limits: ServerLimitArgs,
    pods: Pods,
    queue: Arc<Mutex<Queue>>,
}

#[derive(Debug, Default)]
struct Queue {
    /// Who was turned away, and may ask until when to keep the place.
    waiting: Vec<(UserId, Instant)>,
    /// Tells of every change of `waiting`.
    changes: Sender<()>,
    /// Who was let in, and whose pod the watch may not show yet.
    admitted: HashSet<UserId>,
}

/// A user who was let in, until the watch shows the pod.
#[derive(Debug)]
pub(super) struct Admitted {
    queue: Arc<Mutex<Queue>>,
    user: UserId,
}

/// Hears of every change of the places in the queue.
#[derive(Clone, Debug)]
pub struct Places {
    queue: Arc<Mutex<Queue>>,
    changes: Receiver<()>,
}

/// The shortest wait, the wait for each place, and the longest.
const FIRST: Duration = Duration::from_secs(4);
const EACH: Duration = Duration::from_secs(1);
const LONGEST: Duration = Duration::from_secs(60);
/// How much later than told a user may ask and still have the place.
const LATE: Duration = Duration::from_secs(30);

impl Admission {
    pub(super) fn new(limits: ServerLimitArgs, pods: Pods) -> Self {
        Self { limits, pods, queue: Arc::default() }
    }

    /// Lets `user` start a workspace, or gives the place in the queue.
    pub(super) fn admit(&self, user: &UserId) -> Result<Admitted, Full> {
        let mut queue = lock(&self.queue);
        let load = self.pods.load(&queue.admitted);
        let free = free(&self.limits, load);
        let now = Instant::now();
        match queue.enter(user, free.map(|(free, _)| free), now) {
            Ok(()) => Ok(Admitted { queue: Arc::clone(&self.queue), user: user.clone() }),
            Err(place) => {
                let retry_after = jittered(place);
                queue.wait(user, now + retry_after + LATE);
                let what = free.map_or(TooMuch::Running, |(_, what)| what);
                Err(Full { place, retry_after, what })
            }
        }
    }

    /// The places in the queue from now on.
    pub(super) fn places(&self) -> Places {
        let changes = lock(&self.queue).changes.subscribe();
        Places { queue: Arc::clone(&self.queue), changes }
    }

    /// Who waits, the next first.
    pub(super) fn waiting(&self) -> Vec<UserId> {
        let mut queue = lock(&self.queue);
        queue.forget(Instant::now());
        queue.waiting.iter().map(|(user, _)| user.clone()).collect()
    }

    /// The place of `user` in the queue, from 1.
    pub(super) fn place(&self, user: &UserId) -> Option<usize> {
        let mut queue = lock(&self.queue);
        queue.forget(Instant::now());
        queue.waiting.iter().position(|(waiting, _)| waiting == user).map(|at| at + 1)
    }
}

impl Places {
    /// Waits until somebody has come, was let in, or has given up the place.
    pub async fn changed(&mut self) {
        let next = lock(&self.queue).waiting.iter().map(|(_, until)| *until).min();
        let given_up = async {
            match next {
                Some(until) => sleep_until(until).await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            // The sender is in the queue.
            _ = self.changes.changed() => {}
            () = given_up => {}
        }
    }
}

/// How many more there may be, and what the limit is of. `None`: any number.
fn free(limits: &ServerLimitArgs, load: Load) -> Option<(usize, TooMuch)> {
    let free = |most: Option<u32>, now: usize, what| {
        let most = usize::try_from(most?).unwrap_or(usize::MAX);
        Some((most.saturating_sub(now), what))
    };
    [
        free(limits.max_starting, load.starting, TooMuch::Starting),
        free(limits.max_running, load.running, TooMuch::Running),
    ]
    .into_iter()
    .flatten()
    .min_by_key(|(free, _)| *free)
}

impl Queue {
    /// Lets `user` in if there is room for everybody ahead too. The place otherwise.
    fn enter(&mut self, user: &UserId, free: Option<usize>, now: Instant) -> Result<(), usize> {
        self.forget(now);
        let ahead = self.waiting.iter().position(|(waiting, _)| waiting == user);
        let ahead = ahead.unwrap_or(self.waiting.len());
        if free.is_some_and(|free| free <= ahead) {
            return Err(ahead + 1);
        }
        self.keep_waiting(|waiting, _| waiting != user);
        self.admitted.insert(user.clone());
        Ok(())
    }

    fn wait(&mut self, user: &UserId, until: Instant) {
        match self.waiting.iter_mut().find(|(waiting, _)| waiting == user) {
            Some((_, kept)) => *kept = until,
            None => self.waiting.push((user.clone(), until)),
        }
        // The next end may be another one now.
        self.changes.send_replace(());
    }

    /// Whoever does not ask again gives up the place.
    fn forget(&mut self, now: Instant) {
        self.keep_waiting(|_, until| until > now);
    }

    fn keep_waiting(&mut self, mut keep: impl FnMut(&UserId, Instant) -> bool) {
        let before = self.waiting.len();
        self.waiting.retain(|(waiting, until)| keep(waiting, *until));
        if self.waiting.len() < before {
            self.changes.send_replace(());
        }
    }
}

impl Drop for Admitted {
    fn drop(&mut self) {
        lock(&self.queue).admitted.remove(&self.user);
    }
}

/// When to ask again: later for those further behind, and never all at once.
fn jittered(place: usize) -> Duration {
    let behind = u32::try_from(place.saturating_sub(1)).unwrap_or(u32::MAX);
    let mean = FIRST.saturating_add(EACH.saturating_mul(behind)).min(LONGEST);
    let mut byte = [0_u8; 1];
    // Without a random byte all come at the same time, which is allowed.
    let _ = rand::fill(&mut byte);
    // From three quarters of it to five quarters.
    mean.saturating_mul(3) / 4 + mean.saturating_mul(u32::from(byte[0])) / 512
}

fn lock(queue: &Mutex<Queue>) -> MutexGuard<'_, Queue> {
    // No code panics while it holds the lock.
    queue.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn user(number: u8) -> UserId {
        format!("{number:08}-2222-4333-8444-555555555555").parse().unwrap()
    }

    const SOON: Duration = Duration::from_secs(1);

    #[tokio::test(start_paused = true)]
    async fn who_waits_longest_is_next() {
        let mut queue = Queue::default();
        let now = Instant::now();
        for (number, place) in [(1, 1), (2, 2), (3, 3)] {
            assert_eq!(queue.enter(&user(number), Some(0), now), Err(place));
            queue.wait(&user(number), now + SOON);
        }
        assert_eq!(queue.enter(&user(2), Some(0), now), Err(2), "asking again keeps the place");
        assert_eq!(queue.enter(&user(3), Some(2), now), Err(3), "two are ahead");
        assert_eq!(queue.enter(&user(9), Some(3), now), Err(4), "a newcomer is last");
        assert_eq!(queue.enter(&user(2), Some(2), now), Ok(()));
        assert_eq!(queue.enter(&user(3), Some(1), now), Err(2));
        assert_eq!(queue.enter(&user(1), Some(1), now), Ok(()));
    }

    #[tokio::test(start_paused = true)]
    async fn who_does_not_ask_again_gives_up_the_place() {
        let mut queue = Queue::default();
        queue.wait(&user(1), Instant::now() + SOON);
        assert_eq!(queue.enter(&user(2), Some(1), Instant::now()), Err(2));
        tokio::time::advance(SOON).await;
        assert_eq!(queue.enter(&user(2), Some(1), Instant::now()), Ok(()));
    }

    #[test]
    fn the_tighter_limit_counts() {
        let limits = ServerLimitArgs { max_starting: Some(3), max_running: Some(10) };
        let free = |starting, running| free(&limits, Load { starting, running });
        assert_eq!(free(1, 5), Some((2, TooMuch::Starting)));
        assert_eq!(free(1, 9), Some((1, TooMuch::Running)));
        assert_eq!(free(5, 20), Some((0, TooMuch::Starting)));
        assert_eq!(
            super::free(&ServerLimitArgs::default(), Load { starting: 99, running: 99 }),
            None
        );
    }

    #[test]
    fn the_wait_is_jittered_and_bounded() {
        let waits: HashSet<Duration> = (0..50).map(|_| jittered(1)).collect();
        assert!(waits.len() > 5, "{waits:?}");
        assert!(waits.iter().all(|wait| (3..=5).contains(&wait.as_secs())), "{waits:?}");
        assert!(jittered(usize::MAX) <= LONGEST * 5 / 4);
    }
}
