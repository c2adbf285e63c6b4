//! Benchmarks that measure our programs from outside, as they are shipped: [`sidecar`] and
//! [`spawner`] beside other programs in one run, and [`instructions`] of the hot paths.

mod cores;
pub mod instructions;
mod issuer;
mod load;
mod machine;
mod measure;
mod median;
mod peer;
pub mod sidecar;
pub mod spawner;
mod upstream;

use std::process::ExitCode;

/// Tells how a run ended, and why it did not.
pub fn exit(outcome: anyhow::Result<()>) -> ExitCode {
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}
