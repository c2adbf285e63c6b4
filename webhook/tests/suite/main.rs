//! Whole admissions, from raw JSON to raw JSON, and the server and program around them.
#![expect(
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test that cannot be set up has to fail"
)]

mod cli;
mod common;
mod golden;
mod properties;
mod review;
mod server;
