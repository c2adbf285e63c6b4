//! The claims for users' homes.

use contract::{UserId, label, object};
use k8s_openapi::{api::core::v1::PersistentVolumeClaim, jiff::Timestamp};
use kube::api::{DeleteParams, GetParams, Preconditions};
use serde_json::Value;

use super::{Action, Cluster, Created, Deleted, Fault, MetadataOnly, created, fault::HOMES};

/// A user's home: the claim, as far as anybody asks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Home {
    uid: String,
    /// Whose it is, by its label.
    user: Option<String>,
    /// It is being deleted, and goes when its pod has gone.
    pub deleting: bool,
    /// `Pending`, `Bound` or `Lost`.
    pub phase: String,
    /// How large its volume is, or else how large it is to be: a Kubernetes quantity.
    pub size: Option<String>,
    /// When it was made.
    pub created: Option<Timestamp>,
}

impl Home {
    /// Whether the claim says that it is `user`'s.
    #[must_use]
    pub fn is_of(&self, user: &UserId) -> bool {
        self.user.as_deref() == Some(user.as_str())
    }

    fn of(claim: PersistentVolumeClaim) -> Self {
        let PersistentVolumeClaim { metadata, spec, status } = claim;
        let storage = "storage";
        let asked = spec.and_then(|spec| spec.resources?.requests?.remove(storage));
        let status = status.unwrap_or_default();
        let given = status.capacity.and_then(|mut capacity| capacity.remove(storage));
        Self {
            uid: metadata.uid.unwrap_or_default(),
            user: metadata.labels.and_then(|mut labels| labels.remove(label::USER)),
            deleting: metadata.deletion_timestamp.is_some(),
            phase: status.phase.unwrap_or_else(|| "Pending".to_owned()),
            size: given.or(asked).map(|size| size.0),
            created: metadata.creation_timestamp.map(|time| time.0),
        }
    }
}

impl Cluster {
    /// Reads the claim for `user`'s home. `None` if there is none.
    pub async fn home(&self, user: &UserId) -> Result<Option<Home>, Fault> {
        let action = Action { verb: "get", resource: HOMES };
        let request = self
            .requests::<PersistentVolumeClaim>()
            .get(&object::home(user), &GetParams::default());
        match self.call(action, request).await {
            Ok(claim) => Ok(Some(Home::of(claim))),
            Err(fault) if fault.is_not_found() => Ok(None),
            Err(fault) => Err(fault),
        }
    }

    /// Creates a claim. Of all who try at once, one gets [`Created::New`].
    pub async fn create_home(&self, claim: &Value) -> Result<Created<()>, Fault> {
        let action = Action { verb: "create", resource: HOMES };
        let request = self.creation::<PersistentVolumeClaim>(claim);
        created(self.call::<MetadataOnly>(action, request).await.map(drop))
    }

    /// Deletes `user`'s claim if it is still this `home`, and with it, by the storage class's reclaim
    /// policy, what is in it. The API server keeps it until no pod uses it (`kubernetes.io/pvc-protection`).
    pub async fn delete_home(&self, user: &UserId, home: &Home) -> Result<Deleted, Fault> {
        let action = Action { verb: "delete", resource: HOMES };
        let guard = Preconditions { uid: Some(home.uid.clone()), ..Preconditions::default() };
        let params = DeleteParams::default().preconditions(guard);
        let request = self.requests::<PersistentVolumeClaim>().delete(&object::home(user), &params);
        match self.call::<MetadataOnly>(action, request).await {
            Ok(_) => Ok(Deleted::Yes),
            Err(fault) if fault.is_not_found() => Ok(Deleted::Gone),
            Err(fault) if fault.is_conflict() => Ok(Deleted::Replaced),
            Err(fault) => Err(fault),
        }
    }
}
