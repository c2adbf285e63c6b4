//! Ports that more than one part has to know.

/// Auth sidecar, data: the pod's only way in.
pub const SIDECAR_DATA: u16 = 4180;
/// Auth sidecar, admin: `/livez`, `/readyz`, `/metrics`, `/probe/{startup,readiness,liveness}`, and
/// what [`crate::path`] names.
pub const SIDECAR_ADMIN: u16 = 4181;
/// Webhook, TLS.
pub const WEBHOOK: u16 = 8443;
/// Webhook, admin.
pub const WEBHOOK_ADMIN: u16 = 8081;
/// Spawner, the address users open.
pub const SPAWNER: u16 = 8080;
/// Spawner, admin.
pub const SPAWNER_ADMIN: u16 = 8081;
/// OpenClaw's default gateway port; the default of `upstream-port`.
pub const RUNTIME: u16 = 18789;
