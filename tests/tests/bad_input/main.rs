//! What nobody should send, and what should not happen: each ends in a clear error, nothing is lost,
//! and nothing is restarted.

mod admission;
#[cfg(feature = "pods")]
mod running;
