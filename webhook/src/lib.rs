//! Mutating admission webhook: puts into every labeled pod what makes it one user's workspace, the
//! NewAPI `secretKeyRef`s, the token-sync init container and the auth sidecar.
//!
//! ```text
//! review -> decide -> inject -> patch -> review       admission: the four as one call
//! ```
//! [`decide`], [`inject`] and [`patch`] are pure, and nothing is asked of the API server during an
//! admission: no cache can be stale. The pod itself stays raw JSON from end to end, because typed
//! structs drop the fields they do not know. Server and command line run the same code.

pub mod admission;
pub mod annotations;
pub mod authority;
pub mod cli;
pub mod config;
pub mod decide;
pub mod inject;
pub mod manifest;
pub mod metrics;
pub mod original;
pub mod patch;
pub mod plan;
pub mod probe;
pub mod quantity;
pub mod reason;
pub mod review;
pub mod server;
pub mod uninject;
pub mod view;
pub mod warning;
pub mod yaml;

/// Version of this webhook, as it stands in [`contract::annotation::INJECTED`].
pub const VERSION: &str = env!("CARGO_PKG_VERSION");
