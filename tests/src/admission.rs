//! The admission part alone, where the cluster is a control plane without a kubelet: the chart's own
//! policies and webhook configuration, and `webhook serve` as a process on this host.

use std::{
    fs,
    net::Ipv4Addr,
    path::Path,
    process::Command,
    time::{Duration, SystemTime},
};

use anyhow::{Context as _, Result};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use certs_dev::{Authority, Validity};
use http::StatusCode;
use k8s_openapi::api::{
    admissionregistration::v1::{
        MutatingWebhookConfiguration, ValidatingAdmissionPolicy, ValidatingAdmissionPolicyBinding,
    },
    core::v1::ServiceAccount,
    rbac::v1::{Role, RoleBinding},
};
use kube::{Api, Client, api::DeleteParams};
use serde_json::{Value, json};

use crate::{
    cluster::Cluster,
    door::Door,
    install::{self, TENANT, apply},
    patience,
    pods::{Pods, plain},
    process::{self, built},
};

/// Where the local webhook listens. Not 8443, so that it is nobody else's.
const PORT: u16 = 18_443;
/// Where it tells whether it is ready.
const ADMIN_PORT: u16 = 18_081;

/// How its process is recorded.
const PROCESS: &str = "webhook";

/// May create pods, and has no `use` on any user.
pub const SOMEBODY: &str = "mallory";

/// How long the API server may take to learn of a policy.
const LEARNING: Duration = Duration::from_secs(60);

/// What the policy says that tells of the others.
const CANARY_SAYS: &str = "the canary sings";

/// Nobody signs in where no pod runs; the webhook only copies the address.
const ISSUER: &str = "http://keycloak.example/realms/acme";

/// Brings up a webhook on this host and tells the API server about it.
///
/// # Errors
/// The webhook does not start, or the API server refuses.
pub async fn bring_up(cluster: &Cluster, client: &Client) -> Result<()> {
    install::tenant(client).await?;
    // Made by the controller manager elsewhere, and no pod is created without it.
    let accounts: Api<ServiceAccount> = Api::namespaced(client.clone(), TENANT);
    apply(&accounts, json!({"metadata": {"name": "default"}})).await?;
    let values = install::values(cluster, ISSUER, "http://newapi.example")?;
    let objects = install::rendered(cluster, install::RELEASE, &values).await?;
    let authority = serve(cluster, &objects).await?;
    for object in objects {
        match object.get("kind").and_then(Value::as_str) {
            Some("ValidatingAdmissionPolicy") => {
                let policies: Api<ValidatingAdmissionPolicy> = Api::all(client.clone());
                apply(&policies, object).await.map(drop)?;
            }
            Some("ValidatingAdmissionPolicyBinding") => {
                let bindings: Api<ValidatingAdmissionPolicyBinding> = Api::all(client.clone());
                apply(&bindings, object).await.map(drop)?;
            }
            Some("MutatingWebhookConfiguration") => {
                let configurations: Api<MutatingWebhookConfiguration> = Api::all(client.clone());
                let local = at_this_host(object, &authority);
                apply(&configurations, local).await.map(drop)?;
            }
            _ => {}
        }
    }
    policies_hold(cluster, client).await
}

/// Waits until the API server holds to the policies as they were just applied: about a second, in
/// which it holds to those of before.
///
/// A policy made last tells: once it is held to, so are all that were applied before it.
///
/// # Errors
/// It does not learn of them.
pub async fn policies_hold(cluster: &Cluster, client: &Client) -> Result<()> {
    allow_creating_pods(client, SOMEBODY).await?;
    // Another name each time: of an old one the API server may have learnt long ago.
    let name = format!("canary-{}", SystemTime::UNIX_EPOCH.elapsed()?.as_millis());
    let policies: Api<ValidatingAdmissionPolicy> = Api::all(client.clone());
    let bindings: Api<ValidatingAdmissionPolicyBinding> = Api::all(client.clone());
    apply(&policies, canary(&name)).await?;
    let binding = json!({"policyName": name, "validationActions": ["Deny"]});
    apply(&bindings, json!({"metadata": {"name": name}, "spec": binding})).await?;
    let pods = Pods::of(cluster.api_as(Some(SOMEBODY)).await?, TENANT);
    let pod = plain(&name)?;
    let held = patience::until(LEARNING, || async {
        Ok(pods.denial_of(&pod).await.is_ok_and(|denial| denial.contains(CANARY_SAYS)))
    });
    let held = held.await.context("the API server does not hold to new policies");
    bindings.delete(&name, &DeleteParams::default()).await?;
    policies.delete(&name, &DeleteParams::default()).await?;
    held
}

/// Denies the one pod of its own name.
fn canary(name: &str) -> Value {
    let pods = json!({"apiGroups": [""], "apiVersions": ["v1"], "operations": ["CREATE"], "resources": ["pods"]});
    json!({"metadata": {"name": name}, "spec": {
        "failurePolicy": "Ignore",
        "matchConstraints": {"resourceRules": [pods]},
        "validations": [{"expression": format!("object.metadata.name != '{name}'"), "message": CANARY_SAYS}],
    }})
}

/// Runs `webhook serve` with the chart's own configuration, and gives the CA of its certificate.
async fn serve(cluster: &Cluster, objects: &[Value]) -> Result<String> {
    let folder = cluster.folder("webhook")?;
    let authority = certificate(&folder)?;
    let config = folder.join("webhook.yaml");
    fs::write(&config, config_with_files(objects, &folder)?)?;
    let mut command = Command::new(built("webhook")?);
    command.arg("serve").arg("--config").arg(&config);
    command.arg(format!("--listen=127.0.0.1:{PORT}"));
    command.arg(format!("--admin-listen=127.0.0.1:{ADMIN_PORT}"));
    let admin = Door::at("the webhook", &format!("127.0.0.1:{ADMIN_PORT}"));
    process::ensure(cluster, PROCESS, &command, || async {
        let ready = admin.get("/readyz").send().await;
        ready.is_ok_and(|answer| answer.status == StatusCode::OK)
    })
    .await?;
    Ok(authority)
}

/// The webhook on this host.
pub(crate) fn local_webhook() -> Door {
    Door::at("the webhook", &format!("127.0.0.1:{PORT}"))
}

/// A certificate for this host in `folder`, made once: tls.crt, tls.key, and ca.crt that signed it.
fn certificate(folder: &Path) -> Result<String> {
    let ca = folder.join("ca.crt");
    if let Ok(ca) = fs::read_to_string(&ca) {
        return Ok(ca);
    }
    let authority = Authority::new("bp-openclaw tests", Validity::days(30))?;
    let leaf =
        authority.server(&["localhost"], &[Ipv4Addr::LOCALHOST.into()], Validity::days(30))?;
    fs::write(folder.join("tls.crt"), leaf.certificate_pem())?;
    fs::write(folder.join("tls.key"), leaf.key_pem())?;
    // Written last, so that an interrupted run is done again.
    fs::write(ca, authority.certificate_pem())?;
    Ok(authority.certificate_pem().to_owned())
}

/// The chart's webhook.yaml, with certificate files instead of an authority in the cluster.
fn config_with_files(objects: &[Value], folder: &Path) -> Result<String> {
    let text = objects.iter().find_map(|object| object.pointer("/data/webhook.yaml")?.as_str());
    let mut config: Value =
        serde_norway::from_str(text.context("the chart has no webhook.yaml in a ConfigMap")?)?;
    let file = |name: &str| folder.join(name).display().to_string();
    let tls = json!({"mode": "provided", "certFile": file("tls.crt"), "keyFile": file("tls.key")});
    config.as_object_mut().context("webhook.yaml is no mapping")?.insert("tls".to_owned(), tls);
    Ok(serde_norway::to_string(&config)?)
}

/// The chart's webhook configuration, with this host's address instead of a Service.
fn at_this_host(mut configuration: Value, authority: &str) -> Value {
    let client = json!({
        "url": format!("https://127.0.0.1:{PORT}/mutate"),
        "caBundle": STANDARD.encode(authority),
    });
    let webhooks = configuration.get_mut("webhooks").and_then(Value::as_array_mut);
    for webhook in webhooks.into_iter().flatten().filter_map(Value::as_object_mut) {
        webhook.insert("clientConfig".to_owned(), client.clone());
    }
    configuration
}

/// Lets `somebody` create pods in the tenant's namespace, but for no user: they lack the verb `use`.
///
/// # Errors
/// The API server refuses.
pub async fn allow_creating_pods(client: &Client, somebody: &str) -> Result<()> {
    let name = "pod-creator";
    let verbs = ["create", "delete", "get", "list", "patch", "update"];
    let resources = ["pods", "pods/ephemeralcontainers"];
    let rule = json!({"apiGroups": [""], "resources": resources, "verbs": verbs});
    let role = json!({"metadata": {"name": name}, "rules": [rule]});
    apply(&Api::<Role>::namespaced(client.clone(), TENANT), role).await?;
    let group = "rbac.authorization.k8s.io";
    let binding = json!({
        "metadata": {"name": format!("{name}-{somebody}")},
        "roleRef": {"apiGroup": group, "kind": "Role", "name": name},
        "subjects": [{"apiGroup": group, "kind": "User", "name": somebody}],
    });
    apply(&Api::<RoleBinding>::namespaced(client.clone(), TENANT), binding).await.map(drop)
}
