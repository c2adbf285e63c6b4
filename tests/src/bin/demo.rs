//! `make demo`: brings everything up and tells the story of one user's pod. Ends with 1 on any
//! surprise.

use std::process::ExitCode;

use clap::Parser;

/// Tells the story of one user's pod on the running development cluster.
#[derive(Debug, Parser)]
struct Args {}

#[tokio::main]
async fn main() -> ExitCode {
    let Args {} = Args::parse();
    match tests::story::tell().await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}
