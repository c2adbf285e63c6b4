//! `make bench-path`: see [`tests::whole_path`].

use std::{path::PathBuf, process::ExitCode};

use clap::Parser;

/// From the request to the first byte of a user's runtime, on the running development cluster.
#[derive(Debug, Parser)]
struct Args {
    /// How often everything is measured; the medians are reported
    #[arg(long, env = "BENCH_ROUNDS", value_name = "COUNT", default_value_t = 10, value_parser = clap::value_parser!(u32).range(1..=100))]
    rounds: u32,

    /// Where the numbers go as JSON
    #[arg(long, env = "BENCH_OUT", value_name = "FILE", default_value = "target/bench/path.json")]
    out: PathBuf,
}

#[tokio::main]
async fn main() -> ExitCode {
    let Args { rounds, out } = Args::parse();
    match tests::whole_path::measure(rounds, &out).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}
