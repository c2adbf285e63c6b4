//! Flags that every server has. Each is an environment variable too.

use std::{io::IsTerminal, str::FromStr, time::Duration};

use tracing_subscriber::{EnvFilter, filter::ParseError};

use crate::program::Failure;

/// How the program logs, on stderr.
#[derive(Clone, Debug, clap::Args)]
#[command(next_help_heading = "Log")]
pub struct LogArgs {
    /// Form of the log; text on a terminal, otherwise json
    #[arg(long, env = "LOG_FORMAT", value_enum)]
    log_format: Option<LogFormat>,

    /// What is logged: a level, or targets with levels such as info,edge=debug
    #[arg(long, env = "LOG_LEVEL", default_value = "info", value_parser = filter_text)]
    log_level: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
enum LogFormat {
    Json,
    Text,
}

impl LogArgs {
    /// Sends this process' log where and how the flags say.
    pub(crate) fn install(&self) -> Result<(), Failure> {
        let filter = EnvFilter::from_str(&self.log_level)
            .map_err(|error| Failure::Usage(format!("--log-level: {error}")))?;
        let log = tracing_subscriber::fmt()
            .with_env_filter(filter)
            .with_writer(std::io::stderr)
            .with_ansi(std::io::stderr().is_terminal());
        match self.format() {
            LogFormat::Text => log.try_init(),
            LogFormat::Json => log.json().flatten_event(true).try_init(),
        }
        .map_err(Failure::Runtime)
    }

    fn format(&self) -> LogFormat {
        self.log_format.unwrap_or_else(|| {
            if std::io::stderr().is_terminal() { LogFormat::Text } else { LogFormat::Json }
        })
    }
}

fn filter_text(text: &str) -> Result<String, ParseError> {
    EnvFilter::from_str(text).map(|_| text.to_owned())
}

/// How the program stops.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::Args)]
#[command(next_help_heading = "Stopping")]
pub struct DrainArgs {
    /// How long new connections are still accepted after the first signal, because endpoints and
    /// load balancers learn of the end with a delay
    #[arg(long, env = "DRAIN_DELAY", default_value = "5s", value_parser = humantime::parse_duration)]
    pub drain_delay: Duration,

    /// How long after the first signal what is still open is ended. Keep it some seconds below
    /// terminationGracePeriodSeconds
    #[arg(long, env = "DRAIN_DEADLINE", default_value = "25s", value_parser = humantime::parse_duration)]
    pub drain_deadline: Duration,
}

impl Default for DrainArgs {
    fn default() -> Self {
        Self { drain_delay: Duration::from_secs(5), drain_deadline: Duration::from_secs(25) }
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Debug, Parser)]
    struct Program {
        #[command(flatten)]
        log: LogArgs,
        #[command(flatten)]
        drain: DrainArgs,
    }

    #[test]
    fn the_defaults_of_flags_and_code_agree() {
        let program = Program::try_parse_from(["program"]).unwrap();
        assert_eq!(program.drain, DrainArgs::default());
        assert_eq!(program.log.log_level, "info");
    }

    #[test]
    fn a_wrong_filter_is_bad_usage() {
        let error = Program::try_parse_from(["program", "--log-level", "edge=loud"]).unwrap_err();
        assert_eq!(error.exit_code(), 2);
        assert!(error.to_string().contains("edge=loud"), "{error}");
    }
}
