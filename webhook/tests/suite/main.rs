//! Whole admissions, from raw JSON to raw JSON, and the server and program around them.
#![expect(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test that cannot be set up has to fail"
)]

mod cli;
mod common;
mod corpus;
mod golden;
mod laws;
mod properties;
mod reasons;
mod restricted;
mod review;
mod serve;
mod server;
mod tokens;
