use std::process::ExitCode;

use clap::Parser;
use sidecar::cli::{Cli, run};

fn main() -> ExitCode {
    run(Cli::parse())
}
