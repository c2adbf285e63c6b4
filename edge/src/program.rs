//! From `main` to an exit code: crypto provider, logs, async runtime, signals, and whose fault a
//! failure was.

use std::{error::Error, fmt::Display, future::Future, process::ExitCode};

use crate::{args::LogArgs, shutdown::Shutdown};

/// Any error, as a cause.
pub type BoxError = Box<dyn Error + Send + Sync>;

/// Why a program ends with anything but success. The variant tells whose fault it is.
#[derive(Debug, thiserror::Error)]
pub enum Failure {
    /// The command line is wrong: exit code 2, as clap has it.
    #[error("{0}")]
    Usage(String),
    /// What the program was given to run with is wrong: exit code 78 (`EX_CONFIG` of sysexits.h).
    #[error("{0}")]
    Config(String),
    /// Anything else: exit code 1.
    #[error(transparent)]
    Runtime(BoxError),
}

impl Failure {
    /// A configuration failure that says what `error` says, causes included.
    pub fn config(error: impl Into<BoxError>) -> Self {
        Self::Config(Chain(error.into().as_ref()).to_string())
    }

    /// A failure that is neither the caller's fault nor the configuration's.
    pub fn runtime(error: impl Into<BoxError>) -> Self {
        Self::Runtime(error.into())
    }

    fn exit_code(&self) -> u8 {
        match self {
            Self::Runtime(_) => 1,
            Self::Usage(_) => 2,
            Self::Config(_) => 78,
        }
    }
}

/// How many threads run the program.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Threads {
    /// One: least memory, for what is multiplied by the number of users.
    Single,
    /// One for each core.
    Multi,
}

/// Runs a server to its end: the body of every `main`.
///
/// `main` gets the handle through which signals ask it to drain. A failure is printed on stderr as
/// `error: ...`, one line with all its causes.
pub fn run<F>(threads: Threads, log: &LogArgs, main: impl FnOnce(Shutdown) -> F) -> ExitCode
where
    F: Future<Output = Result<(), Failure>>,
{
    match try_run(threads, log, main) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => report(&failure),
    }
}

/// Prints `failure` and gives its exit code, for commands that need no [`run`].
pub fn report(failure: &Failure) -> ExitCode {
    eprintln!("error: {}", Chain(failure));
    ExitCode::from(failure.exit_code())
}

/// Makes aws-lc-rs the crypto provider of this process. Calling it again changes nothing.
pub fn install_crypto_provider() {
    // The only failure is that a provider is installed already, and it can only be this one.
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
}

fn try_run<F>(
    threads: Threads,
    log: &LogArgs,
    main: impl FnOnce(Shutdown) -> F,
) -> Result<(), Failure>
where
    F: Future<Output = Result<(), Failure>>,
{
    install_crypto_provider();
    log.install()?;
    let runtime = async_runtime(threads).map_err(Failure::runtime)?;
    let ended = runtime.block_on(async {
        let shutdown = Shutdown::on_signals().map_err(Failure::runtime)?;
        main(shutdown).await
    });
    // Whatever `main` left behind had its chance to drain.
    runtime.shutdown_background();
    ended
}

fn async_runtime(threads: Threads) -> std::io::Result<tokio::runtime::Runtime> {
    let mut builder = match threads {
        Threads::Single => tokio::runtime::Builder::new_current_thread(),
        Threads::Multi => tokio::runtime::Builder::new_multi_thread(),
    };
    if threads == Threads::Single {
        // Blocking work is name resolution and small files: one thread, gone soon after.
        builder.max_blocking_threads(1).thread_keep_alive(std::time::Duration::from_secs(1));
        // The buffer for them is 12 bytes each, of which a crowd touches all.
        builder.max_io_events_per_tick(256);
    }
    builder.enable_all().build()
}

/// An error and its causes on one line. A cause that its parent already quotes is not repeated.
#[derive(Debug)]
pub struct Chain<'a>(pub &'a dyn Error);

impl Display for Chain<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let mut said = self.0.to_string();
        f.write_str(&said)?;
        let mut cause = self.0.source();
        while let Some(error) = cause {
            let text = error.to_string();
            if !said.contains(&text) {
                write!(f, ": {text}")?;
            }
            said = text;
            cause = error.source();
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, thiserror::Error)]
    #[error("cannot read {0}")]
    struct Unreadable(&'static str, #[source] std::io::Error);

    fn unreadable() -> Unreadable {
        Unreadable("webhook.yaml", std::io::Error::other("no such file"))
    }

    #[test]
    fn the_exit_code_says_whose_fault_it_was() {
        assert_eq!(Failure::Usage(String::new()).exit_code(), 2);
        assert_eq!(Failure::config("bad").exit_code(), 78);
        assert_eq!(Failure::runtime("gone").exit_code(), 1);
    }

    #[test]
    fn a_failure_names_its_causes_once() {
        let expected = "cannot read webhook.yaml: no such file";
        assert_eq!(Chain(&Failure::config(unreadable())).to_string(), expected);
        assert_eq!(Chain(&Failure::runtime(unreadable())).to_string(), expected);
    }
}
