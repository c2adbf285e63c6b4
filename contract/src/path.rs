//! Paths that one program serves and another asks.

/// Auth sidecar, admin: what its client did last, as JSON. The spawner's reaper asks.
pub const ACTIVITY: &str = "/activity";
/// Auth sidecar, admin: a fresh token of a session, in `Authorization`, which extends its streams. The
/// spawner sends it when no request would; it is no activity.
pub const SESSION: &str = "/session";
/// Auth sidecar, admin: OpenID Connect Back-Channel Logout 1.0. The spawner passes on what the issuer
/// sent it.
pub const BACKCHANNEL_LOGOUT: &str = "/backchannel-logout";
/// Auth sidecar, admin: POST asks the runtime whether it agrees to be put to sleep, DELETE tells it to go
/// on. The spawner's reaper does both.
pub const SLEEP: &str = "/sleep";
