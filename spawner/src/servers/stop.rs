//! Stopping, and stopping to start anew.

use std::{sync::Arc, time::Duration};

use contract::{UserId, object};
use k8s_openapi::jiff::Timestamp;

use super::{ATTEMPTS, ServerError, Servers, WATCH_LAG};
use crate::{
    cluster::Deleted,
    pod::PodView,
    stop::{LastStop, Stop},
    watch::{Follower, Snapshot},
};

/// How long a restart waits for the pod before to end: longer than any grace period of a template.
const RESTART_BUDGET: Duration = Duration::from_secs(600);

/// How a stop went.
#[derive(Debug)]
pub enum Stopped {
    /// There is no pod.
    Gone,
    /// The pod with this uid is on its way out.
    Stopping {
        /// Which pod.
        uid: String,
    },
}

impl Servers {
    /// Stops `user`'s pod, or calls off its start. The home and the gateway Secret stay. The pod says
    /// why from then on.
    pub async fn stop(&self, user: &UserId, stop: &Stop) -> Result<Stopped, ServerError> {
        let stopped = self.try_stop(user, stop).await;
        let outcome = match &stopped {
            Ok(Stopped::Gone) => "gone",
            Ok(Stopped::Stopping { .. }) => "stopping",
            Err(error) => error.reason(),
        };
        self.metrics.stop(outcome);
        let (by, why) = (stop.by.as_ref().unwrap_or(user).as_str(), stop.reason.name());
        match &stopped {
            Ok(_) => tracing::info!(target: "audit", action = "stop", %user, by, why, outcome),
            Err(error) => {
                tracing::warn!(target: "audit", action = "stop", %user, by, why, outcome, %error);
            }
        }
        stopped
    }

    /// Stops `user`'s pod and starts a new one when it is gone; at once if there was none. What becomes
    /// of the start is told in the audit log.
    pub async fn restart(&self, user: &UserId, stop: &Stop) -> Result<Stopped, ServerError> {
        let stopped = self.stop(user, stop).await?;
        let (servers, user) = (self.clone(), user.clone());
        match &stopped {
            Stopped::Gone => servers.start(&user, None).await.map(drop)?,
            Stopped::Stopping { uid } => {
                let uid = uid.clone();
                let mut follower = self.pods.follow(&user);
                tokio::spawn(async move {
                    follower.until(RESTART_BUDGET, |seen| !seen.is_pod(&uid)).await;
                    // Its error is in the audit log.
                    let _ = servers.start(&user, None).await;
                });
            }
        }
        Ok(stopped)
    }

    async fn try_stop(&self, user: &UserId, stop: &Stop) -> Result<Stopped, ServerError> {
        let mut follower = self.pods.follow(user);
        let name = object::pod(user);
        for _ in 0..ATTEMPTS {
            let Some(pod) = self.pod_to_stop(&name, &follower).await? else {
                return Ok(Stopped::Gone);
            };
            let uid = pod.uid.clone();
            if pod.stopping {
                return Ok(Stopped::Stopping { uid });
            }
            // Best effort: the stop counts, and not what is said about it.
            if let Err(error) = self.cluster.annotate_pod(&pod, None, &stop.annotations()).await {
                tracing::warn!(%user, %error, "the pod does not say why it is stopped");
            }
            match self.cluster.delete_pod(&name, &uid).await? {
                Deleted::Yes => {
                    self.note(user, stop).await;
                    return Ok(noticed(&mut follower, uid).await);
                }
                Deleted::Gone => return Ok(Stopped::Gone),
                // A pod that the watch has not brought yet: look again.
                Deleted::Replaced => {
                    follower.until(WATCH_LAG, |seen| !seen.is_pod(&uid)).await;
                }
            }
        }
        Err(ServerError::Restless(name))
    }

    /// Notes where it lasts why the pod was stopped. Best effort, as what the pod says itself.
    async fn note(&self, user: &UserId, stop: &Stop) {
        if !self.blueprint.has_network_policy() {
            return;
        }
        let last = LastStop::of_stop(stop, Timestamp::now());
        if let Err(error) = self.cluster.note_last_stop(user, &last).await {
            tracing::warn!(%user, %error, "a replica that begins later will not know of this stop");
        }
    }

    /// The pod, from the watch; if that shows none, from the API server, because a start on another
    /// replica may be younger than what the watch has brought.
    async fn pod_to_stop(
        &self,
        name: &str,
        follower: &Follower,
    ) -> Result<Option<Arc<PodView>>, ServerError> {
        if let Some(pod) = follower.now().pod {
            return Ok(Some(pod));
        }
        match self.cluster.pod(name).await? {
            None => Ok(None),
            Some(pod) => match PodView::of(pod) {
                Some(pod) => Ok(Some(Arc::new(pod))),
                None => Err(ServerError::NotTheUsers(name.to_owned())),
            },
        }
    }
}

/// Waits until the watch shows that the pod with this `uid` was deleted.
async fn noticed(follower: &mut Follower, uid: String) -> Stopped {
    let mut shown = false;
    let noticed = |seen: &Snapshot| {
        let is_there = seen.is_pod(&uid);
        let is_gone = shown && !is_there;
        shown |= is_there;
        is_gone || (is_there && seen.pod.as_ref().is_some_and(|pod| pod.stopping))
    };
    let seen = follower.until(WATCH_LAG, noticed).await;
    if shown && !seen.is_pod(&uid) { Stopped::Gone } else { Stopped::Stopping { uid } }
}
