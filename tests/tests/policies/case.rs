//! One case: a request, and what comes of it.

use anyhow::{Result, bail, ensure};
use contract::{label, pod as names};
use http::{Method, Request};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::setting::{NAMESPACE, Setting, add_named, ca_mount, ca_volume, lay_over};

/// Nothing is kept, and a misspelt field in a case is an error.
const DRY_RUN: &str = "dryRun=All&fieldValidation=Strict";

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Case {
    pub(crate) what: String,
    #[serde(rename = "as")]
    pub(crate) who: String,
    create: Option<Change>,
    patch: Option<Patch>,
    bind: Option<Value>,
    claim: Option<Claim>,
    /// Another namespace than the tenant's.
    namespace: Option<String>,
    #[serde(default)]
    denied: Vec<String>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct Change {
    user: Option<String>,
    init: Option<Vec<Value>>,
    #[serde(default)]
    container: Value,
    #[serde(default)]
    spec: Value,
    #[serde(default)]
    annotations: Value,
    name: Option<String>,
    #[serde(default)]
    generate_name: bool,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Claim {
    name: String,
    #[serde(default)]
    spec: Value,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Patch {
    pod: String,
    body: Value,
}

impl Case {
    /// An error that says what came instead, if it is not what the case says.
    pub(crate) async fn try_out(&self, setting: &Setting) -> Result<()> {
        let request = self.request(setting)?;
        let client = setting.api_as(&setting.fill(&self.who)).await?;
        let answer = client.request::<Value>(request).await;
        match (answer, self.denied.as_slice()) {
            (Ok(_), []) => Ok(()),
            (Ok(_), _) => bail!("expected a denial, but it was let in"),
            (Err(kube::Error::Api(status)), expected) if !expected.is_empty() => {
                for part in expected.iter().map(|part| setting.fill(part)) {
                    ensure!(
                        status.message.contains(&part),
                        "expected {part:?}, saw {}",
                        status.message
                    );
                }
                Ok(())
            }
            (Err(error), _) => bail!("expected it to be let in, saw {error}"),
        }
    }

    fn request(&self, setting: &Setting) -> Result<Request<Vec<u8>>> {
        let namespace = self.namespace.as_deref().map(|namespace| setting.fill(namespace));
        let namespace = namespace.as_deref().unwrap_or(NAMESPACE);
        let pods = format!("/api/v1/namespaces/{namespace}/pods");
        match (&self.create, &self.patch, &self.bind, &self.claim) {
            (Some(change), None, None, None) => {
                let pod = change.pod(setting);
                setting.request(
                    Method::POST,
                    &format!("{pods}?{DRY_RUN}"),
                    "application/json",
                    &pod,
                )
            }
            (None, Some(Patch { pod, body }), None, None) => {
                let path = format!("{pods}/{pod}?{DRY_RUN}");
                let kind = "application/strategic-merge-patch+json";
                setting.request(Method::PATCH, &path, kind, body)
            }
            (None, None, Some(labels), None) => {
                let binding = json!({"apiVersion": "v1", "kind": "Binding",
                    "metadata": {"name": "plain", "labels": labels},
                    "target": {"kind": "Node", "name": "n"}});
                let path = format!("{pods}/plain/binding?{DRY_RUN}");
                setting.request(Method::POST, &path, "application/json", &binding)
            }
            (None, None, None, Some(claim)) => {
                let claims = format!("/api/v1/namespaces/{namespace}/persistentvolumeclaims");
                let path = format!("{claims}?{DRY_RUN}");
                setting.request(Method::POST, &path, "application/json", &claim.object())
            }
            _ => bail!("a case has one of create, patch, bind, claim"),
        }
    }
}

impl Claim {
    fn object(&self) -> Value {
        let mut spec = json!({
            "accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}},
        });
        lay_over(&mut spec, &self.spec);
        json!({"apiVersion": "v1", "kind": "PersistentVolumeClaim",
            "metadata": {"name": self.name}, "spec": spec})
    }
}

impl Change {
    fn pod(&self, setting: &Setting) -> Value {
        let mut container = setting.container("main");
        lay_over(&mut container, &self.container);
        let mut spec = json!({"automountServiceAccountToken": false, "containers": [container]});
        let mut metadata = json!({"annotations": self.annotations});
        let name = if self.generate_name { "generateName" } else { "name" };
        lay_over(&mut metadata, &json!({name: self.name.as_deref().unwrap_or("p")}));
        if let Some(user) = &self.user {
            lay_over(&mut metadata, &json!({"labels": {label::USER: user}}));
            lay_over(&mut spec, &json!({"initContainers": [setting.sidecar(user)]}));
        }
        if let Some(init) = &self.init {
            let init: Vec<_> = init.iter().map(|container| self.init(setting, container)).collect();
            lay_over(&mut spec, &json!({"initContainers": init}));
        }
        lay_over(&mut spec, &self.spec);
        add_named(&mut spec, "volumes", ca_volume());
        json!({"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": spec})
    }

    /// An init container of a case; `{auth: ..}` is the good sidecar with that laid over it, without
    /// the argument that begins like `drop`, and with the arguments `add`.
    fn init(&self, setting: &Setting, written: &Value) -> Value {
        let user = self.user.as_deref().unwrap_or_default();
        let (mut container, changes) = match written.get("auth") {
            Some(changes) => (setting.sidecar(user), changes),
            None => (setting.container(names::TOKEN_SYNC), written),
        };
        lay_over(&mut container, changes);
        if written.get("auth").is_some() {
            add_named(&mut container, "volumeMounts", ca_mount());
        }
        if let Some(args) = container.get_mut("args").and_then(Value::as_array_mut) {
            let drop = written.get("drop").and_then(Value::as_str);
            let is_dropped = |arg: &Value| {
                drop.is_some_and(|drop| arg.as_str().is_some_and(|arg| arg.starts_with(drop)))
            };
            args.retain(|arg| !is_dropped(arg));
            args.extend(
                written.get("add").and_then(Value::as_array).into_iter().flatten().cloned(),
            );
        }
        container
    }
}
