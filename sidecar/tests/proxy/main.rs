//! The whole proxy in this process: a real issuer, a real runtime, real sockets, all on loopback.

mod gate;
mod runtime;
mod sidecar;
mod streams;
