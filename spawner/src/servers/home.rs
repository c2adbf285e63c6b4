//! The user's home. It is made once, before the first pod, and belongs to no pod: sleep, restarts and
//! crashes leave it alone. Only a purge deletes it.

use contract::{UserId, object};
use serde_json::Value;

use super::{ATTEMPTS, ServerError, Servers};
use crate::{
    cluster::{Created, Deleted, Home, Refusal},
    stop::Stop,
};

/// How a purge went.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Purged {
    /// There is no home.
    Gone,
    /// It is deleted, and goes when its pod has gone.
    Deleting,
}

impl Purged {
    fn name(self) -> &'static str {
        match self {
            Self::Gone => "gone",
            Self::Deleting => "deleting",
        }
    }
}

impl Servers {
    /// The home of `user`, if there is one.
    pub async fn home(&self, user: &UserId) -> Result<Option<Home>, ServerError> {
        if !self.blueprint.has_home() {
            return Err(ServerError::NoHomes);
        }
        match self.cluster.home(user).await? {
            Some(home) if !home.is_of(user) => {
                Err(ServerError::NotTheUsersHome(object::home(user)))
            }
            home => Ok(home),
        }
    }

    /// Deletes `user`'s home for good, and stops the pod, which uses it. Repeating it does no harm.
    ///
    /// The claim goes first: from then on no start takes it. A start on another replica that has read
    /// it just before makes a pod that finds no volume, which the pod's state then tells.
    pub async fn purge(&self, user: &UserId, stop: &Stop) -> Result<Purged, ServerError> {
        let purged = self.try_purge(user, stop).await;
        let outcome = purged.as_ref().map_or_else(ServerError::reason, |purged| purged.name());
        self.metrics.purge(outcome);
        let by = stop.by.as_ref().unwrap_or(user).as_str();
        match &purged {
            Ok(_) => tracing::info!(target: "audit", action = "purge", %user, by, outcome),
            Err(error) => {
                tracing::warn!(target: "audit", action = "purge", %user, by, outcome, %error);
            }
        }
        purged
    }

    async fn try_purge(&self, user: &UserId, stop: &Stop) -> Result<Purged, ServerError> {
        // No start of this replica is between reading the claim and creating the pod.
        let turn = self.pods.follow(user).turn();
        let _turn = turn.lock().await;
        for _ in 0..ATTEMPTS {
            let Some(home) = self.home(user).await? else { return Ok(Purged::Gone) };
            if !home.deleting {
                match self.cluster.delete_home(user, &home).await? {
                    Deleted::Yes | Deleted::Gone => {}
                    Deleted::Replaced => continue,
                }
            }
            self.stop(user, stop).await?;
            return Ok(Purged::Deleting);
        }
        Err(ServerError::Restless(object::home(user)))
    }

    /// Makes sure that `user` has a home. Who has one costs no write, and no quota stands against it.
    pub(super) async fn ensure_home(
        &self,
        user: &UserId,
        claim: &Value,
    ) -> Result<(), ServerError> {
        if let Some(home) = self.home(user).await? {
            return usable(user, &home);
        }
        let refused = match self.cluster.create_home(claim).await {
            Ok(Created::New(())) => return Ok(()),
            Ok(Created::Exists) => None,
            // Whoever was faster may have used up the last of it.
            Err(fault) if fault.refusal() == Refusal::Quota => Some(fault),
            Err(fault) => return Err(fault.into()),
        };
        match (self.home(user).await?, refused) {
            (Some(home), _) => usable(user, &home),
            (None, Some(fault)) => Err(fault.into()),
            (None, None) => Err(ServerError::Restless(object::home(user))),
        }
    }
}

/// Nothing is started on a home that is about to go.
fn usable(user: &UserId, home: &Home) -> Result<(), ServerError> {
    if home.deleting { Err(ServerError::HomeDeleting(object::home(user))) } else { Ok(()) }
}
