//! The auth sidecar: one per user pod, the pod's only way in.
//!
//! `proxy` verifies the user's token and forwards to the runtime on loopback; `token-sync` is the
//! init step that puts the gateway token into `openclaw.json`; `verify` is the proxy's verdict
//! offline.

pub mod cli;
pub mod gateway_auth;
pub mod openclaw;
mod probe;
pub mod proxy;
pub mod token_sync;
pub mod verify;
