//! Another mutating webhook, which the API server calls after ours: it adds a container, and damages
//! what ours did, so that only a second call of ours makes the pod whole.

use std::net::{IpAddr, SocketAddr};

use anyhow::{Context as _, Result};
use axum::{Json, Router, routing::post};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use certs_dev::{Authority, Validity};
use contract::annotation;
use edge::{
    serve::{Limits, Listener, TlsConfig, serve},
    shutdown::{Shutdown, Trigger},
    tls::server_config,
};
use k8s_openapi::api::admissionregistration::v1::MutatingWebhookConfiguration;
use kube::{Api, Client, api::DeleteParams};
use serde_json::{Value, json};

use crate::{cluster::Cluster, install::apply};

/// Only pods with this label are its business.
pub const LABEL: &str = "bp-openclaw-tests/late";
/// What it adds.
pub const CONTAINER: &str = "late";
/// API servers call webhooks in the order of their names.
const NAME: &str = "zz-late.tests.openclaw.catalyst.openova.io";

/// Serving, and known to the API server.
#[expect(missing_debug_implementations, reason = "kube::Client has none")]
pub struct LateWebhook {
    configurations: Api<MutatingWebhookConfiguration>,
    /// Dropped, it stops nothing: the server ends with the program.
    _trigger: Trigger,
}

impl LateWebhook {
    /// Serves on this host and tells the API server.
    ///
    /// # Errors
    /// No port is free, or the API server refuses.
    pub async fn start(cluster: &Cluster, client: &Client) -> Result<Self> {
        let host: IpAddr = cluster.host_address.parse().context("the host's address")?;
        let authority = Authority::new("late webhook", Validity::days(1))?;
        let leaf = authority.server(&["localhost"], &[host], Validity::days(1))?;
        let config = server_config(leaf.certificate_pem().as_bytes(), leaf.key_pem().as_bytes())?;
        let listener = Listener::bind(SocketAddr::from(([0, 0, 0, 0], 0)), "late").await?;
        let port = listener.local_addr().port();
        let router = Router::new().route("/", post(answer));
        let (trigger, shutdown) = Shutdown::manual();
        tokio::spawn(serve(
            listener,
            Some(TlsConfig::new(config)),
            router,
            Limits::default(),
            shutdown,
        ));
        let configurations = Api::all(client.clone());
        let url = format!("https://{}/", SocketAddr::new(host, port));
        apply(&configurations, configuration(&url, authority.certificate_pem())).await?;
        Ok(Self { configurations, _trigger: trigger })
    }

    /// The API server forgets it.
    ///
    /// # Errors
    /// The API server refuses.
    pub async fn stop(self) -> Result<()> {
        self.configurations.delete(NAME, &DeleteParams::default()).await.map(drop)?;
        Ok(())
    }
}

fn configuration(url: &str, authority: &str) -> Value {
    json!({"metadata": {"name": NAME}, "webhooks": [{
        "name": NAME,
        "admissionReviewVersions": ["v1"],
        "sideEffects": "None",
        "failurePolicy": "Fail",
        "timeoutSeconds": 5,
        "clientConfig": {"url": url, "caBundle": STANDARD.encode(authority)},
        "objectSelector": {"matchExpressions": [{"key": LABEL, "operator": "Exists"}]},
        "rules": [{"apiGroups": [""], "apiVersions": ["v1"], "operations": ["CREATE"], "resources": ["pods"]}],
    }]})
}

async fn answer(Json(review): Json<Value>) -> Json<Value> {
    let at = |pointer: &str| review.pointer(pointer).cloned().unwrap_or_default();
    let mut response = json!({"uid": at("/request/uid"), "allowed": true});
    if let Some(patch) = patch(&at("/request/object")) {
        let patch = STANDARD.encode(patch.to_string());
        response = json!({"uid": at("/request/uid"), "allowed": true, "patchType": "JSONPatch", "patch": patch});
    }
    Json(
        json!({"apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview", "response": response}),
    )
}

/// A container more, and a note of ours less: once.
fn patch(pod: &Value) -> Option<Value> {
    let containers = pod.pointer("/spec/containers")?.as_array()?;
    if containers
        .iter()
        .any(|container| container.get("name").is_some_and(|name| name == CONTAINER))
    {
        return None;
    }
    let mut added = containers.first()?.clone();
    let fields = added.as_object_mut()?;
    fields.insert("name".to_owned(), CONTAINER.into());
    fields.remove("env");
    let mut patch = vec![json!({"op": "add", "path": "/spec/containers/0", "value": added})];
    let note = annotation::INJECTED;
    if pod.pointer("/metadata/annotations").and_then(|all| all.get(note)).is_some() {
        let path = format!("/metadata/annotations/{}", note.replace('/', "~1"));
        patch.push(json!({"op": "remove", "path": path}));
    }
    Some(patch.into())
}
