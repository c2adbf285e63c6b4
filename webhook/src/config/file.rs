//! `webhook.yaml` as it is written: every key, nothing else. [`super::check`] makes it a
//! [`super::Config`].

use contract::port;
use serde::{Deserialize, Serialize};

use super::settings::{GatewayAuth, Resources, Settings, TokenSync};

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct File {
    pub(super) sidecar: Sidecar,
    pub(super) oidc: Oidc,
    #[serde(default)]
    pub(super) gateway: Gateway,
    #[serde(default)]
    pub(super) defaults: Defaults,
    pub(super) seed_config_map: Option<String>,
    #[serde(default)]
    pub(super) excluded_namespaces: Vec<String>,
    pub(super) tls: Option<Tls>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct Sidecar {
    pub(super) image: String,
    #[serde(default)]
    pub(super) image_pull_policy: PullPolicy,
    #[serde(default)]
    pub(super) resources: Resources,
}

/// When the kubelet fetches the sidecar's image.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum PullPolicy {
    Always,
    #[default]
    IfNotPresent,
    Never,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct Oidc {
    pub(super) issuer: String,
    pub(super) jwks_url: Option<String>,
    pub(super) audience: String,
    #[serde(default = "sub")]
    pub(super) user_claim: String,
    #[serde(default)]
    pub(super) authorized_parties: Vec<String>,
    pub(super) leeway: Option<String>,
    pub(super) max_token_lifetime: Option<String>,
    pub(super) logout_client: Option<String>,
    pub(super) ca_config_map: Option<String>,
}

fn sub() -> String {
    "sub".to_owned()
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct Gateway {
    pub(super) scope: Scope,
    pub(super) shared_secret: Option<String>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) enum Scope {
    #[default]
    PerUser,
    Shared,
}

#[derive(Debug, Deserialize)]
#[serde(default, rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct Defaults {
    pub(super) upstream_port: u16,
    pub(super) gateway_auth: GatewayAuth,
    pub(super) token_sync: TokenSync,
    pub(super) config_path: String,
}

impl Default for Defaults {
    fn default() -> Self {
        let Settings { upstream_port, gateway_auth, token_sync, config_path, .. } =
            Settings::default();
        let config_path = config_path.as_str().to_owned();
        Self { upstream_port, gateway_auth, token_sync, config_path }
    }
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct Tls {
    pub(super) mode: TlsMode,
    pub(super) secret: Option<String>,
    pub(super) webhook_configuration: Option<String>,
    pub(super) service: Option<String>,
    pub(super) namespace: Option<String>,
    pub(super) ca_lifetime: Option<String>,
    pub(super) leaf_lifetime: Option<String>,
    pub(super) settle: Option<String>,
    pub(super) cert_file: Option<String>,
    pub(super) key_file: Option<String>,
    pub(super) ca_file: Option<String>,
    pub(super) server_name: Option<String>,
    pub(super) client_ca: Option<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) enum TlsMode {
    #[serde(rename = "self")]
    SelfManaged,
    Provided,
    CertManager,
}

/// Ports that a runtime cannot have.
pub(super) const TAKEN: [u16; 3] = [0, port::SIDECAR_DATA, port::SIDECAR_ADMIN];
