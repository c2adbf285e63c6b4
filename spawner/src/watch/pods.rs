mod snapshot;

use std::{
    collections::{BTreeMap, HashMap, HashSet},
    fmt,
    net::IpAddr,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use contract::UserId;
use tokio::{
    sync::watch::{Receiver, Sender},
    time::{Instant, timeout},
};

pub use self::snapshot::Snapshot;
use crate::{note::Note, pod::PodView, servers::Load, state::State, stop::LastStop};

/// How many stopped users' last stops are remembered, about 100 bytes each. For more, the cluster is
/// asked each time.
const MOST_REMEMBERED: usize = 50_000;

/// All users' pods, as the last watch event left them. Clones look at the same.
#[derive(Clone, Default)]
pub struct Pods {
    users: Arc<Mutex<Users>>,
    /// Whether everything was listed once; before that, absence means nothing.
    complete: Sender<bool>,
    /// When anything was last heard of any pod.
    heard: Arc<Mutex<Option<Instant>>>,
}

type Users = HashMap<UserId, User>;

#[derive(Default)]
struct User {
    snapshots: Sender<Snapshot>,
    /// How many of those that follow count against the limit.
    waiting: usize,
    /// Held by the one start of this replica that writes; see [`Follower::turn`].
    turn: Arc<tokio::sync::Mutex<()>>,
    /// The cluster was asked how the pod before ended.
    recalled: bool,
}

/// Hears of every change of one user's pod, for as long as it lives.
pub struct Follower {
    pods: Pods,
    user: UserId,
    receiver: Option<Receiver<Snapshot>>,
    turn: Arc<tokio::sync::Mutex<()>>,
    /// Counts against the limit of [`Pods::follow_among`].
    waits: bool,
}

/// As many as may are following this user already.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("too many requests of this user are waiting already")]
pub struct TooMany;

impl Pods {
    /// What is known about `user`'s pod. `None` until everything was listed once.
    #[must_use]
    pub fn of(&self, user: &UserId) -> Option<Snapshot> {
        if !self.is_complete() {
            return None;
        }
        Some(self.lock().get(user).map(User::now).unwrap_or_default())
    }

    /// Follows `user`'s pod.
    #[must_use]
    pub fn follow(&self, user: &UserId) -> Follower {
        self.follow_in(&mut self.lock(), user)
    }

    /// Follows `user`'s pod on behalf of a client that waits, unless as many as `most` do already.
    pub fn follow_among(&self, user: &UserId, most: usize) -> Result<Follower, TooMany> {
        let mut users = self.lock();
        if users.get(user).is_some_and(|known| known.waiting >= most) {
            return Err(TooMany);
        }
        let mut follower = self.follow_in(&mut users, user);
        if let Some(known) = users.get_mut(user) {
            known.waiting += 1;
            follower.waits = true;
        }
        Ok(follower)
    }

    fn follow_in(&self, users: &mut Users, user: &UserId) -> Follower {
        let known = users.entry(user.clone()).or_default();
        Follower {
            pods: self.clone(),
            user: user.clone(),
            receiver: Some(known.snapshots.subscribe()),
            turn: Arc::clone(&known.turn),
            waits: false,
        }
    }

    /// Another user's sidecar answered at this address of `user`'s pod, so nothing is sent there any
    /// more. Whether that is news, and the pod has to be looked up.
    pub(crate) fn doubt(&self, user: &UserId, address: IpAddr) -> bool {
        let users = self.lock();
        users.get(user).is_some_and(|known| {
            known.snapshots.send_if_modified(|seen| {
                let is_there = seen.pod.as_ref().is_some_and(|pod| pod.ip == Some(address));
                let news = is_there && !seen.doubted;
                seen.doubted |= is_there;
                news
            })
        })
    }

    /// The API server says that `user`'s pod is this now. What the watch has brought since is newer.
    pub(crate) fn looked_up(&self, user: &UserId, now: Option<PodView>) {
        let Some(known) = self.of(user).and_then(|seen| seen.pod) else { return };
        match now {
            None => self.remove(&known),
            Some(pod) if pod.version > known.version => self.apply(pod),
            Some(_) => {}
        }
    }

    /// Whether the cluster may know how `user`'s last pod ended, and has not been asked.
    pub(crate) fn may_recall(&self, user: &UserId) -> bool {
        self.lock().get(user).is_none_or(|known| {
            let seen = known.snapshots.borrow();
            !known.recalled && seen.pod.is_none() && seen.last_stop.is_none()
        })
    }

    /// What the cluster knows of how `user`'s last pod ended. What was seen here since is newer.
    pub(crate) fn recall(&self, user: &UserId, last: Option<LastStop>) {
        let mut users = self.lock();
        let known = users.entry(user.clone()).or_default();
        known.recalled = true;
        known.snapshots.send_if_modified(|seen| {
            let news = last.is_some() && seen.last_stop.is_none();
            if news {
                seen.last_stop = last.map(Arc::new);
            }
            news
        });
        forget_if_unused(&mut users, user);
    }

    /// Whether everything was listed once.
    #[must_use]
    pub fn is_complete(&self) -> bool {
        *self.complete.borrow()
    }

    /// Waits until everything was listed once.
    pub async fn completed(&self) {
        // The sender is `self`'s own.
        let _ = self.complete.subscribe().wait_for(|complete| *complete).await;
    }

    /// All pods, as they are now.
    #[must_use]
    pub fn all(&self) -> Vec<Arc<PodView>> {
        self.lock().values().filter_map(|user| user.snapshots.borrow().pod.clone()).collect()
    }

    /// All users with a pod, in the order of their ids.
    #[must_use]
    pub fn snapshots(&self) -> BTreeMap<UserId, Snapshot> {
        let users = self.lock();
        let now = users.iter().map(|(user, known)| (user.clone(), known.now()));
        now.filter(|(_, seen)| seen.pod.is_some()).collect()
    }

    /// How many pods there are; `coming` are users whose pods may not be known yet.
    #[must_use]
    pub fn load(&self, coming: &HashSet<UserId>) -> Load {
        let users = self.lock();
        let mut load = Load::default();
        for user in users.values() {
            let seen = user.snapshots.borrow();
            if let Some(pod) = seen.pod.as_deref().filter(|pod| !pod.is_over()) {
                load.running += 1;
                load.starting += usize::from(!pod.stopping && !pod.is_reachable());
            }
        }
        let unknown = |user: &&UserId| {
            users.get(*user).is_none_or(|user| user.snapshots.borrow().pod.is_none())
        };
        let coming = coming.iter().filter(unknown).count();
        Load { starting: load.starting + coming, running: load.running + coming }
    }

    /// How many pods there are in each state.
    #[must_use]
    pub fn states(&self) -> HashMap<State, u64> {
        let mut states = HashMap::new();
        for user in self.lock().values() {
            let snapshot = user.now();
            if snapshot.pod.is_some() {
                *states.entry(snapshot.status().state).or_default() += 1;
            }
        }
        states
    }

    /// For how long nothing was heard of any pod.
    #[must_use]
    pub fn silent_for(&self) -> Duration {
        let heard = *self.heard.lock().unwrap_or_else(PoisonError::into_inner);
        heard.map_or(Duration::ZERO, |heard| heard.elapsed())
    }

    /// The watch has said something.
    pub(crate) fn heard(&self) {
        *self.heard.lock().unwrap_or_else(PoisonError::into_inner) = Some(Instant::now());
    }

    /// A pod is there, or has changed.
    pub(crate) fn apply(&self, pod: PodView) {
        let mut users = self.lock();
        let known = users.entry(pod.user.clone()).or_default();
        known.snapshots.send_modify(|snapshot| *snapshot = snapshot.with_pod(pod));
    }

    /// A pod is gone.
    pub(crate) fn remove(&self, pod: &PodView) {
        let mut users = self.lock();
        if let Some(known) = users.get(&pod.user) {
            known.snapshots.send_if_modified(|snapshot| {
                let gone = snapshot.is_pod(&pod.uid);
                if gone {
                    *snapshot = snapshot.without(pod);
                }
                gone
            });
        }
        forget_if_unused(&mut users, &pod.user);
    }

    /// Everything was listed: `there` are all users with a pod.
    pub(crate) fn listed(&self, there: &HashSet<UserId>) {
        self.lock().retain(|user, known| {
            if !there.contains(user) {
                known.snapshots.send_if_modified(|snapshot| {
                    let gone = snapshot.pod.take();
                    if let Some(pod) = &gone {
                        *snapshot = snapshot.without(pod);
                    }
                    gone.is_some()
                });
            }
            !known.is_unused() || known.is_remembered()
        });
        self.complete.send_replace(true);
    }

    /// Something was said about a pod. What is said about no pod of now is not kept.
    pub(crate) fn note(&self, user: &UserId, note: Note) {
        if let Some(known) = self.lock().get(user) {
            known.snapshots.send_if_modified(|snapshot| {
                let known = snapshot.is_pod(&note.pod_uid);
                if known {
                    *snapshot = snapshot.with_note(note);
                }
                known
            });
        }
    }

    fn lock(&self) -> MutexGuard<'_, Users> {
        // No code panics while it holds the lock.
        self.users.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl User {
    fn now(&self) -> Snapshot {
        self.snapshots.borrow().clone()
    }

    fn is_unused(&self) -> bool {
        self.snapshots.receiver_count() == 0 && self.snapshots.borrow().pod.is_none()
    }

    fn is_remembered(&self) -> bool {
        self.recalled || self.snapshots.borrow().last_stop.is_some()
    }
}

fn forget_if_unused(users: &mut Users, user: &UserId) {
    let many = users.len() > MOST_REMEMBERED;
    if users.get(user).is_some_and(|known| known.is_unused() && (many || !known.is_remembered())) {
        users.remove(user);
    }
}

impl Follower {
    /// The pod as it is now.
    #[must_use]
    pub fn now(&self) -> Snapshot {
        self.receiver.as_ref().map(|receiver| receiver.borrow().clone()).unwrap_or_default()
    }

    /// The right to write for this user. Of many starts on one replica one writes, and the others
    /// then see what it did; between replicas the pod's name is the lock.
    #[must_use]
    pub fn turn(&self) -> Arc<tokio::sync::Mutex<()>> {
        Arc::clone(&self.turn)
    }

    /// Waits for the next change.
    pub async fn changed(&mut self) -> Snapshot {
        if let Some(receiver) = &mut self.receiver
            && receiver.changed().await.is_ok()
        {
            return receiver.borrow_and_update().clone();
        }
        // The sender lives as long as somebody follows.
        std::future::pending().await
    }

    /// Waits until the workspace is ready, or until waiting is of no use, for at most `budget`. What
    /// there is by then tells which.
    pub async fn until_settled(&mut self, budget: Duration) -> Snapshot {
        self.until(budget, |seen| !seen.status().is_worth_waiting()).await
    }

    /// Waits until `enough` holds, for at most `budget`; what there is by then.
    pub async fn until(
        &mut self,
        budget: Duration,
        mut enough: impl FnMut(&Snapshot) -> bool,
    ) -> Snapshot {
        if let Some(receiver) = &mut self.receiver {
            // Out of time, or not: what holds by now is the answer.
            let _ = timeout(budget, receiver.wait_for(|snapshot| enough(snapshot))).await;
        }
        self.now()
    }
}

impl Drop for Follower {
    fn drop(&mut self) {
        let mut users = self.pods.lock();
        self.receiver = None;
        if let Some(known) = users.get_mut(&self.user).filter(|_| self.waits) {
            known.waiting = known.waiting.saturating_sub(1);
        }
        forget_if_unused(&mut users, &self.user);
    }
}

impl fmt::Debug for Follower {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Follower").field("user", &self.user).finish_non_exhaustive()
    }
}

impl fmt::Debug for Pods {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Pods")
            .field("complete", &self.is_complete())
            .field("users", &self.lock().len())
            .finish()
    }
}

#[cfg(test)]
mod tests;
