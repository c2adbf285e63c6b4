//! What the authority asks of the API server: one Secret and one webhook configuration.

use std::fmt;

use contract::annotation;
use k8s_openapi::{
    ByteString, api::admissionregistration::v1::MutatingWebhookConfiguration, api::core::v1::Secret,
};
use kube::{
    Api, Client,
    api::{ObjectMeta, Patch, PatchParams, PostParams},
};
use serde_json::json;

use super::rotation::{self, Data, Rotation};
use crate::config::Own;

/// Owner of the `caBundle` field, and of nothing else.
const FIELD_MANAGER: &str = "openclaw-webhook-ca";

/// A connection with just these rights: get, create and update one Secret; get and patch one
/// webhook configuration.
#[derive(Debug)]
pub(super) struct Cluster {
    secrets: Api<Secret>,
    configurations: Api<MutatingWebhookConfiguration>,
    own: Own,
}

/// The Secret as it was read: written back only if nobody wrote in between.
#[derive(Clone)]
pub(super) struct Stored(Secret);

/// Trust as the webhook configuration has it.
#[derive(Clone, Debug)]
pub(super) struct Published {
    /// The webhooks of ours in it, each with its `caBundle`.
    webhooks: Vec<(String, Vec<u8>)>,
}

/// The API server did not do what was asked.
#[derive(Debug, thiserror::Error)]
pub(super) enum ClusterError {
    #[error("no connection to the API server is configured")]
    Connect(#[source] kube::Error),
    #[error("Secret {namespace}/{name}")]
    Secret { namespace: String, name: String, source: kube::Error },
    #[error("MutatingWebhookConfiguration {name}")]
    Configuration { name: String, source: kube::Error },
    #[error("Secret {namespace}/{name} is immutable: delete it, and it will be made anew")]
    Immutable { namespace: String, name: String },
    #[error("MutatingWebhookConfiguration {0} has no webhook that calls our Service")]
    NoWebhook(String),
    /// Another replica was quicker. The next look sees what it did.
    #[error("another replica wrote the Secret at the same time")]
    Conflict,
}

const CONFLICT: u16 = 409;

impl Cluster {
    pub(super) async fn connect(own: &Own) -> Result<Self, ClusterError> {
        let client = Client::try_default().await.map_err(ClusterError::Connect)?;
        Ok(Self::new(client, own))
    }

    pub(super) fn new(client: Client, own: &Own) -> Self {
        Self {
            secrets: Api::namespaced(client.clone(), &own.namespace),
            configurations: Api::all(client),
            own: own.clone(),
        }
    }

    /// The stored CA; `None` when there is no Secret.
    pub(super) async fn load(&self) -> Result<Option<Stored>, ClusterError> {
        let secret = self.secrets.get_opt(&self.own.secret).await;
        let secret = secret.map_err(|error| self.about_secret(error))?;
        Ok(secret.map(Stored))
    }

    /// Stores `rotation`, if the Secret is still as `stored`.
    pub(super) async fn store(
        &self,
        rotation: &Rotation,
        stored: Option<&Stored>,
    ) -> Result<(), ClusterError> {
        let params =
            PostParams { field_manager: Some(FIELD_MANAGER.to_owned()), ..PostParams::default() };
        let written = match stored {
            None => self.secrets.create(&params, &self.new_secret(rotation)).await,
            Some(Stored(found)) if found.immutable == Some(true) => {
                let (namespace, name) = (self.own.namespace.clone(), self.own.secret.clone());
                return Err(ClusterError::Immutable { namespace, name });
            }
            Some(stored) => {
                let secret = stored.with(rotation);
                self.secrets.replace(&self.own.secret, &params, &secret).await
            }
        };
        written.map(drop).map_err(|error| self.about_secret(error))
    }

    fn new_secret(&self, rotation: &Rotation) -> Secret {
        let metadata = ObjectMeta {
            name: Some(self.own.secret.clone()),
            namespace: Some(self.own.namespace.clone()),
            ..ObjectMeta::default()
        };
        let secret = Secret { metadata, type_: Some("Opaque".to_owned()), ..Secret::default() };
        Stored(secret).with(rotation)
    }

    /// The trust that API servers see.
    pub(super) async fn published(&self) -> Result<Published, ClusterError> {
        let name = &self.own.webhook_configuration;
        let found = self.configurations.get(name).await;
        let found = found.map_err(|error| self.about_configuration(error))?;
        let ours = found.webhooks.unwrap_or_default().into_iter().filter_map(|webhook| {
            let service = webhook.client_config.service?;
            let is_ours =
                service.name == self.own.service && service.namespace == self.own.namespace;
            let bundle = webhook.client_config.ca_bundle.unwrap_or_default().0;
            is_ours.then_some((webhook.name, bundle))
        });
        let webhooks: Vec<_> = ours.collect();
        if webhooks.is_empty() {
            return Err(ClusterError::NoWebhook(name.clone()));
        }
        Ok(Published { webhooks })
    }

    /// Makes `bundle` what API servers trust. Takes the field from whoever has written it meanwhile.
    pub(super) async fn publish(
        &self,
        published: &Published,
        bundle: &str,
    ) -> Result<(), ClusterError> {
        let bundle = ByteString(bundle.as_bytes().to_vec());
        let webhooks: Vec<_> = published
            .webhooks
            .iter()
            .map(|(name, _)| json!({"name": name, "clientConfig": {"caBundle": bundle}}))
            .collect();
        let name = &self.own.webhook_configuration;
        let apply = json!({
            "apiVersion": "admissionregistration.k8s.io/v1",
            "kind": "MutatingWebhookConfiguration",
            "metadata": {"name": name},
            "webhooks": webhooks,
        });
        let params = PatchParams::apply(FIELD_MANAGER).force();
        let applied = self.configurations.patch(name, &params, &Patch::Apply(&apply)).await;
        applied.map(drop).map_err(|error| self.about_configuration(error))
    }

    fn about_secret(&self, source: kube::Error) -> ClusterError {
        match source {
            kube::Error::Api(status) if status.code == CONFLICT => ClusterError::Conflict,
            source => ClusterError::Secret {
                namespace: self.own.namespace.clone(),
                name: self.own.secret.clone(),
                source,
            },
        }
    }

    fn about_configuration(&self, source: kube::Error) -> ClusterError {
        ClusterError::Configuration { name: self.own.webhook_configuration.clone(), source }
    }
}

impl Stored {
    pub(super) fn data(&self) -> Data {
        let data = self.0.data.iter().flatten();
        data.map(|(key, value)| (key.clone(), value.0.clone())).collect()
    }

    /// Whether a person asks for a new CA.
    pub(super) fn asks_for_rotation(&self) -> bool {
        let annotations = self.0.metadata.annotations.as_ref();
        annotations.is_some_and(|all| all.contains_key(annotation::ROTATE_CA))
    }

    /// The Secret with another content and without a person's request. Labels, annotations and keys
    /// of others stay: it may have been restored, or made by somebody else.
    fn with(&self, rotation: &Rotation) -> Secret {
        let mut secret = self.0.clone();
        secret.metadata.managed_fields = None;
        if let Some(annotations) = &mut secret.metadata.annotations {
            annotations.remove(annotation::ROTATE_CA);
        }
        let data = secret.data.get_or_insert_default();
        data.retain(|key, _| !rotation::KEYS.contains(&key.as_str()));
        data.extend(rotation.to_data().into_iter().map(|(key, value)| (key, ByteString(value))));
        secret
    }
}

/// Never the content.
impl fmt::Debug for Stored {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Stored").field(&self.0.metadata.resource_version).finish()
    }
}

impl Published {
    /// Whether every webhook of ours trusts exactly `bundle`.
    pub(super) fn is(&self, bundle: &str) -> bool {
        self.webhooks.iter().all(|(_, published)| published == bundle.as_bytes())
    }

    /// What all webhooks of ours trust: the first one's, if the others have the same.
    pub(super) fn common(&self) -> &[u8] {
        match self.webhooks.split_first() {
            Some(((_, first), rest)) if rest.iter().all(|(_, other)| other == first) => first,
            _ => &[],
        }
    }
}
