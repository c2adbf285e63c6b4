//! What the webhook and the API server know of each other: the CA's Secret and the `caBundle`.

use std::{collections::BTreeMap, time::Duration};

use anyhow::{Context as _, Result};
use contract::annotation;
use k8s_openapi::{
    ByteString,
    api::{
        admissionregistration::v1::MutatingWebhookConfiguration, apps::v1::Deployment,
        core::v1::Secret,
    },
};
use kube::{
    Api, Client, ResourceExt as _,
    api::{DeleteParams, Patch, PatchParams},
};
use serde_json::{Value, json};

use crate::{install, patience};

/// How long the webhook may take to put something right: it looks every few seconds.
const REPAIR: Duration = Duration::from_secs(60);

/// The Secret of the webhook's own CA.
const SECRET: &str = "bp-openclaw-webhook-tls";
/// The webhook's Deployment.
pub const DEPLOYMENT: &str = "bp-openclaw-webhook";

/// Both sides, as cluster-admin sees them.
#[derive(Clone)]
#[expect(missing_debug_implementations, reason = "kube::Client has none")]
pub struct Trust {
    client: Client,
    secrets: Api<Secret>,
    configurations: Api<MutatingWebhookConfiguration>,
}

/// What the Secret holds.
pub type Data = BTreeMap<String, ByteString>;

impl Trust {
    /// Those of the release.
    #[must_use]
    pub fn of(client: &Client) -> Self {
        Self {
            client: client.clone(),
            secrets: Api::namespaced(client.clone(), install::SYSTEM),
            configurations: Api::all(client.clone()),
        }
    }

    /// The Secret's content.
    ///
    /// # Errors
    /// There is none.
    pub async fn secret(&self) -> Result<Data> {
        Ok(self.secrets.get(SECRET).await?.data.unwrap_or_default())
    }

    /// Merges `patch` into the Secret.
    ///
    /// # Errors
    /// The API server refuses.
    pub async fn change_secret(&self, patch: Value) -> Result<()> {
        let patch = Patch::Merge(patch);
        self.secrets.patch(SECRET, &PatchParams::default(), &patch).await.map(drop)?;
        Ok(())
    }

    /// Deletes the Secret.
    ///
    /// # Errors
    /// The API server refuses.
    pub async fn delete_secret(&self) -> Result<()> {
        self.secrets.delete(SECRET, &DeleteParams::default()).await.map(drop)?;
        Ok(())
    }

    /// Asks for a new CA, as NOTES.txt tells operators.
    ///
    /// # Errors
    /// The API server refuses.
    pub async fn ask_for_rotation(&self) -> Result<()> {
        self.change_secret(json!({"metadata": {"annotations": {annotation::ROTATE_CA: "now"}}}))
            .await
    }

    /// The webhook configuration.
    ///
    /// # Errors
    /// There is none, or more than one.
    pub async fn configuration(&self) -> Result<MutatingWebhookConfiguration> {
        let ours = self.configurations.list(&install::of_release()).await?;
        ours.items.into_iter().next().context("the API server knows no webhook of ours")
    }

    /// The `caBundle` of the webhook configuration, PEM; empty when there is none.
    ///
    /// # Errors
    /// There is no configuration.
    pub async fn bundle(&self) -> Result<Vec<u8>> {
        let webhook = self.configuration().await?.webhooks.unwrap_or_default().into_iter().next();
        let webhook = webhook.context("a configuration without a webhook")?;
        Ok(webhook.client_config.ca_bundle.unwrap_or_default().0)
    }

    /// Writes another `caBundle`, as a tool would that syncs the cluster with a repository.
    ///
    /// # Errors
    /// The API server refuses.
    pub async fn overwrite_bundle(&self, bundle: &[u8]) -> Result<()> {
        let name = self.configuration().await?.name_any();
        let bundle = ByteString(bundle.to_vec());
        let patch =
            json!([{"op": "add", "path": "/webhooks/0/clientConfig/caBundle", "value": bundle}]);
        let patch: Patch<()> = Patch::Json(serde_json::from_value(patch)?);
        self.configurations.patch(&name, &PatchParams::default(), &patch).await.map(drop)?;
        Ok(())
    }

    /// Deletes the webhook configuration and gives it as it was.
    ///
    /// # Errors
    /// The API server refuses.
    pub async fn delete_configuration(&self) -> Result<MutatingWebhookConfiguration> {
        let found = self.configuration().await?;
        self.configurations.delete(&found.name_any(), &DeleteParams::default()).await?;
        Ok(found)
    }

    /// Makes the configuration again, as the chart renders it: without a `caBundle`.
    ///
    /// # Errors
    /// The API server refuses.
    pub async fn restore(&self, mut configuration: MutatingWebhookConfiguration) -> Result<()> {
        let metadata = &mut configuration.metadata;
        (metadata.uid, metadata.resource_version, metadata.managed_fields) = (None, None, None);
        metadata.creation_timestamp = None;
        for webhook in configuration.webhooks.iter_mut().flatten() {
            webhook.client_config.ca_bundle = None;
        }
        // In helm's name: as somebody else's, its fields would stand against the next upgrade.
        let name = configuration.name_any();
        let restored = Patch::Apply(&configuration);
        self.configurations.patch(&name, &PatchParams::apply("helm"), &restored).await.map(drop)?;
        Ok(())
    }

    /// Waits until the API server trusts `bundle` again, and the Secret holds what it held.
    ///
    /// # Errors
    /// The webhook does not put it right.
    pub async fn is_again(&self, secret: &Data, bundle: &[u8]) -> Result<()> {
        let as_before = || async {
            let found = self.secrets.get_opt(SECRET).await?.and_then(|found| found.data);
            let same =
                |key: &str| found.as_ref().and_then(|found| found.get(key)) == secret.get(key);
            Ok(same("ca.crt") && same("ca.key") && self.bundle().await? == bundle)
        };
        patience::until(REPAIR, as_before).await.context("the CA is not as it was")
    }

    /// Waits until another CA than the one in `before` signs, and the request for it is gone.
    ///
    /// # Errors
    /// None follows.
    pub async fn has_followed(&self, before: &Data) -> Result<()> {
        let followed = || async {
            let now = self.secrets.get(SECRET).await?;
            let asked = now.annotations().contains_key(annotation::ROTATE_CA);
            let key = |data: &Data| data.get("ca.key").cloned();
            Ok(!asked && key(&now.data.unwrap_or_default()) != key(before))
        };
        patience::until(REPAIR, followed).await.context("no new CA has followed")
    }

    /// Restarts every pod of the webhook, one after the other, and waits for the end of it.
    ///
    /// # Errors
    /// The rollout does not end.
    pub async fn restart_webhook(&self) -> Result<()> {
        let deployments: Api<Deployment> = Api::namespaced(self.client.clone(), install::SYSTEM);
        deployments.restart(DEPLOYMENT).await?;
        install::rolled_out(&self.client, DEPLOYMENT).await
    }
}
