//! The auth sidecar: one per user pod, the pod's only way in.

pub mod token_sync;
