//! The whole proxy in this process: a real issuer, a real runtime, real sockets, all on loopback.
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a test that cannot be set up has to fail"
)]

mod activity;
mod connect;
mod gate;
mod logout;
mod runtime;
mod session;
mod sidecar;
mod sleep;
mod streams;
