//! The chart, installed with the real helm, and what an operator prepares for it: the tenant's
//! namespace and a NewAPI key for each user.

use std::{path::PathBuf, process::Command, time::Duration};

use anyhow::{Context as _, Result, bail, ensure};
use contract::secret;
use k8s_openapi::api::{
    apps::v1::Deployment,
    core::v1::{Namespace, Pod, Secret},
};
use kube::{
    Api, Client, Resource, ResourceExt as _,
    api::{DeleteParams, ListParams, Patch, PatchParams},
    runtime::wait::await_condition,
};
use serde::{Serialize, de::DeserializeOwned};
use serde_json::{Value, json};
use tokio::time::timeout;

use crate::{cluster::Cluster, keycloak, newapi::NewApi, patience, people::Person, pods::state_of};

/// The release.
pub const RELEASE: &str = "bp-openclaw";
/// Its namespace.
pub const SYSTEM: &str = "bp-openclaw";
/// The tenant's namespace: user pods and their Secrets.
pub const TENANT: &str = "acme";
/// Where the spawner answers, on every node.
pub const SPAWNER_NODE_PORT: u16 = 30080;

/// The address that people open: on this host, where [`crate::browser::Front`] ends TLS.
pub const PUBLIC_URL: &str = "https://localhost:30443";
/// Where operators sign in: the same, under a name of its own, which browsers find on this host too
/// (RFC 6761 section 6.3).
pub const CONTROL_URL: &str = "https://control.localhost:30443";
/// The Secret of the release's namespace with the secret of the client at Keycloak.
const CLIENT_SECRET: &str = "openclaw-client";

/// How long a rollout may take.
const ROLLOUT: Duration = Duration::from_secs(300);

/// Says which part of the release an object belongs to.
const COMPONENT: &str = "app.kubernetes.io/component";

/// Who wrote what the tests apply.
const MANAGER: &str = "bp-openclaw-tests";

/// The chart's values for this cluster.
///
/// # Errors
/// The cluster has no images yet.
pub fn values(cluster: &Cluster, issuer: &str, newapi_base_url: &str) -> Result<Value> {
    let tag = cluster.image_tag.as_str();
    ensure!(!cluster.runs_pods() || !tag.is_empty(), "the cluster has no images: `make images`");
    let image = |name: &str| json!({"repository": format!("{}/bp-openclaw/{name}", cluster.registry), "tag": tag});
    let images: serde_json::Map<_, _> = ["webhook", "sidecar", "spawner", "runtime"]
        .map(|name| (name.to_owned(), image(name)))
        .into_iter()
        .collect();
    Ok(json!({
        "assertNoPlaceholders": true,
        "keycloak": {
            "realmURL": issuer, "audience": keycloak::CLIENT,
            "clientId": keycloak::CLIENT, "clientSecretName": CLIENT_SECRET,
        },
        "tenant": {"namespace": TENANT},
        "newapi": {"baseURL": newapi_base_url},
        "images": images,
        "spawner": {
            "publicURL": PUBLIC_URL,
            "controlURL": CONTROL_URL,
            "service": {"type": "NodePort", "nodePort": SPAWNER_NODE_PORT},
        },
        // The one API server here learns of a new CA in less than a second.
        "webhook": {"tls": {"self": {"settle": "5s"}}},
    }))
}

/// Installs the chart, or upgrades it, and waits until every Deployment of it is rolled out.
///
/// # Errors
/// helm fails, or a rollout does not end; the error says how far the pods are.
pub async fn chart(cluster: &Cluster, client: &Client, values: &Value) -> Result<()> {
    let mut helm = helm(cluster, values)?;
    helm.args(["upgrade", "--install", RELEASE]).arg(chart_folder());
    helm.args(["--namespace", SYSTEM, "--create-namespace"]);
    run(helm).await?;
    let deployments: Api<Deployment> = Api::namespaced(client.clone(), SYSTEM);
    for deployment in deployments.list(&of_release()).await? {
        rolled_out(client, &deployment.name_any()).await?;
    }
    Ok(())
}

/// The chart's objects as of a release of that name, not installed.
///
/// # Errors
/// helm fails.
pub async fn rendered(cluster: &Cluster, release: &str, values: &Value) -> Result<Vec<Value>> {
    let mut helm = helm(cluster, values)?;
    helm.args(["template", release]).arg(chart_folder()).args(["--namespace", SYSTEM]);
    let text = run(helm).await?;
    let documents = serde_norway::Deserializer::from_str(&text);
    let objects = documents.map(serde::Deserialize::deserialize);
    let objects: Vec<Value> = objects.collect::<Result<_, _>>()?;
    Ok(objects.into_iter().filter(|object| !object.is_null()).collect())
}

/// helm with the values in a file, because a command line is no place for them.
pub(crate) fn helm(cluster: &Cluster, values: &Value) -> Result<Command> {
    let file = cluster.folder("helm")?.join("values.json");
    std::fs::write(&file, serde_json::to_vec_pretty(values)?)?;
    let mut helm = cluster.tool("helm");
    helm.arg("--values").arg(file);
    Ok(helm)
}

pub(crate) fn chart_folder() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../chart")
}

pub(crate) async fn run(command: Command) -> Result<String> {
    let program = command.get_program().to_string_lossy().into_owned();
    let ended = tokio::process::Command::from(command).output().await;
    let ended = ended.with_context(|| format!("cannot start {program}"))?;
    if !ended.status.success() {
        bail!("{program} failed: {}", String::from_utf8_lossy(&ended.stderr).trim());
    }
    Ok(String::from_utf8(ended.stdout)?)
}

/// Selects the objects of the release.
pub fn of_release() -> ListParams {
    ListParams::default().labels(&format!("app.kubernetes.io/instance={RELEASE}"))
}

/// Selects the objects of one part of it.
pub fn of_component(component: &str) -> ListParams {
    let selector = format!("app.kubernetes.io/instance={RELEASE},{COMPONENT}={component}");
    ListParams::default().labels(&selector)
}

/// Waits until a Deployment of the release has all its pods, and only new ones.
///
/// # Errors
/// It does not get there; the error says how far the pods are.
pub async fn rolled_out(client: &Client, name: &str) -> Result<()> {
    let deployments: Api<Deployment> = Api::namespaced(client.clone(), SYSTEM);
    let wait = async {
        let waiting = await_condition(deployments, name, is_rolled_out);
        match timeout(ROLLOUT, waiting).await {
            Ok(seen) => seen.map(drop).map_err(Into::into),
            Err(_) => bail!("Deployment {name} is not rolled out: {}", pods_of(client).await?),
        }
    };
    patience::during(&format!("Deployment {name} is rolled out"), wait).await
}

fn is_rolled_out(deployment: Option<&Deployment>) -> bool {
    let Some((deployment, status)) = deployment.and_then(|d| Some((d, d.status.as_ref()?))) else {
        return false;
    };
    let wanted = deployment.spec.as_ref().and_then(|spec| spec.replicas);
    status.observed_generation >= deployment.metadata.generation
        && status.replicas == wanted
        && status.updated_replicas == wanted
        && status.available_replicas == wanted
}

async fn pods_of(client: &Client) -> Result<String> {
    let pods: Api<Pod> = Api::namespaced(client.clone(), SYSTEM);
    let pods = pods.list(&of_release()).await?;
    let words = pods.iter().map(|pod| format!("{}: {}", pod.name_any(), state_of(pod)));
    Ok(words.collect::<Vec<_>>().join(" | "))
}

/// The tenant's namespace, in which only restricted pods may run.
///
/// # Errors
/// The API server refuses.
pub async fn tenant(client: &Client) -> Result<()> {
    namespace_of_tenant(client, TENANT).await
}

/// The same with another name.
pub(crate) async fn namespace_of_tenant(client: &Client, name: &str) -> Result<()> {
    let labels = json!({"pod-security.kubernetes.io/enforce": "restricted"});
    let namespace = json!({"metadata": {"name": name, "labels": labels}});
    apply(&Api::<Namespace>::all(client.clone()), namespace).await.map(drop)
}

/// Gives the release the secret of its client at Keycloak, as whoever runs Keycloak would.
///
/// # Errors
/// The API server refuses.
pub async fn client_secret(client: &Client) -> Result<()> {
    let namespace = json!({"metadata": {"name": SYSTEM}});
    apply(&Api::<Namespace>::all(client.clone()), namespace).await?;
    client_secret_in(client, SYSTEM).await
}

/// The same in another namespace, which is there.
pub(crate) async fn client_secret_in(client: &Client, namespace: &str) -> Result<()> {
    let data = json!({"OIDC_CLIENT_SECRET": keycloak::CLIENT_SECRET});
    let object = json!({"metadata": {"name": CLIENT_SECRET}, "stringData": data});
    apply(&Api::<Secret>::namespaced(client.clone(), namespace), object).await.map(drop)
}

/// Gives a user a NewAPI key, as whoever runs NewAPI for the tenant would.
///
/// # Errors
/// The API server refuses.
pub async fn give_key(client: &Client, person: &Person, new_api: &NewApi) -> Result<()> {
    give_key_in(client, TENANT, person, new_api).await
}

/// The same in another tenant's namespace.
///
/// # Errors
/// The API server refuses.
pub async fn give_key_in(
    client: &Client,
    tenant: &str,
    person: &Person,
    new_api: &NewApi,
) -> Result<()> {
    let data = json!({
        secret::NEWAPI_KEY_KEY: new_api.key_of(person),
        secret::NEWAPI_BASE_URL_KEY: new_api.base_url(),
    });
    let name = secret::newapi_key(&person.id);
    let object = json!({"metadata": {"name": name}, "stringData": data});
    apply(&Api::<Secret>::namespaced(client.clone(), tenant), object).await.map(drop)
}

/// Takes the key away, if there is one.
///
/// # Errors
/// The API server refuses.
pub async fn take_key(client: &Client, person: &Person) -> Result<()> {
    let secrets = Api::<Secret>::namespaced(client.clone(), TENANT);
    match secrets.delete(&secret::newapi_key(&person.id), &DeleteParams::default()).await {
        Ok(_) => Ok(()),
        Err(kube::Error::Api(status)) if status.code == 404 => Ok(()),
        Err(error) => Err(error.into()),
    }
}

/// Makes an object be so, whether it is there or not.
///
/// # Errors
/// The API server refuses.
pub async fn apply<K>(api: &Api<K>, object: Value) -> Result<K>
where
    K: Resource<DynamicType = ()> + Clone + std::fmt::Debug + Serialize + DeserializeOwned,
{
    let mut whole = json!({"apiVersion": K::api_version(&()), "kind": K::kind(&())});
    if let (Some(whole), Value::Object(object)) = (whole.as_object_mut(), object) {
        whole.extend(object);
    }
    let name = whole.pointer("/metadata/name").and_then(Value::as_str);
    let name = name.context("an object without a name")?.to_owned();
    let params = PatchParams::apply(MANAGER).force();
    Ok(api.patch(&name, &params, &Patch::Apply(&whole)).await?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rollout_has_ended_when_all_pods_are_new_and_available() {
        let deployment = |updated: i32, replicas: i32, observed: i64| -> Deployment {
            serde_json::from_value(json!({
                "metadata": {"generation": 3},
                "spec": {"replicas": 2, "selector": {}, "template": {}},
                "status": {"observedGeneration": observed, "replicas": replicas,
                    "updatedReplicas": updated, "availableReplicas": 2},
            }))
            .unwrap()
        };
        assert!(is_rolled_out(Some(&deployment(2, 2, 3))));
        assert!(!is_rolled_out(Some(&deployment(1, 2, 3))), "an old pod is among them");
        assert!(!is_rolled_out(Some(&deployment(2, 3, 3))), "an old pod is still there");
        assert!(!is_rolled_out(Some(&deployment(2, 2, 2))), "not looked at yet");
        assert!(!is_rolled_out(None));
    }
}
