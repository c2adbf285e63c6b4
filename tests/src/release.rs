//! A release of the chart and all that is done to one: installed, upgraded, tried, rolled back,
//! uninstalled, each by the real helm.

use std::{collections::BTreeMap, time::Duration};

use anyhow::{Context as _, Result, ensure};
use contract::secret::GATEWAY_TOKEN_KEY;
use k8s_openapi::{
    ByteString,
    api::core::v1::{Namespace, Secret},
};
use kube::{
    Api, Client, ResourceExt as _,
    api::{ApiResource, DynamicObject, ListParams},
    core::GroupVersionKind,
    discovery::{Discovery, Scope},
};
use serde_json::{Value, json};

use crate::{
    cluster::Cluster,
    install::{self, apply, chart_folder, helm, run},
    patience,
};

/// How long something may take that helm does not wait for.
const SOON: Duration = Duration::from_secs(90);

/// A release: its names, and the values that it has beside those of this cluster.
#[derive(Clone, Debug)]
pub struct Release {
    /// Its name.
    pub name: &'static str,
    /// Its namespace.
    pub namespace: &'static str,
    /// The namespace of its users' pods.
    pub tenant: &'static str,
    /// What every install and upgrade of it is given.
    pub values: Value,
}

/// A Secret as it was seen: who it is and what is in it.
pub type Seen = (Option<String>, BTreeMap<String, ByteString>);

impl Release {
    /// The one that the stage has, with its `values`.
    #[must_use]
    pub fn of_stage(values: Value) -> Self {
        let (name, namespace, tenant) = (install::RELEASE, install::SYSTEM, install::TENANT);
        Self { name, namespace, tenant, values }
    }

    /// The same with these values over its own.
    #[must_use]
    pub fn with(mut self, values: Value) -> Self {
        merge(&mut self.values, values);
        self
    }

    /// Installs it or upgrades it, with these values over its own, and waits until it is up. What
    /// helm says, notes included.
    ///
    /// # Errors
    /// helm fails.
    pub async fn upgrade(&self, cluster: &Cluster, values: Value) -> Result<String> {
        let mut all = self.values.clone();
        merge(&mut all, values);
        let mut helm = helm(cluster, &all)?;
        helm.args(["upgrade", "--install", self.name]).arg(chart_folder());
        helm.args(["--namespace", self.namespace, "--create-namespace", "--wait"]);
        patience::during(&format!("helm upgrade {}", self.name), run(helm)).await
    }

    /// Goes back to an earlier revision, and waits until it is up.
    ///
    /// # Errors
    /// helm fails.
    pub async fn roll_back(&self, cluster: &Cluster, revision: u32) -> Result<()> {
        let revision = revision.to_string();
        self.helm(cluster, &["rollback", self.name, &revision, "--wait"]).await.map(drop)
    }

    /// The number of its revision.
    ///
    /// # Errors
    /// helm fails.
    pub async fn revision(&self, cluster: &Cluster) -> Result<u32> {
        let status = self.helm(cluster, &["status", self.name, "--output", "json"]).await?;
        let status: Value = serde_json::from_str(&status)?;
        let revision =
            status.get("version").and_then(Value::as_u64).context("helm tells no revision")?;
        Ok(u32::try_from(revision)?)
    }

    /// Tries it as an operator would. What the tests said.
    ///
    /// # Errors
    /// One of them fails.
    pub async fn test(&self, cluster: &Cluster) -> Result<String> {
        self.helm(cluster, &["test", self.name, "--logs"]).await
    }

    /// Uninstalls it, and waits until nothing is left of its objects.
    ///
    /// # Errors
    /// helm fails, or something is left.
    pub async fn uninstall(&self, cluster: &Cluster, client: &Client) -> Result<()> {
        self.helm(cluster, &["uninstall", self.name, "--wait"]).await?;
        let nothing = async || Ok(self.objects(client).await?.is_empty());
        let gone = patience::until(SOON, nothing).await;
        let left = self.objects(client).await?;
        gone.with_context(|| format!("it is uninstalled, but there is still {left:?}"))
    }

    async fn helm(&self, cluster: &Cluster, words: &[&str]) -> Result<String> {
        let mut helm = cluster.tool("helm");
        helm.args(words).args(["--namespace", self.namespace]);
        patience::during(&format!("helm {}", words.join(" ")), run(helm)).await
    }

    /// Every object of every kind that carries the release's label, as `Kind namespace/name`.
    ///
    /// # Errors
    /// The API server refuses.
    pub async fn objects(&self, client: &Client) -> Result<Vec<String>> {
        let label = format!("app.kubernetes.io/instance={}", self.name);
        let params = ListParams::default().labels(&label);
        let mut found = Vec::new();
        for (kind, scope) in kinds(client).await? {
            let apis: Vec<Api<DynamicObject>> = match scope {
                Scope::Cluster => vec![Api::all_with(client.clone(), &kind)],
                Scope::Namespaced => [self.namespace, self.tenant]
                    .map(|namespace| Api::namespaced_with(client.clone(), namespace, &kind))
                    .into(),
            };
            for api in apis {
                let objects = api.list(&params).await?;
                // A name of a cluster-wide object ends in the release's namespace.
                let own = |object: &&DynamicObject| {
                    scope == Scope::Namespaced
                        || object.name_any().ends_with(&format!(".{}", self.namespace))
                };
                found.extend(objects.iter().filter(own).map(|object| {
                    let namespace = object.namespace().unwrap_or_default();
                    format!("{} {namespace}/{}", kind.kind, object.name_any())
                }));
            }
        }
        Ok(found)
    }

    /// A Secret of the tenant's namespace, which has a gateway token; `None` if there is none.
    ///
    /// # Errors
    /// The API server refuses, or it has no token.
    pub async fn gateway_secret(&self, client: &Client, name: &str) -> Result<Option<Seen>> {
        let secrets: Api<Secret> = Api::namespaced(client.clone(), self.tenant);
        let Some(secret) = secrets.get_opt(name).await? else { return Ok(None) };
        let seen = (secret.uid(), secret.data.unwrap_or_default());
        let token = seen.1.get(GATEWAY_TOKEN_KEY).map_or(0, |token| token.0.len());
        ensure!(token >= 32, "{name} has a gateway token of {token} bytes");
        Ok(Some(seen))
    }

    /// What has to be there before it is installed: both namespaces and the client's secret.
    ///
    /// # Errors
    /// The API server refuses.
    pub async fn prepare(&self, client: &Client) -> Result<()> {
        install::namespace_of_tenant(client, self.tenant).await?;
        let namespace = json!({"metadata": {"name": self.namespace}});
        apply(&Api::<Namespace>::all(client.clone()), namespace).await?;
        install::client_secret_in(client, self.namespace).await
    }
}

/// The kinds that the chart's objects have, and what comes of them.
async fn kinds(client: &Client) -> Result<Vec<(ApiResource, Scope)>> {
    let discovery = Discovery::new(client.clone()).run().await?;
    let listed = |group: &str, kind: &str| {
        let known = discovery.resolve_gvk(&GroupVersionKind::gvk(group, "v1", kind));
        known.map(|(resource, capabilities)| (resource, capabilities.scope))
    };
    let wanted = [
        ("", &["ConfigMap", "Secret", "Service", "ServiceAccount", "Pod", "Namespace"][..]),
        ("apps", &["Deployment", "ReplicaSet"]),
        (
            "rbac.authorization.k8s.io",
            &["Role", "RoleBinding", "ClusterRole", "ClusterRoleBinding"],
        ),
        ("policy", &["PodDisruptionBudget"]),
        ("networking.k8s.io", &["NetworkPolicy", "Ingress"]),
        (
            "admissionregistration.k8s.io",
            &[
                "MutatingWebhookConfiguration",
                "ValidatingAdmissionPolicy",
                "ValidatingAdmissionPolicyBinding",
            ],
        ),
    ];
    let all =
        wanted.into_iter().flat_map(|(group, kinds)| kinds.iter().map(move |kind| (group, *kind)));
    all.map(|(group, kind)| listed(group, kind).with_context(|| format!("no kind {kind}")))
        .collect()
}

/// Puts `over` over `values`, key by key, as helm puts one file of values over another.
pub(crate) fn merge(values: &mut Value, over: Value) {
    match (values, over) {
        (Value::Object(values), Value::Object(over)) => {
            for (key, value) in over {
                merge(values.entry(key).or_insert(Value::Null), value);
            }
        }
        (values, over) => *values = over,
    }
}
