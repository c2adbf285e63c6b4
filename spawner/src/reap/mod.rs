//! Puts to sleep what nobody uses, on the one replica that holds the Lease. Losing everything that
//! is kept here costs a question to each candidate's sidecar, and nothing else.

mod args;
mod ask;
mod decide;
mod lease;
mod outlook;
mod sweep;

use std::{collections::HashMap, sync::Arc, time::Duration};

use aws_lc_rs::rand;
use edge::{shutdown::Shutdown, sleep::Agreement};
use futures::{StreamExt as _, stream};
use k8s_openapi::jiff::Timestamp;
use tokio::time::{MissedTickBehavior, interval};

pub use args::SleepArgs;
pub use ask::Sidecars;
pub use decide::{Asked, CooperativeSleep, Policy, Verdict, WhenUnreachable, Why, agreed, decide};

pub use outlook::{Activity, Outlook, outlook};

use self::lease::Candidate;
use crate::{
    cluster::{Annotated, Cluster, Deleted, Fault},
    metrics::Metrics,
    pod::PodView,
    stop::{LastStop, Stop, StopReason},
    watch::Pods,
};

/// How many sidecars are asked at once.
const ASKED_AT_ONCE: usize = 32;
/// How often it is looked for NetworkPolicies without a pod.
const SWEEP_INTERVAL: Duration = Duration::from_secs(600);

/// What a reaper is made of.
#[derive(Debug)]
pub struct Reaper {
    /// Where it stops pods.
    pub cluster: Cluster,
    /// Knows what there is.
    pub pods: Pods,
    /// Know what is used.
    pub sidecars: Sidecars,
    /// The rules.
    pub policy: Policy,
    /// Whether users have NetworkPolicies, which are swept when their pods are gone.
    pub sweeps: bool,
    /// How often to look.
    pub interval: Duration,
    /// Where stops are counted.
    pub metrics: Metrics,
}

/// When each pod, by its uid, is worth looking at again.
type NotBefore = HashMap<String, Timestamp>;

impl Reaper {
    /// Reaps whenever this replica is the one that does, until `shutdown` begins.
    pub async fn run(self, shutdown: Shutdown) {
        self.pods.completed().await;
        let mut candidate = Candidate::new(self.cluster.clone(), identity());
        let reaping = async {
            loop {
                candidate.elected().await;
                self.metrics.leader.set(1);
                tokio::select! {
                    () = candidate.deposed() => {}
                    () = self.rounds() => {}
                    () = self.sweeps() => {}
                }
                self.metrics.leader.set(0);
            }
        };
        tokio::select! {
            () = reaping => {}
            () = shutdown.draining() => {}
        }
        self.metrics.leader.set(0);
        if let Err(error) = candidate.resign().await {
            tracing::warn!(%error, "the reaper's Lease could not be given back");
        }
    }

    async fn rounds(&self) {
        let mut ticks = interval(self.interval);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut not_before = NotBefore::new();
        loop {
            ticks.tick().await;
            self.round(&mut not_before).await;
        }
    }

    async fn sweeps(&self) {
        if !self.sweeps {
            return std::future::pending().await;
        }
        let mut ticks = interval(SWEEP_INTERVAL);
        loop {
            ticks.tick().await;
            if let Err(error) = sweep::sweep(&self.cluster, &self.pods).await {
                tracing::warn!(%error, "NetworkPolicies without a pod could not be cleared away");
            }
        }
    }

    /// Looks at every pod that is due.
    async fn round(&self, not_before: &mut NotBefore) {
        let now = Timestamp::now();
        let pods = self.pods.all();
        not_before.retain(|_, until| *until > now);
        let due = pods.into_iter().filter(|pod| !not_before.contains_key(&pod.uid));
        let looked_at = stream::iter(due.filter_map(|pod| {
            match decide(&pod, Asked::NotYet, &self.policy, now) {
                Verdict::Keep { .. } => None,
                Verdict::Ask => Some((pod, None)),
                Verdict::Sleep(reason) => Some((pod, Some(reason))),
            }
        }))
        .map(|(pod, reason)| self.consider(pod, reason))
        .buffer_unordered(ASKED_AT_ONCE)
        .filter_map(async |kept| kept)
        .collect::<Vec<_>>()
        .await;
        not_before.extend(looked_at);
    }

    /// Looks at one pod, and stops it if nothing speaks against it. Until when it stays otherwise.
    async fn consider(
        &self,
        pod: Arc<PodView>,
        reason: Option<StopReason>,
    ) -> Option<(String, Timestamp)> {
        let (reason, agreed) = match reason {
            Some(reason) => (reason, false),
            None => match self.ask_all(&pod).await {
                Verdict::Sleep(reason) => (reason, self.has_a_word(&pod)),
                Verdict::Ask => return None,
                Verdict::Keep { why, until } => {
                    self.metrics.reap_skipped(why.name());
                    return Some((pod.uid.clone(), until?));
                }
            },
        };
        let asleep = self.put_to_sleep(&pod, reason).await.unwrap_or_else(|error| {
            tracing::warn!(user = %pod.user, %error, "a workspace could not be put to sleep");
            self.metrics.reap_skipped("refused");
            false
        });
        if agreed && !asleep {
            self.sidecars.go_on(&pod).await;
        }
        None
    }

    /// Whether the runtime of `pod` is asked before it is put to sleep.
    fn has_a_word(&self, pod: &PodView) -> bool {
        pod.ready && self.policy.cooperation != CooperativeSleep::Off
    }

    /// Asks the sidecar, and then the runtime if it may have a word.
    async fn ask_all(&self, pod: &PodView) -> Verdict {
        let verdict = self.ask(pod).await;
        if !matches!(verdict, Verdict::Sleep(_)) || !self.has_a_word(pod) {
            return verdict;
        }
        let agreement = self.sidecars.agreement(pod).await;
        if let Agreement::Busy { blockers } = &agreement {
            tracing::info!(user = %pod.user, blockers = blockers.join(","), "its runtime is at work");
        }
        agreed(&agreement, &self.policy, Timestamp::now()).unwrap_or(verdict)
    }

    async fn ask(&self, pod: &PodView) -> Verdict {
        let asked = self.sidecars.ask(pod).await;
        decide(pod, asked, &self.policy, Timestamp::now())
    }

    /// Says why on the pod, looks once more whether somebody has come, and deletes it. Both writes
    /// hold for the pod as it was seen and for no other: a request to keep it awake, or a new pod of
    /// the same name, makes them fail. False if it stays.
    async fn put_to_sleep(&self, pod: &PodView, reason: StopReason) -> Result<bool, Fault> {
        let stop = Stop::because(reason).annotations();
        let Annotated::Yes(version) =
            self.cluster.annotate_pod(pod, Some(pod.version), &stop).await?
        else {
            self.metrics.reap_skipped("changed");
            return Ok(false);
        };
        if let Verdict::Keep { why, .. } = self.ask(pod).await {
            self.metrics.reap_skipped(why.name());
            self.cluster.annotate_pod(pod, None, &Stop::no_annotations()).await?;
            return Ok(false);
        }
        match self.cluster.delete_pod_at(pod, version).await? {
            Deleted::Yes => {
                self.metrics.reaped(reason.name());
                let (user, outcome) = (&pod.user, reason.name());
                tracing::info!(target: "audit", action = "sleep", %user, outcome, by = "spawner");
                let last = LastStop::of_stop(&Stop::because(reason), Timestamp::now());
                if self.sweeps {
                    self.cluster.note_last_stop(user, &last).await?;
                }
                Ok(true)
            }
            Deleted::Gone | Deleted::Replaced => {
                self.metrics.reap_skipped("changed");
                Ok(false)
            }
        }
    }
}

/// The host and a random number: a replica that comes back under its old name is another one.
fn identity() -> String {
    let mut bytes = [0_u8; 8];
    // Without random bytes two replicas of one name would take turns, and still both be guarded.
    let _ = rand::fill(&mut bytes);
    let host = std::env::var("HOSTNAME").unwrap_or_else(|_| "spawner".to_owned());
    format!("{host}_{:016x}", u64::from_be_bytes(bytes))
}
