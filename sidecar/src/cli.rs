//! The command line.

use std::process::ExitCode;

use edge::program::{self, Failure, Threads};

use crate::{
    proxy, token_sync,
    verify::{self, Verdict},
};

/// The auth sidecar of a user's pod
#[derive(Debug, clap::Parser)]
#[command(version, propagate_version = true)]
pub struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, clap::Subcommand)]
enum Command {
    Proxy(Box<proxy::Args>),
    TokenSync(token_sync::Args),
    Verify(verify::Args),
}

/// Runs one command to its end.
#[must_use]
pub fn run(cli: Cli) -> ExitCode {
    match cli.command {
        Command::Proxy(args) => {
            let log = args.log.clone();
            program::run(Threads::Single, &log, |shutdown| proxy::run(*args, shutdown))
        }
        Command::TokenSync(args) => token_sync::run(args),
        Command::Verify(args) => say(verify::run(args, std::io::stdin().lock())),
    }
}

#[expect(clippy::print_stdout, reason = "the verdict is what the command is for")]
fn say(verdict: Result<Verdict, Failure>) -> ExitCode {
    match verdict {
        Ok(verdict) => {
            println!("{verdict}");
            match verdict {
                Verdict::Accepted(_) => ExitCode::SUCCESS,
                Verdict::Refused(_) => ExitCode::FAILURE,
            }
        }
        Err(failure) => program::report(&failure),
    }
}
