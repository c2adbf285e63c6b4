//! Clears away NetworkPolicies of pods that are gone. Nothing else is swept: the gateway Secret and
//! the home outlive every pod.

use std::time::Duration;

use contract::{UserId, annotation, object};
use k8s_openapi::{apimachinery::pkg::apis::meta::v1::ObjectMeta, jiff::Timestamp};

use crate::{
    cluster::{Cluster, Fault},
    stop::LastStop,
    watch::Pods,
};

/// A policy that a start needed within this time stays: its pod may be about to be created.
const SETTLED: Duration = Duration::from_secs(3600);
/// How long a policy stays for what is noted on it alone: how the pod ended.
const REMEMBERED: Duration = Duration::from_secs(7 * 24 * 3600);

/// Deletes every policy of ours without a pod. Each start writes to its policy first, so a start that
/// begins after the list makes the delete fail.
pub(super) async fn sweep(cluster: &Cluster, pods: &Pods) -> Result<(), Fault> {
    let now = Timestamp::now();
    for policy in cluster.network_policies().await? {
        if let Some(user) = orphan_of(&policy, now)
            && pods.of(&user).is_some_and(|seen| seen.pod.is_none())
        {
            cluster.delete_network_policy(&policy).await?;
            tracing::info!(target: "audit", action = "sweep", %user, outcome = "networkpolicy");
        }
    }
    Ok(())
}

/// The user whose policy it is, if no start has needed it for long and nobody will ask for what it
/// notes.
fn orphan_of(policy: &ObjectMeta, now: Timestamp) -> Option<UserId> {
    let name = policy.name.as_deref()?;
    let user: UserId = name.strip_prefix("openclaw-")?.parse().ok()?;
    let started = policy
        .annotations
        .as_ref()
        .and_then(|all| all.get(annotation::STARTED)?.parse::<Timestamp>().ok())
        .or_else(|| policy.creation_timestamp.as_ref().map(|time| time.0))?;
    let noted = policy.annotations.as_ref().and_then(LastStop::noted);
    let since = |at: Timestamp, time| at.saturating_add(time).unwrap_or(Timestamp::MAX) <= now;
    let settled = since(started, SETTLED) && noted.is_none_or(|last| since(last.at, REMEMBERED));
    (object::network_policy(&user) == name && settled).then_some(user)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const USER: &str = "11111111-2222-4333-8444-555555555555";

    #[test]
    fn what_is_noted_on_a_policy_keeps_it_for_a_week() {
        let orphan = |last: &str| {
            let policy = json!({
                "name": format!("openclaw-{USER}"), "creationTimestamp": "2026-11-01T11:00:00Z",
                "annotations": {"catalyst.openova.io/openclaw-last-stop": last},
            });
            let now = "2026-11-23T12:00:00Z".parse().unwrap();
            orphan_of(&serde_json::from_value(policy).unwrap(), now).is_some()
        };
        assert!(!orphan("2026-11-16T12:00:01Z idle"));
        assert!(orphan("2026-11-16T12:00:00Z idle"));
        assert!(orphan("what nobody can read"));
    }

    #[test]
    fn only_a_users_policy_that_no_start_has_needed_for_an_hour_is_an_orphan() {
        let orphan = |name: &str, created: &str, started: Option<&str>| {
            let annotations = started.map(|at| json!({"catalyst.openova.io/openclaw-started": at}));
            let meta =
                json!({"name": name, "creationTimestamp": created, "annotations": annotations});
            orphan_of(
                &serde_json::from_value(meta).unwrap(),
                "2026-11-23T12:00:00Z".parse().unwrap(),
            )
        };
        let (name, old) = (format!("openclaw-{USER}"), "2026-11-23T11:00:00Z");
        assert!(orphan(&name, old, None).is_some());
        assert!(orphan(&name, old, Some(old)).is_some());
        assert!(orphan(&name, old, Some("2026-11-23T11:00:01Z")).is_none(), "a start needs it");
        assert!(orphan(&name, "2026-11-23T11:30:00Z", None).is_none());
        assert!(orphan("openclaw-users", old, None).is_none());
        assert!(orphan("openclaw-x", old, None).is_none());
    }
}
