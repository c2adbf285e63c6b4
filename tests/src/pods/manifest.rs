//! Pods as somebody might write them.

use std::path::Path;

use anyhow::{Context as _, Result};
use contract::{label, pod as names};
use k8s_openapi::api::core::v1::Pod;
use kube::ResourceExt as _;
use serde_json::json;

/// A pod with one container and a home, as anybody might write it: restricted, and without a label
/// of ours.
///
/// # Errors
/// Never, unless this file is wrong.
pub fn plain(name: &str) -> Result<Pod> {
    let home = Path::new(names::CONFIG_PATH).parent().context("a path without a folder")?;
    let container = json!({
        "name": "main",
        "image": "registry.example/main:1",
        "env": [{"name": "GREETING", "value": "hello"}],
        "volumeMounts": [{"name": "home", "mountPath": home}],
        "securityContext": {
            "allowPrivilegeEscalation": false,
            "capabilities": {"drop": ["ALL"]},
            "runAsNonRoot": true,
            "runAsUser": 1000,
            "seccompProfile": {"type": "RuntimeDefault"},
        },
    });
    let spec = json!({
        "automountServiceAccountToken": false,
        "containers": [container],
        "volumes": [{"name": "home", "emptyDir": {}}],
    });
    Ok(serde_json::from_value(json!({"metadata": {"name": name}, "spec": spec}))?)
}

/// The same with the label of `user`, which may be any text.
///
/// # Errors
/// Never, unless this file is wrong.
pub fn labeled(name: &str, user: &str) -> Result<Pod> {
    let mut pod = plain(name)?;
    pod.labels_mut().insert(label::USER.to_owned(), user.to_owned());
    Ok(pod)
}

/// The pod with a volume of this Secret.
///
/// # Errors
/// Never, unless this file is wrong.
pub fn mounting(mut pod: Pod, secret: &str) -> Result<Pod> {
    let volume = json!({"name": "loot", "secret": {"secretName": secret}});
    let spec = pod.spec.get_or_insert_default();
    spec.volumes.get_or_insert_default().push(serde_json::from_value(volume)?);
    Ok(pod)
}
