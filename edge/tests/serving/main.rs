//! Whole servers on loopback: what a stranger can send them, how they stop, and what they pass on.

#![expect(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test that cannot go on has failed"
)]

mod backpressure;
mod drain;
mod headers;
mod http_2;
mod limits;
mod raw_cases;
mod raw_requests;
mod reuse;
mod streams;
mod support;
mod tls;
mod upstream_faults;
mod websocket;
mod websocket_h2;
