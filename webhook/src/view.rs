//! A small typed view of a raw JSON pod: only the fields that a decision needs.
//!
//! The view borrows from the pod and is thrown away; what is sent back is a patch of the raw pod.
//! So a field that this view does not know is never lost. `null` and absent are the same everywhere,
//! because the API server and hand-written manifests use both. Names are Kubernetes' own, and mean what
//! its API reference says.

use std::collections::BTreeMap;

use serde::{Deserialize, Deserializer, de::IgnoredAny};
use serde_json::Value;

/// The pod, as far as it matters here.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct Pod<'a> {
    #[serde(borrow, deserialize_with = "or_default")]
    pub metadata: Metadata<'a>,
    #[serde(borrow, deserialize_with = "or_default")]
    pub spec: Spec<'a>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct Metadata<'a> {
    #[serde(borrow, deserialize_with = "or_default")]
    pub labels: BTreeMap<&'a str, Option<&'a str>>,
    #[serde(borrow, deserialize_with = "or_default")]
    pub annotations: BTreeMap<&'a str, Option<&'a str>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct Spec<'a> {
    #[serde(borrow, deserialize_with = "or_default")]
    pub os: Os<'a>,
    pub host_network: Option<bool>,
    #[serde(rename = "hostPID")]
    pub host_pid: Option<bool>,
    #[serde(rename = "hostIPC")]
    pub host_ipc: Option<bool>,
    pub share_process_namespace: Option<bool>,
    pub automount_service_account_token: Option<bool>,
    #[serde(deserialize_with = "or_default")]
    pub security_context: SecurityContext,
    #[serde(borrow, deserialize_with = "or_default")]
    pub containers: Vec<Container<'a>>,
    #[serde(borrow, deserialize_with = "or_default")]
    pub init_containers: Vec<Container<'a>>,
    #[serde(borrow, deserialize_with = "or_default")]
    pub volumes: Vec<Volume<'a>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct Os<'a> {
    pub name: Option<&'a str>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct Container<'a> {
    pub name: &'a str,
    #[serde(borrow, deserialize_with = "or_default")]
    pub ports: Vec<Port<'a>>,
    #[serde(borrow, deserialize_with = "or_default")]
    pub volume_mounts: Vec<Mount<'a>>,
    #[serde(deserialize_with = "or_default")]
    pub security_context: SecurityContext,
    #[serde(borrow)]
    pub startup_probe: Option<Handler<'a>>,
    #[serde(borrow)]
    pub readiness_probe: Option<Handler<'a>>,
    #[serde(borrow)]
    pub liveness_probe: Option<Handler<'a>>,
    #[serde(borrow, deserialize_with = "or_default")]
    pub lifecycle: Lifecycle<'a>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct Port<'a> {
    pub name: Option<&'a str>,
    pub container_port: Option<u16>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct Mount<'a> {
    pub name: &'a str,
    pub mount_path: &'a str,
    pub sub_path: Option<&'a str>,
    pub sub_path_expr: Option<&'a str>,
    pub read_only: Option<bool>,
}

/// Of a container, or of the pod for all its containers.
#[derive(Clone, Copy, Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct SecurityContext {
    pub run_as_user: Option<i64>,
    pub run_as_group: Option<i64>,
}

/// What a probe, or a lifecycle hook, does.
#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct Handler<'a> {
    #[serde(borrow)]
    pub http_get: Option<HttpGet<'a>>,
    #[serde(borrow)]
    pub tcp_socket: Option<Socket<'a>>,
    #[serde(borrow)]
    pub grpc: Option<Socket<'a>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct Lifecycle<'a> {
    #[serde(borrow)]
    pub post_start: Option<Handler<'a>>,
    #[serde(borrow)]
    pub pre_stop: Option<Handler<'a>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct HttpGet<'a> {
    pub host: Option<&'a str>,
    #[serde(borrow)]
    pub port: Option<PortRef<'a>>,
    pub path: Option<&'a str>,
    pub scheme: Option<&'a str>,
    #[serde(borrow, deserialize_with = "or_default")]
    pub http_headers: Vec<Header<'a>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct Header<'a> {
    pub name: &'a str,
    pub value: Option<&'a str>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct Socket<'a> {
    pub host: Option<&'a str>,
    #[serde(borrow)]
    pub port: Option<PortRef<'a>>,
}

/// A port by number, or by the name that the container gives it.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(untagged, expecting = "a port's number or name")]
pub enum PortRef<'a> {
    Number(i64),
    Name(&'a str),
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct Volume<'a> {
    pub name: &'a str,
    pub config_map: Option<IgnoredAny>,
    pub secret: Option<IgnoredAny>,
    pub projected: Option<IgnoredAny>,
    #[serde(rename = "downwardAPI")]
    pub downward_api: Option<IgnoredAny>,
    pub image: Option<IgnoredAny>,
}

/// A field has a type that it does not have in any pod.
#[derive(Debug, thiserror::Error)]
#[error("{place}: {problem}")]
pub struct Malformed {
    place: String,
    problem: serde_json::Error,
}

impl<'a> Pod<'a> {
    /// Views `pod`. Fails only where a known field has a foreign shape, and names the field.
    pub fn of(pod: &'a Value) -> Result<Self, Malformed> {
        // Keeping track of the place costs as much as the reading, and nearly every pod is well
        // formed: only one that is not is read a second time.
        Self::deserialize(pod).or_else(|_| {
            serde_path_to_error::deserialize(pod).map_err(|error| Malformed {
                place: error.path().to_string(),
                problem: error.into_inner(),
            })
        })
    }

    /// A label's value.
    #[must_use]
    pub fn label(&self, name: &str) -> Option<&'a str> {
        self.metadata.labels.get(name).copied().flatten()
    }

    /// An annotation's value.
    #[must_use]
    pub fn annotation(&self, name: &str) -> Option<&'a str> {
        self.metadata.annotations.get(name).copied().flatten()
    }
}

impl<'a> Spec<'a> {
    /// Every container that exists when the pod is created.
    pub fn all_containers(&self) -> impl Iterator<Item = &Container<'a>> {
        self.init_containers.iter().chain(&self.containers)
    }
}

impl<'a> Container<'a> {
    /// The port that `port` means in this container.
    #[must_use]
    pub fn resolve(&self, port: PortRef<'a>) -> Option<u16> {
        match port {
            PortRef::Number(number) => number.try_into().ok(),
            PortRef::Name(name) => {
                let named = self.ports.iter().find(|port| port.name == Some(name))?;
                named.container_port
            }
        }
    }
}

impl Volume<'_> {
    /// Whether the kubelet mounts it read-only whatever the mount says.
    #[must_use]
    pub fn is_read_only(&self) -> bool {
        let Self { name: _, config_map, secret, projected, downward_api, image } = self;
        [config_map, secret, projected, downward_api, image].into_iter().any(Option::is_some)
    }
}

/// `null` as the default value.
pub(crate) fn or_default<'de, D, T>(deserializer: D) -> Result<T, D::Error>
where
    D: Deserializer<'de>,
    T: Default + Deserialize<'de>,
{
    Ok(Option::deserialize(deserializer)?.unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn null_and_absent_are_the_same() {
        let absent = json!({});
        let null = json!({
            "metadata": {"labels": null, "annotations": {"a": null}},
            "spec": {
                "hostNetwork": null, "securityContext": null, "initContainers": null,
                "volumes": null, "containers": [{
                    "name": "runtime", "env": null, "ports": null, "volumeMounts": null,
                    "readinessProbe": null, "lifecycle": null, "securityContext": null,
                }],
            },
        });
        assert!(Pod::of(&absent).unwrap().spec.containers.is_empty());
        let pod = Pod::of(&null).unwrap();
        assert_eq!(pod.annotation("a"), None);
        assert!(pod.spec.containers[0].ports.is_empty());
        assert!(pod.spec.containers[0].readiness_probe.is_none());
        assert!(Pod::of(&json!({"metadata": null, "spec": null})).is_ok());
    }

    #[test]
    fn a_foreign_shape_is_named_by_its_place() {
        let pod = json!({"spec": {"containers": [{"name": "a"}, {"name": "b", "ports": "80"}]}});
        let error = Pod::of(&pod).unwrap_err().to_string();
        assert!(error.starts_with("spec.containers[1].ports: invalid type: string"), "{error}");
    }

    #[test]
    fn a_port_is_found_by_its_name_in_the_container() {
        let pod = json!({"spec": {"containers": [
            {"name": "a", "ports": [{"containerPort": 1}, {"name": "http", "containerPort": 18789}]},
        ]}});
        let pod = Pod::of(&pod).unwrap();
        let container = &pod.spec.containers[0];
        assert_eq!(container.resolve(PortRef::Name("http")), Some(18789));
        assert_eq!(container.resolve(PortRef::Name("other")), None);
        assert_eq!(container.resolve(PortRef::Number(70_000)), None);
    }
}
