//! Environment variables that the webhook injects.

/// The user's NewAPI key, from [`crate::secret::NEWAPI_KEY_KEY`]. In the runtime container only.
pub const NEWAPI_KEY: &str = "NEWAPI_KEY";
/// NewAPI's base URL, with or without `/v1`; see [`crate::newapi::base`].
pub const NEWAPI_BASE_URL: &str = "NEWAPI_BASE_URL";
/// The gateway token, in the runtime, token-sync and the auth sidecar.
pub const OPENCLAW_GATEWAY_TOKEN: &str = "OPENCLAW_GATEWAY_TOKEN";
