//! The users' NetworkPolicies.

use contract::{UserId, annotation, label, object};
use k8s_openapi::{
    api::networking::v1::NetworkPolicy, apimachinery::pkg::apis::meta::v1::ObjectMeta,
};
use kube::api::{DeleteParams, ListParams, Patch, PatchParams, Preconditions};
use serde_json::{Value, json};

use super::{Action, Cluster, Fault, MetadataOnly};
use crate::stop::LastStop;

#[derive(serde::Deserialize)]
struct MetadataList {
    items: Vec<MetadataOnly>,
}

impl Cluster {
    /// Creates the NetworkPolicy or brings it up to the template, by server-side apply; its metadata,
    /// with what others wrote there.
    pub async fn apply_network_policy(
        &self,
        name: &str,
        policy: &Value,
    ) -> Result<ObjectMeta, Fault> {
        let action = Action { verb: "patch", resource: "networkpolicies" };
        let params = PatchParams::apply(label::MANAGED_BY_SPAWNER).force();
        let request = self.requests::<NetworkPolicy>().patch(name, &params, &Patch::Apply(policy));
        Ok(self.call::<MetadataOnly>(action, request).await?.metadata)
    }

    /// Notes on `user`'s NetworkPolicy, which outlives the pod, how that ended. A merge patch, whose
    /// fields an apply leaves alone. Without a policy nothing is noted.
    pub async fn note_last_stop(&self, user: &UserId, last: &LastStop) -> Result<(), Fault> {
        let action = Action { verb: "patch", resource: "networkpolicies" };
        let patch = json!({"metadata": {"annotations": { (annotation::LAST_STOP): last.text() }}});
        let params = PatchParams {
            field_manager: Some(label::MANAGED_BY_SPAWNER.to_owned()),
            ..PatchParams::default()
        };
        let name = object::network_policy(user);
        let requests = self.requests::<NetworkPolicy>();
        let request = requests.patch_metadata(&name, &params, &Patch::Merge(patch));
        match self.call::<MetadataOnly>(action, request).await {
            Err(fault) if !fault.is_not_found() => Err(fault),
            _ => Ok(()),
        }
    }

    /// What is noted there.
    pub async fn last_stop(&self, user: &UserId) -> Result<Option<LastStop>, Fault> {
        let action = Action { verb: "list", resource: "networkpolicies" };
        let name = format!("metadata.name={}", object::network_policy(user));
        let params = ListParams::default().fields(&name);
        let request = self.requests::<NetworkPolicy>().list_metadata(&params);
        let list: MetadataList = self.call(action, request).await?;
        let noted = |item: MetadataOnly| LastStop::noted(&item.metadata.annotations?);
        Ok(list.items.into_iter().find_map(noted))
    }

    /// The metadata of all that the spawner made.
    pub async fn network_policies(&self) -> Result<Vec<ObjectMeta>, Fault> {
        let action = Action { verb: "list", resource: "networkpolicies" };
        let ours = format!("{}={}", label::MANAGED_BY, label::MANAGED_BY_SPAWNER);
        let request =
            self.requests::<NetworkPolicy>().list_metadata(&ListParams::default().labels(&ours));
        let list: MetadataList = self.call(action, request).await?;
        Ok(list.items.into_iter().map(|item| item.metadata).collect())
    }

    /// Deletes `policy` if it is still as it was listed.
    pub async fn delete_network_policy(&self, policy: &ObjectMeta) -> Result<(), Fault> {
        let action = Action { verb: "delete", resource: "networkpolicies" };
        let guard = Preconditions {
            uid: policy.uid.clone(),
            resource_version: policy.resource_version.clone(),
        };
        let name = policy.name.as_deref().unwrap_or_default();
        let params = DeleteParams::default().preconditions(guard);
        let request = self.requests::<NetworkPolicy>().delete(name, &params);
        match self.call::<MetadataOnly>(action, request).await {
            Err(fault) if !fault.is_not_found() && !fault.is_conflict() => Err(fault),
            _ => Ok(()),
        }
    }
}
