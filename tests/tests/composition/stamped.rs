//! Pods that a controller stamps out.

use anyhow::{Context as _, Result};
use contract::{label, pod as names};
use k8s_openapi::api::{
    apps::v1::{Deployment, ReplicaSet},
    rbac::v1::{Role, RoleBinding},
};
use kube::{
    Api, ResourceExt as _,
    api::{DeleteParams, ListParams},
};
use serde_json::{Value, json};
use tests::{
    install::{TENANT, apply},
    patience,
    pods::{injected, labeled},
    stage::Admission,
};

use crate::LEARNING;

/// A user whom Keycloak need not know: no scheduler looks at the pod.
const STAMPED: &str = "acacacac-2222-4333-8444-555555555555";

/// A Deployment's pods are created by a controller: it needs the right to use the user like anybody.
#[tokio::test]
async fn a_deployments_pods_need_a_grant_and_are_injected_with_it() -> Result<()> {
    let admission = Admission::set().await?;
    let client = &admission.kube;
    let deployments = Api::<Deployment>::namespaced(client.clone(), TENANT);
    forget(&admission).await?;
    apply(&deployments, stamp()?).await?;
    let refused = patience::until(LEARNING, || async { Ok(refusal(&admission).await?.is_some()) });
    refused.await.context("the controller was not refused")?;
    let said = refusal(&admission).await?.unwrap_or_default();
    for part in
        ["replicaset-controller", "needs the verb 'use'", STAMPED, "kubectl create rolebinding"]
    {
        assert!(said.contains(part), "{part} in: {said}");
    }
    grant(&admission).await?;
    let selector = ListParams::default().labels(&format!("{}={STAMPED}", label::USER));
    let pods = admission.pods.api();
    let stamped =
        patience::until(LEARNING, || async { Ok(!pods.list(&selector).await?.items.is_empty()) });
    let stamped = stamped.await.context("the controller did not try again");
    let seen = pods.list(&selector).await?.items;
    forget(&admission).await?;
    stamped?;
    for pod in seen {
        assert_eq!(injected(&pod).init_containers, [names::TOKEN_SYNC, names::AUTH_SIDECAR]);
    }
    Ok(())
}

const STAMP: &str = "stamp";

fn stamp() -> Result<Value> {
    let mut pod = labeled(STAMP, STAMPED)?;
    pod.spec.as_mut().context("a spec")?.scheduler_name = Some("nobody".to_owned());
    let labels = pod.labels().clone();
    let template = json!({"metadata": {"labels": labels}, "spec": pod.spec});
    let spec = json!({"replicas": 1, "selector": {"matchLabels": labels}, "template": template});
    Ok(json!({"metadata": {"name": STAMP}, "spec": spec}))
}

/// What the ReplicaSet controller was told.
async fn refusal(admission: &Admission) -> Result<Option<String>> {
    let sets = Api::<ReplicaSet>::namespaced(admission.kube.clone(), TENANT);
    let selector = ListParams::default().labels(&format!("{}={STAMPED}", label::USER));
    let sets = sets.list(&selector).await?;
    let conditions = sets.items.into_iter().filter_map(|set| set.status?.conditions).flatten();
    Ok(conditions.filter(|c| c.type_ == "ReplicaFailure").find_map(|c| c.message))
}

/// Lets the controller create pods of this one user.
async fn grant(admission: &Admission) -> Result<()> {
    let rule = json!({"apiGroups": [label::USE_GROUP], "resources": [label::USE_RESOURCE],
        "resourceNames": [STAMPED], "verbs": [label::USE_VERB]});
    let role = json!({"metadata": {"name": STAMP}, "rules": [rule]});
    apply(&Api::<Role>::namespaced(admission.kube.clone(), TENANT), role).await?;
    let controller = json!({"kind": "ServiceAccount", "name": "replicaset-controller", "namespace": "kube-system"});
    let role = json!({"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": STAMP});
    let binding = json!({"metadata": {"name": STAMP}, "roleRef": role, "subjects": [controller]});
    apply(&Api::<RoleBinding>::namespaced(admission.kube.clone(), TENANT), binding).await.map(drop)
}

/// Takes Deployment and grant away, if they are there, and waits until the pods are gone.
async fn forget(admission: &Admission) -> Result<()> {
    let client = &admission.kube;
    let now = DeleteParams::background().grace_period(0);
    drop(Api::<RoleBinding>::namespaced(client.clone(), TENANT).delete(STAMP, &now).await);
    drop(Api::<Role>::namespaced(client.clone(), TENANT).delete(STAMP, &now).await);
    drop(Api::<Deployment>::namespaced(client.clone(), TENANT).delete(STAMP, &now).await);
    let selector = ListParams::default().labels(&format!("{}={STAMPED}", label::USER));
    let sets = Api::<ReplicaSet>::namespaced(client.clone(), TENANT);
    let gone = || async {
        let pods = admission.pods.api().list(&selector).await?;
        Ok(pods.items.is_empty() && sets.list(&selector).await?.items.is_empty())
    };
    patience::until(LEARNING, gone).await.context("the Deployment's pods do not go")
}
