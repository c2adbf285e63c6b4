//! Volumes of the injected containers.

use contract::pod;
use serde_json::{Value, json};

use super::Parts;

/// An empty volume that takes the place of a service account token in our containers.
///
/// Once a webhook has changed a pod, the API server runs its own admission plugins again, and the one
/// for service accounts then mounts a token into every container that has no mount at
/// `/var/run/secrets/kubernetes.io/serviceaccount`, ours included.
const NO_TOKEN_VOLUME: &str = "openclaw-no-token";
/// Where the ServiceAccount admission plugin mounts tokens.
const TOKEN_PATH: &str = "/var/run/secrets/kubernetes.io/serviceaccount";

/// The names of our volumes.
pub const VOLUMES: [&str; 3] = [pod::SEED_VOLUME, pod::CA_VOLUME, NO_TOKEN_VOLUME];

/// The volumes that this pod needs for our mounts.
pub(super) fn volumes(parts: &Parts<'_>) -> Vec<Value> {
    let wanted = parts.plan.token_sync.as_ref().and(parts.config.seed_config_map.as_ref());
    let seed = wanted.map(|name| json!({"name": pod::SEED_VOLUME, "configMap": {"name": name}}));
    let ca = parts.config.oidc.ca_config_map.as_ref();
    let ca = ca.map(|name| json!({"name": pod::CA_VOLUME, "configMap": {"name": name}}));
    let no_token = parts
        .plan
        .keep_out_token
        .then(|| json!({"name": NO_TOKEN_VOLUME, "emptyDir": {"sizeLimit": "1Mi"}}));
    seed.into_iter().chain(ca).chain(no_token).collect()
}

/// token-sync's mount of the seed.
pub(super) fn seed_mount(parts: &Parts<'_>) -> Option<Value> {
    parts.config.seed_config_map.as_ref().map(
        |_| json!({"name": pod::SEED_VOLUME, "mountPath": pod::SEED_MOUNT_PATH, "readOnly": true}),
    )
}

/// The auth sidecar's mount of the issuer's CA.
pub(super) fn ca_mount(parts: &Parts<'_>) -> Option<Value> {
    parts
        .config
        .oidc
        .ca_config_map
        .as_ref()
        .map(|_| json!({"name": pod::CA_VOLUME, "mountPath": pod::CA_MOUNT_PATH, "readOnly": true}))
}

/// Of every injected container, when the pod may be given a token.
pub(super) fn no_token_mount(parts: &Parts<'_>) -> Option<Value> {
    parts
        .plan
        .keep_out_token
        .then(|| json!({"name": NO_TOKEN_VOLUME, "mountPath": TOKEN_PATH, "readOnly": true}))
}
