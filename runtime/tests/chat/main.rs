//! The whole runtime in front of a NewAPI that records what it sees.

#![expect(clippy::expect_used, clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod http_api;
mod support;
mod websocket;
