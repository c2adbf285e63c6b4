//! Benchmarks that measure our programs from outside, as they are shipped: [`sidecar`] and
//! [`spawner`] beside other programs in one run, [`instructions`] of the hot paths, and [`report`],
//! which makes the page from what they found.

mod cores;
pub mod instructions;
mod issuer;
mod load;
mod measure;
mod page;
mod peer;
pub mod report;
pub mod sidecar;
pub mod spawner;
mod upstream;

use std::{path::Path, process::ExitCode};

use bench_results::Results;

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

/// Writes what was found to `path` and prints it.
#[expect(clippy::print_stdout, reason = "the table is what the programs are for")]
fn publish(results: &mut Results, path: &Path) -> anyhow::Result<()> {
    results.write(path)?;
    println!("{}", results.table());
    Ok(())
}
