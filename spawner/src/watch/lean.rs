//! A pod as the watch reads it. Of what the API server sends, by far the most is skipped while it is
//! parsed: who manages which field, and what the containers are made of.

use std::{borrow::Cow, collections::BTreeMap};

use k8s_openapi::{
    NamespaceResourceScope,
    api::core::v1::{Container, Pod, PodSpec, PodStatus},
    apimachinery::pkg::apis::meta::v1::{ObjectMeta, Time},
};
use kube::Resource;
use serde::{Deserialize, Deserializer};

/// A pod with what [`crate::pod::PodView`] asks for and nothing else.
#[derive(Clone, Debug)]
pub(super) struct LeanPod(pub(super) Pod);

#[derive(Deserialize)]
struct Wire {
    metadata: Metadata,
    spec: Option<Spec>,
    status: Option<PodStatus>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Metadata {
    name: Option<String>,
    uid: Option<String>,
    resource_version: Option<String>,
    creation_timestamp: Option<Time>,
    deletion_timestamp: Option<Time>,
    labels: Option<BTreeMap<String, String>>,
    annotations: Option<BTreeMap<String, String>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Spec {
    init_containers: Option<Vec<Named>>,
}

#[derive(Deserialize)]
struct Named {
    name: String,
}

impl<'de> Deserialize<'de> for LeanPod {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let Wire { metadata, spec, status } = Wire::deserialize(deserializer)?;
        let metadata = ObjectMeta {
            name: metadata.name,
            uid: metadata.uid,
            resource_version: metadata.resource_version,
            creation_timestamp: metadata.creation_timestamp,
            deletion_timestamp: metadata.deletion_timestamp,
            labels: metadata.labels,
            annotations: metadata.annotations,
            ..ObjectMeta::default()
        };
        let named = |Named { name }| Container { name, ..Container::default() };
        let lean = |Spec { init_containers }| PodSpec {
            init_containers: init_containers.map(|all| all.into_iter().map(named).collect()),
            ..PodSpec::default()
        };
        Ok(Self(Pod { metadata, spec: spec.map(lean), status }))
    }
}

/// The same resource as [`Pod`].
impl Resource for LeanPod {
    type DynamicType = ();
    type Scope = NamespaceResourceScope;

    fn kind((): &()) -> Cow<'_, str> {
        Pod::kind(&())
    }

    fn group((): &()) -> Cow<'_, str> {
        Pod::group(&())
    }

    fn version((): &()) -> Cow<'_, str> {
        Pod::version(&())
    }

    fn plural((): &()) -> Cow<'_, str> {
        Pod::plural(&())
    }

    fn meta(&self) -> &ObjectMeta {
        &self.0.metadata
    }

    fn meta_mut(&mut self) -> &mut ObjectMeta {
        &mut self.0.metadata
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::pod::PodView;

    #[test]
    fn a_lean_pod_tells_what_the_whole_one_tells() {
        let user = "11111111-2222-4333-8444-555555555555";
        let whole = json!({
            "apiVersion": "v1",
            "kind": "Pod",
            "metadata": {
                "name": format!("openclaw-{user}"),
                "uid": "u-1",
                "resourceVersion": "17",
                "creationTimestamp": "2026-01-01T00:00:00Z",
                "deletionTimestamp": "2026-01-02T00:00:00Z",
                "labels": {contract::label::USER: user, contract::label::SLEEP: contract::label::SLEEP_NEVER},
                "annotations": {contract::annotation::TEMPLATE: "hash"},
                "managedFields": [{"manager": "kubelet", "fieldsV1": {"f:status": {}}}],
            },
            "spec": {
                "initContainers": [{"name": contract::pod::AUTH_SIDECAR, "image": "sidecar:1"}],
                "containers": [{"name": "runtime", "image": "runtime:1"}],
            },
            "status": {
                "phase": "Running",
                "podIP": "10.1.2.3",
                "conditions": [{"type": "Ready", "status": "True", "lastTransitionTime": "2026-01-01T00:00:09Z"}],
                "containerStatuses": [{
                    "name": "runtime", "image": "runtime:1", "imageID": "", "ready": true,
                    "restartCount": 2, "state": {"running": {}},
                }],
            },
        });
        let lean: LeanPod = serde_json::from_value(whole.clone()).unwrap();
        let whole: Pod = serde_json::from_value(whole).unwrap();
        let (lean, whole) = (PodView::of(lean.0).unwrap(), PodView::of(whole).unwrap());
        assert_eq!(lean, whole);
        assert!(lean.ready && lean.injected && lean.never_sleeps && lean.stopping);
    }
}
