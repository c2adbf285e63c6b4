//! The command line. `serve` answers the API server; the other commands run the same code offline.

mod explain;
mod input;
mod offline;
mod serve;

use std::{path::Path, process::ExitCode};

use clap::{Parser, Subcommand};
use edge::program::{self, Failure};

use self::input::{ConfigArgs, InputArgs};

/// Puts into every labeled pod what makes it one user's workspace.
#[derive(Debug, Parser)]
#[command(name = "webhook", version, propagate_version = true)]
pub struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Answer AdmissionReviews over TLS
    #[command(after_help = "Examples:
  webhook serve --config webhook.yaml
  webhook serve --config webhook.yaml --listen 127.0.0.1:8443 --admin-listen 127.0.0.1:8081")]
    Serve(Box<serve::ServeArgs>),
    /// Inject the pods of manifests as the server would, and print the result
    #[command(after_help = "Examples:
  webhook inject --config webhook.yaml -f pod.yaml | kubectl apply -f -
  helm template app ./chart | webhook inject --config webhook.yaml -f - > injected.yaml
One denied pod, and nothing is printed: exit code 1, with every reason on standard error.")]
    Inject(WithConfig),
    /// Take out of manifests what an injection put in, and print the result
    #[command(after_help = "Examples:
  webhook uninject -f injected.yaml > pod.yaml
  kubectl get deployment app -o json | webhook uninject -f - | kubectl diff -f -")]
    Uninject(InputArgs),
    /// Say for each pod of manifests what would become of it, and why
    #[command(after_help = "Examples:
  webhook explain --config webhook.yaml -n tenant -f pod.yaml
  kubectl get deployments -A -o yaml | webhook explain --config webhook.yaml -f -")]
    Explain(WithConfig),
    /// Answer one AdmissionReview from standard input
    #[command(after_help = "Example:
  webhook review --config webhook.yaml < review.json | jq .response
The exit code is 0 however the review is decided; it is 1 when there is no uid to answer to.")]
    Review(ConfigArgs),
    /// Check the configuration
    #[command(after_help = "Example:
  webhook check-config --config webhook.yaml
A wrong configuration is exit code 78, with the key and the value.")]
    CheckConfig(ConfigArgs),
}

#[derive(Debug, clap::Args)]
struct WithConfig {
    #[command(flatten)]
    config: ConfigArgs,
    #[command(flatten)]
    input: InputArgs,
}

/// Runs the command line of this process.
pub fn main() -> ExitCode {
    let ended = match Cli::parse().command {
        Command::Serve(args) => return serve::main(*args),
        Command::Inject(WithConfig { config, input }) => offline::inject(&config, &input),
        Command::Uninject(input) => offline::uninject(&input),
        Command::Explain(WithConfig { config, input }) => explain::explain(&config, &input),
        Command::Review(config) => offline::review(&config),
        Command::CheckConfig(config) => offline::check_config(&config),
    };
    match ended {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => program::report(&failure),
    }
}

/// A failure that is about the file at `path`.
fn about(path: &Path, error: &dyn std::error::Error) -> String {
    format!("{}: {}", path.display(), program::Chain(error))
}

type Ended = Result<(), Failure>;
