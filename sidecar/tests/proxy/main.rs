//! The whole proxy in this process: a real issuer, a real runtime, real sockets, all on loopback.
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a test that cannot be set up has to fail"
)]

mod gate;
mod runtime;
mod sidecar;
mod streams;
