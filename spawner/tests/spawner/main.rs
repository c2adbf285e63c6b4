//! The whole spawner in one process: its real routes on a real port, an API server and a sidecar
//! that are told what to do, and tokens signed by a real key.
#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::expect_used,
    reason = "a test that cannot be set up has to fail"
)]

mod api_server;
mod audit;
mod browser;
mod check;
#[cfg(feature = "schemathesis")]
mod conformance;
mod control;
mod faults;
mod forgeries;
mod homes;
mod house;
mod issuer;
mod keeping;
mod killed;
mod leases;
mod login;
mod login_objects;
mod operate;
mod pages;
mod program;
mod queue;
mod reach;
mod replicas;
mod reuse;
mod scale;
mod sessions;
mod sidecar;
mod sleep;
mod start;
mod stop;
mod tell;
