//! `bench-spawner`: see [`bench::spawner`].

use std::process::ExitCode;

use clap::Parser as _;

fn main() -> ExitCode {
    bench::exit(bench::spawner::run(bench::spawner::Args::parse()))
}
