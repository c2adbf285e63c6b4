//! Names and keys of the Secrets from which a pod is configured. No part reads the first one: the
//! webhook emits a `secretKeyRef`, and the kubelet resolves it.

use crate::UserId;

/// Prefix of the Secret with a user's NewAPI key: `newapi-key-<uuid>`.
pub const NEWAPI_KEY_PREFIX: &str = "newapi-key-";
/// Key of the API key in [`newapi_key`].
pub const NEWAPI_KEY_KEY: &str = "api-key";
/// Key of the base URL in [`newapi_key`].
pub const NEWAPI_BASE_URL_KEY: &str = "base-url";

/// Prefix of the Secret with a user's gateway token: `openclaw-gateway-<uuid>`.
pub const GATEWAY_PREFIX: &str = "openclaw-gateway-";
/// Key of the token in [`gateway`], and in the shared Secret.
pub const GATEWAY_TOKEN_KEY: &str = "OPENCLAW_GATEWAY_TOKEN";

/// The Secret that holds this user's NewAPI key.
#[must_use]
pub fn newapi_key(user: &UserId) -> String {
    format!("{NEWAPI_KEY_PREFIX}{user}")
}

/// The Secret that holds this user's gateway token (scope `perUser`).
#[must_use]
pub fn gateway(user: &UserId) -> String {
    format!("{GATEWAY_PREFIX}{user}")
}
