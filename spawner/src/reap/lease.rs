//! Which replica reaps: the one that holds a Lease. Another replica's clock is never believed: a
//! Lease is over when this replica has not seen it change for its whole duration.

use std::time::Duration;

use k8s_openapi::{
    api::coordination::v1::{Lease, LeaseSpec},
    apimachinery::pkg::apis::meta::v1::MicroTime,
    jiff::Timestamp,
};
use tokio::time::{Instant, sleep};

use crate::cluster::{Cluster, Created, Fault};

/// How long a Lease holds without a renewal.
const DURATION: Duration = Duration::from_secs(12);
/// How often the holder renews and the others look: a holder that is gone is followed after 15 s.
const INTERVAL: Duration = Duration::from_secs(3);
/// Without a renewal for this long the holder stops, before another one can begin.
const GIVE_UP: Duration = Duration::from_secs(8);

/// One replica's candidacy.
#[derive(Debug)]
pub(super) struct Candidate {
    cluster: Cluster,
    identity: String,
    /// The Lease as it was seen first in this version, and when that was.
    seen: Option<(String, Instant)>,
}

/// What a Lease says about `me`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Standing {
    Mine,
    Free,
    Theirs,
}

impl Candidate {
    /// `identity` must be another one after every start.
    pub(super) fn new(cluster: Cluster, identity: String) -> Self {
        Self { cluster, identity, seen: None }
    }

    /// Waits until the Lease is held.
    pub(super) async fn elected(&mut self) {
        loop {
            match self.attempt().await {
                Ok(true) => {
                    tracing::info!(identity = self.identity, "this replica reaps now");
                    return;
                }
                Ok(false) => {}
                Err(error) => tracing::warn!(%error, "the reaper's Lease cannot be had"),
            }
            sleep(INTERVAL).await;
        }
    }

    /// Renews the Lease until it is lost.
    pub(super) async fn deposed(&mut self) {
        let mut renewed = Instant::now();
        while renewed.elapsed() < GIVE_UP {
            sleep(INTERVAL).await;
            // A call that hangs must not outlast the Lease.
            let left = GIVE_UP.saturating_sub(renewed.elapsed());
            let begun = Instant::now();
            match tokio::time::timeout(left, self.attempt()).await {
                Ok(Ok(true)) => renewed = begun,
                Ok(Ok(false)) => break,
                Ok(Err(error)) => tracing::warn!(%error, "the reaper's Lease cannot be renewed"),
                Err(_elapsed) => {}
            }
        }
        tracing::warn!(identity = self.identity, "another replica reaps from now on");
    }

    /// Gives the Lease back, if it is held, so that another replica need not wait for its end.
    pub(super) async fn resign(&self) -> Result<(), Fault> {
        let Some(mut lease) = self.cluster.lease(NAME).await? else { return Ok(()) };
        let spec = lease.spec.get_or_insert_default();
        if spec.holder_identity.as_deref() == Some(self.identity.as_str()) {
            spec.holder_identity = None;
            self.cluster.replace_lease(NAME, &lease).await?;
        }
        Ok(())
    }

    /// Whether the Lease is held now.
    async fn attempt(&mut self) -> Result<bool, Fault> {
        let now = Timestamp::now();
        let Some(mut lease) = self.cluster.lease(NAME).await? else {
            let lease = renewed(Lease::default(), &self.identity, now);
            return Ok(matches!(self.cluster.create_lease(NAME, lease).await?, Created::New(())));
        };
        let version = lease.metadata.resource_version.clone().unwrap_or_default();
        let seen_at = match &self.seen {
            Some((seen, at)) if *seen == version => *at,
            _ => Instant::now(),
        };
        self.seen = Some((version, seen_at));
        let spec = lease.spec.get_or_insert_default();
        if standing(spec, &self.identity, seen_at.elapsed()) == Standing::Theirs {
            return Ok(false);
        }
        self.cluster.replace_lease(NAME, &renewed(lease, &self.identity, now)).await
    }
}

/// Of whom the Lease is that has not changed for `unchanged`.
fn standing(spec: &LeaseSpec, me: &str, unchanged: Duration) -> Standing {
    let duration = spec.lease_duration_seconds.and_then(|seconds| u64::try_from(seconds).ok());
    match spec.holder_identity.as_deref() {
        None | Some("") => Standing::Free,
        Some(holder) if holder == me => Standing::Mine,
        Some(_) if unchanged >= duration.map_or(DURATION, Duration::from_secs) => Standing::Free,
        Some(_) => Standing::Theirs,
    }
}

/// The Lease, held by `me` from `now` on.
fn renewed(mut lease: Lease, me: &str, now: Timestamp) -> Lease {
    let spec = lease.spec.get_or_insert_default();
    if spec.holder_identity.as_deref() != Some(me) {
        spec.holder_identity = Some(me.to_owned());
        spec.acquire_time = Some(MicroTime(now));
        spec.lease_transitions = Some(spec.lease_transitions.unwrap_or(0).saturating_add(1));
    }
    spec.lease_duration_seconds = i32::try_from(DURATION.as_secs()).ok();
    spec.renew_time = Some(MicroTime(now));
    lease
}

/// The Lease's name.
const NAME: &str = "openclaw-spawner-reaper";

#[cfg(test)]
mod tests {
    use super::*;

    fn held_by(holder: &str, renewed_at: &str) -> Lease {
        renewed(Lease::default(), holder, renewed_at.parse().unwrap())
    }

    #[test]
    fn a_lease_is_over_by_our_own_clock_alone() {
        for time in ["1999-01-01T00:00:00Z", "2099-01-01T00:00:00Z"] {
            let spec = held_by("one", time).spec.unwrap();
            assert_eq!(standing(&spec, "two", DURATION - INTERVAL), Standing::Theirs, "{time}");
            assert_eq!(standing(&spec, "two", DURATION), Standing::Free, "{time}");
            assert_eq!(standing(&spec, "one", Duration::ZERO), Standing::Mine, "{time}");
        }
    }

    #[test]
    fn a_lease_that_was_given_back_is_free() {
        let mut spec = held_by("one", "2026-11-23T12:00:00Z").spec.unwrap();
        spec.holder_identity = None;
        assert_eq!(standing(&spec, "two", Duration::ZERO), Standing::Free);
        assert_eq!(standing(&LeaseSpec::default(), "two", Duration::ZERO), Standing::Free);
    }

    #[test]
    fn a_change_of_holder_is_counted_and_a_renewal_is_not() {
        let time = "2026-11-23T12:00:00Z".parse().unwrap();
        let first = renewed(Lease::default(), "one", time);
        let again = renewed(first.clone(), "one", time);
        assert_eq!(first, again);
        let next = renewed(again, "two", time).spec.unwrap();
        assert_eq!(
            (next.lease_transitions, next.holder_identity.as_deref()),
            (Some(2), Some("two"))
        );
    }

    #[test]
    fn the_holder_stops_before_another_can_begin() {
        assert!(GIVE_UP < DURATION);
        assert!(DURATION + 2 * INTERVAL < Duration::from_secs(20), "goal of the takeover");
    }
}
