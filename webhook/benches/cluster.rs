//! The API server that `tls.mode: self` needs: a disposable one, named by `BENCH_KUBECONFIG`.

use std::path::PathBuf;

use k8s_openapi::api::admissionregistration::v1::MutatingWebhookConfiguration;
use kube::{
    Api, Client, Config,
    api::{Patch, PatchParams},
    config::{KubeConfigOptions, Kubeconfig},
};
use serde_json::json;

use crate::Result;

/// Name of the webhook configuration, of the Secret and of the Service that nobody calls.
pub(crate) const NAME: &str = "bench-webhook";

pub(crate) struct Cluster {
    pub(crate) kubeconfig: PathBuf,
    configurations: Api<MutatingWebhookConfiguration>,
}

impl Cluster {
    /// The cluster, if there is one, with a webhook configuration that matches nothing.
    pub(crate) async fn connect() -> Result<Option<Self>> {
        let Some(kubeconfig) = std::env::var_os("BENCH_KUBECONFIG").map(PathBuf::from) else {
            return Ok(None);
        };
        let read = Kubeconfig::read_from(&kubeconfig)?;
        let config = Config::from_custom_kubeconfig(read, &KubeConfigOptions::default()).await?;
        let configurations = Api::all(Client::try_from(config)?);
        let configuration = json!({
            "apiVersion": "admissionregistration.k8s.io/v1",
            "kind": "MutatingWebhookConfiguration",
            "metadata": {"name": NAME},
            "webhooks": [{
                "name": "bench.openclaw.catalyst.openova.io",
                "admissionReviewVersions": ["v1"],
                "sideEffects": "None",
                "clientConfig": {"service": {"name": NAME, "namespace": "default", "path": "/mutate"}},
            }],
        });
        let params = PatchParams::apply(NAME).force();
        configurations.patch(NAME, &params, &Patch::Apply(&configuration)).await?;
        Ok(Some(Self { kubeconfig, configurations }))
    }

    /// The CA that API servers have been told to trust.
    pub(crate) async fn bundle(&self) -> Result<String> {
        let webhooks = self.configurations.get(NAME).await?.webhooks.unwrap_or_default();
        let bundle = webhooks.into_iter().find_map(|webhook| webhook.client_config.ca_bundle);
        Ok(String::from_utf8(bundle.ok_or("no caBundle was published")?.0)?)
    }
}
