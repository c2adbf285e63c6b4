//! The spawner's `main`; everything else is in the library, where tests reach it.

use std::process::ExitCode;

use clap::Parser as _;
use spawner::cli::Cli;

fn main() -> ExitCode {
    Cli::parse().run()
}
