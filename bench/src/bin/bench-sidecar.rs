//! `bench-sidecar`: see [`bench::sidecar`].

use std::process::ExitCode;

use clap::Parser as _;

fn main() -> ExitCode {
    bench::exit(bench::sidecar::run(bench::sidecar::Args::parse()))
}
