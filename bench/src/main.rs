//! `bench-sidecar`: the auth sidecar beside HAProxy, Envoy and Apache in one run. Each verifies the
//! same tokens and forwards to the same upstream, all on loopback and in turn.
//!
//! The measured program has one core. The load, the upstream and the issuer share another.

mod cores;
mod issuer;
mod load;
mod machine;
mod measure;
mod peer;
mod report;
mod run;
mod upstream;

use std::process::ExitCode;

use clap::Parser;

fn main() -> ExitCode {
    match run::run(run::Args::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}
