//! Everything that one user owns in the cluster, from the templates and the user's id alone. Pure:
//! what is printed by `render` is what `serve` creates.

use contract::{UserId, label, secret};
use serde_json::{Value, json};

use crate::template::{Fault, Template};

/// Where the gateway token of a pod comes from.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
#[value(rename_all = "camelCase")]
pub enum GatewayScope {
    /// A Secret of the user's own, which the spawner makes once.
    #[default]
    PerUser,
    /// One Secret for all, which the chart or the operator provides.
    Shared,
}

/// The operator's templates, checked.
#[derive(Clone, Debug)]
pub struct Blueprint {
    pod: Template,
    network_policy: Option<Template>,
    gateway: GatewayScope,
}

/// One user's objects, in the order in which they are created.
#[derive(Clone, Debug)]
pub struct Objects {
    /// The gateway Secret, still without a value. `None` in the shared scope.
    pub gateway: Option<Value>,
    /// The NetworkPolicy, in force before the pod exists.
    pub network_policy: Option<Value>,
    /// The pod, as the webhook will see it.
    pub pod: Value,
}

impl Blueprint {
    /// Puts the parts together. Without `network_policy` no policy is made for a user.
    #[must_use]
    pub fn new(pod: Template, network_policy: Option<Template>, gateway: GatewayScope) -> Self {
        Self { pod, network_policy, gateway }
    }

    /// Whether every user gets a NetworkPolicy.
    #[must_use]
    pub fn has_network_policy(&self) -> bool {
        self.network_policy.is_some()
    }

    /// The objects of `user`.
    pub fn render(&self, user: &UserId) -> Result<Objects, Fault> {
        Ok(Objects {
            gateway: (self.gateway == GatewayScope::PerUser).then(|| gateway_secret(user)),
            network_policy: self
                .network_policy
                .as_ref()
                .map(|policy| policy.render(user))
                .transpose()?,
            pod: self.pod.render(user)?,
        })
    }
}

impl Objects {
    /// All objects as YAML documents.
    pub fn to_yaml(&self) -> Result<String, serde_norway::Error> {
        let mut yaml = String::new();
        if let Some(gateway) = &self.gateway {
            yaml.push_str("# Created with a random token the first time, and kept from then on.\n");
            yaml.push_str(&serde_norway::to_string(gateway)?);
            yaml.push_str("---\n");
        }
        if let Some(policy) = &self.network_policy {
            yaml.push_str(&serde_norway::to_string(policy)?);
            yaml.push_str("---\n");
        }
        yaml.push_str(&serde_norway::to_string(&self.pod)?);
        Ok(yaml)
    }
}

/// The Secret for the user's gateway token. It has the user's label for people who look; the token
/// itself is put in by whoever creates it.
fn gateway_secret(user: &UserId) -> Value {
    json!({
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {
            "name": secret::gateway(user),
            "labels": {
                (label::USER): user.as_str(),
                (label::MANAGED_BY): label::MANAGED_BY_SPAWNER,
            },
        },
        "type": "Opaque",
    })
}

#[cfg(test)]
mod tests {
    use contract::UserId;

    use super::{Blueprint, GatewayScope};
    use crate::template::{Kind, Template};

    const POD: &str = "{apiVersion: v1, kind: Pod, metadata: {name: 'openclaw-${USER_UUID}', \
        labels: {catalyst.openova.io/openclaw-user: '${USER_UUID}'}}, \
        spec: {containers: [{name: '${SECRET_NAME}'}]}}";

    fn blueprint(gateway: GatewayScope) -> Blueprint {
        Blueprint::new(Template::parse(Kind::Pod, "pod.yaml", POD).unwrap(), None, gateway)
    }

    fn alice() -> UserId {
        "11111111-2222-4333-8444-555555555555".parse().unwrap()
    }

    #[test]
    fn a_user_gets_a_gateway_secret_without_a_value_unless_one_is_shared() {
        let own = blueprint(GatewayScope::PerUser).render(&alice()).unwrap().gateway.unwrap();
        assert_eq!(own["metadata"]["name"], format!("openclaw-gateway-{}", alice()));
        assert!(own.get("data").is_none() && own.get("stringData").is_none(), "{own}");
        assert!(blueprint(GatewayScope::Shared).render(&alice()).unwrap().gateway.is_none());
    }

    #[test]
    fn what_is_printed_reads_back_as_the_same_objects() {
        let objects = blueprint(GatewayScope::PerUser).render(&alice()).unwrap();
        let yaml = objects.to_yaml().unwrap();
        let documents: Vec<serde_json::Value> = serde_norway::Deserializer::from_str(&yaml)
            .map(|document| serde::Deserialize::deserialize(document).unwrap())
            .collect();
        assert_eq!(documents, [objects.gateway.unwrap(), objects.pod]);
    }
}
