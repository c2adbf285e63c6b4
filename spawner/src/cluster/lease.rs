//! The Lease of the reaper.

use contract::label;
use k8s_openapi::api::coordination::v1::Lease;
use kube::api::{GetParams, PostParams};

use super::{Action, Cluster, Created, Fault, MetadataOnly, created};

impl Cluster {
    /// Reads the Lease. `None` if there is none.
    pub async fn lease(&self, name: &str) -> Result<Option<Lease>, Fault> {
        let action = Action { verb: "get", resource: "leases" };
        let request = self.requests::<Lease>().get(name, &GetParams::default());
        match self.call(action, request).await {
            Ok(lease) => Ok(Some(lease)),
            Err(fault) if fault.is_not_found() => Ok(None),
            Err(fault) => Err(fault),
        }
    }

    /// Creates the Lease. Of all who try at once, one gets [`Created::New`].
    pub async fn create_lease(&self, name: &str, mut lease: Lease) -> Result<Created<()>, Fault> {
        let action = Action { verb: "create", resource: "leases" };
        lease.metadata.name = Some(name.to_owned());
        let labels = lease.metadata.labels.get_or_insert_default();
        labels.insert(label::MANAGED_BY.to_owned(), label::MANAGED_BY_SPAWNER.to_owned());
        let body = serde_json::to_vec(&lease).unwrap_or_default();
        let request = self.requests::<Lease>().create(&PostParams::default(), body);
        created(self.call::<MetadataOnly>(action, request).await.map(drop))
    }

    /// Writes the Lease. Whether it was still as it had been read.
    pub async fn replace_lease(&self, name: &str, lease: &Lease) -> Result<bool, Fault> {
        let action = Action { verb: "update", resource: "leases" };
        let body = serde_json::to_vec(lease).unwrap_or_default();
        let request = self.requests::<Lease>().replace(name, &PostParams::default(), body);
        match self.call::<MetadataOnly>(action, request).await {
            Ok(_) => Ok(true),
            Err(fault) if fault.is_conflict() || fault.is_not_found() => Ok(false),
            Err(fault) => Err(fault),
        }
    }
}
