//! `bench-instructions`: see [`bench::instructions`].

use std::process::ExitCode;

use clap::Parser as _;

fn main() -> ExitCode {
    bench::exit(bench::instructions::run(&bench::instructions::Args::parse()))
}
