//! `bench-report`: see [`bench::report`].

use std::process::ExitCode;

use clap::Parser as _;

fn main() -> ExitCode {
    bench::exit(bench::report::run(&bench::report::Args::parse()))
}
