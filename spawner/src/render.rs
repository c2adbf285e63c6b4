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
mod tests;
