//! Variables from Secrets. The references are emitted blind: the kubelet resolves them, and a pod
//! whose Secret is missing waits for it.

use contract::{env, secret};
use serde_json::{Value, json};

use super::Parts;
use crate::config::{GatewayAuth, GatewayToken};

/// One variable from one key of a Secret.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Variable {
    pub name: &'static str,
    /// The whole entry of `env`.
    pub entry: Value,
}

/// Of the runtime container.
pub(super) fn runtime(parts: &Parts<'_>) -> Vec<Variable> {
    [Some(newapi_key(parts)), Some(newapi_base_url(parts)), gateway_token(parts)]
        .into_iter()
        .flatten()
        .collect()
}

/// The user's own key. Of the runtime and of nothing else.
fn newapi_key(parts: &Parts<'_>) -> Variable {
    let name = secret::newapi_key(&parts.plan.user);
    variable(env::NEWAPI_KEY, &name, secret::NEWAPI_KEY_KEY)
}

pub(super) fn newapi_base_url(parts: &Parts<'_>) -> Variable {
    let name = secret::newapi_key(&parts.plan.user);
    variable(env::NEWAPI_BASE_URL, &name, secret::NEWAPI_BASE_URL_KEY)
}

/// The gateway token, in the one mode that has one: OpenClaw refuses it beside trusted-proxy.
pub(super) fn gateway_token(parts: &Parts<'_>) -> Option<Variable> {
    if parts.plan.settings.gateway_auth != GatewayAuth::Token {
        return None;
    }
    let name = match &parts.config.gateway {
        GatewayToken::PerUser => secret::gateway(&parts.plan.user),
        GatewayToken::Shared(name) => name.clone(),
    };
    Some(variable(env::OPENCLAW_GATEWAY_TOKEN, &name, secret::GATEWAY_TOKEN_KEY))
}

fn variable(name: &'static str, secret: &str, key: &str) -> Variable {
    let reference = json!({"name": secret, "key": key, "optional": false});
    Variable { name, entry: json!({"name": name, "valueFrom": {"secretKeyRef": reference}}) }
}
