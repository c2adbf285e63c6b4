//! What every server here does, so that each program is only its own work: start and stop, logs,
//! admin port, readiness, TLS, token verification and proxying. It knows no Kubernetes.

pub mod activity;
pub mod admin;
pub mod args;
pub mod client;
pub mod oidc;
pub mod problem;
pub mod program;
pub mod proxy;
pub mod readiness;
pub mod serve;
pub mod sessions;
pub mod shutdown;
pub mod sleep;
pub mod tls;
pub mod tunnels;
