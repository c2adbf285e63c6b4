//! What users cost as there are more of them: a replica's memory and start, what it asks the API server
//! for and is sent, and what the API server keeps. First users with a pod, then users asleep, of whom
//! there is a claim and a NetworkPolicy.

use std::{future::Future, time::Duration};

use anyhow::Result;
use bench_results::Results;
use contract::object;
use k8s_openapi::api::{core::v1::PersistentVolumeClaim, networking::v1::NetworkPolicy};
use kube::{
    Api,
    api::{DeleteParams, ListParams, PostParams},
};
use serde_json::json;
use tokio::{task::JoinSet, time::sleep};

use super::{
    Bench,
    cluster::{AT_ONCE, PAGE, TENANT},
    pods::at,
    replica::Replica,
    user::user,
};

/// The first number of the users, so that they are nobody else's.
const FIRST: usize = 3_000_000;
/// How long a replica rests before it is weighed.
const SETTLE: Duration = Duration::from_secs(3);
/// How long it is watched at rest: longer than one watch call and one look of the reaper last.
const WATCHED: Duration = Duration::from_secs(75);
/// Changes of a pod whose events are weighed.
const CHANGES: usize = 100;

const WITH_A_POD: &str = "users with a pod";
const ASLEEP: &str = "users asleep";

/// Measures at each number of users that was asked for, from the smallest up.
pub(super) async fn measure(bench: &Bench, report: &mut Results) -> Result<()> {
    let mut sizes = bench.args.growth.clone();
    sizes.sort_unstable();
    let mut known = 0;
    for &size in &sizes {
        eprintln!("… growth: {size} {WITH_A_POD}");
        let pods = (known..size).map(|number| {
            let user = user(FIRST + number);
            Ok((user.clone(), bench.setup.pod_of(&user)?, at(number)))
        });
        bench.cluster.create_ready(pods.collect::<Result<_>>()?).await?;
        among(bench, WITH_A_POD, size, report).await?;
        known = size;
    }
    changes(bench, report).await?;
    bench.cluster.remove_pods().await?;
    let homes = Homes::of(bench)?;
    known = 0;
    for &size in &sizes {
        eprintln!("… growth: {size} {ASLEEP}");
        homes.create((known..size).map(|number| user(FIRST + number))).await?;
        among(bench, ASLEEP, size, report).await?;
        known = size;
    }
    homes.remove().await
}

/// One replica among so many users: its start, then its rest.
async fn among(bench: &Bench, per: &str, size: usize, report: &mut Results) -> Result<()> {
    let (before, mark) = (bench.cluster.account().await?, bench.audit.mark()?);
    let replica = Replica::start(&bench.setup, &[]).await?;
    sleep(SETTLE).await;
    let (started, mark_started) = (bench.cluster.account().await?, bench.audit.mark()?);
    let memory = replica.program().memory()?;
    let calls = count(bench.audit.since(mark)?.len());
    sleep(WATCHED).await;
    let (rested, calls_at_rest) =
        (bench.cluster.account().await?, count(bench.audit.since(mark_started)?.len()));
    let a_minute = 60.0 / WATCHED.as_secs_f64();
    let mut tell = |name, unit, value| report.grows(name, unit, per, count(size), value);
    tell("RSS of a replica", "MB", memory.rss);
    tell("start of a replica", "s", replica.boot.as_secs_f64());
    tell("sent to a replica at its start", "kB", (started.sent - before.sent) / 1e3);
    tell("calls of a replica at its start", "", calls);
    tell("sent to a replica a minute", "kB", (rested.sent - started.sent) / 1e3 * a_minute);
    tell("calls of a replica a minute", "", calls_at_rest * a_minute);
    tell("RSS of the API server", "MB", rested.memory / 1e6);
    tell("etcd's file", "MB", rested.stored / 1e6);
    replica.stop().await
}

/// What a replica is sent when a pod changes.
async fn changes(bench: &Bench, report: &mut Results) -> Result<()> {
    let replica = Replica::start(&bench.setup, &[]).await?;
    sleep(SETTLE).await;
    let before = bench.cluster.account().await?;
    for number in 0..CHANGES {
        // Somewhere else than before, or nothing would change.
        bench.cluster.set_ready(&user(FIRST), at(number + 1)).await?;
    }
    sleep(SETTLE).await;
    let sent = bench.cluster.account().await?.sent - before.sent;
    // The API server answers the change, too, with the same object.
    report.note("sent to a replica for a change of a pod", "kB", sent / 2e3 / count(CHANGES));
    replica.stop().await
}

/// What there is of users without a pod.
struct Homes {
    claims: Api<PersistentVolumeClaim>,
    policies: Api<NetworkPolicy>,
    /// The policy of each, with the user left open.
    policy: String,
}

impl Homes {
    fn of(bench: &Bench) -> Result<Self> {
        let client = &bench.cluster.client;
        Ok(Self {
            claims: Api::namespaced(client.clone(), TENANT),
            policies: Api::namespaced(client.clone(), TENANT),
            policy: std::fs::read_to_string(bench.folder.join("network-policy.yaml"))?,
        })
    }

    async fn create(&self, users: impl Iterator<Item = String>) -> Result<()> {
        let mut writers = JoinSet::new();
        for user in users {
            if writers.len() == AT_ONCE {
                finished(&mut writers).await?;
            }
            writers.spawn(self.home_of(&user)?);
        }
        while !writers.is_empty() {
            finished(&mut writers).await?;
        }
        Ok(())
    }

    fn home_of(&self, user: &str) -> Result<impl Future<Output = Result<()>> + Send + use<>> {
        let policy: NetworkPolicy =
            serde_norway::from_str(&self.policy.replace("${USER_UUID}", user))?;
        let claim: PersistentVolumeClaim = serde_json::from_value(json!({
            "metadata": {"name": object::home(&user.parse()?)},
            "spec": {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "5Gi"}}},
        }))?;
        let (claims, policies) = (self.claims.clone(), self.policies.clone());
        Ok(async move {
            claims.create(&PostParams::default(), &claim).await?;
            policies.create(&PostParams::default(), &policy).await?;
            Ok(())
        })
    }

    /// Everybody's, some hundred with each call.
    async fn remove(&self) -> Result<()> {
        let (now, page, one) = (
            DeleteParams::default(),
            ListParams::default().limit(PAGE),
            ListParams::default().limit(1),
        );
        while !self.claims.list_metadata(&one).await?.items.is_empty() {
            self.claims.delete_collection(&now, &page).await?;
        }
        while !self.policies.list_metadata(&one).await?.items.is_empty() {
            self.policies.delete_collection(&now, &page).await?;
        }
        Ok(())
    }
}

async fn finished(writers: &mut JoinSet<Result<()>>) -> Result<()> {
    writers.join_next().await.map_or(Ok(Ok(())), |ended| ended)?
}

#[expect(clippy::cast_precision_loss, reason = "far below 2^52")]
const fn count(number: usize) -> f64 {
    number as f64
}
