//! The real program under streams that are long, large or many: what it takes, what it keeps in memory
//! and what it says.
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    reason = "a test that cannot be set up has to fail"
)]

mod bulk;
mod crowd;
mod log;
mod program;
