//! Flags that every server has. Each is an environment variable too.

use std::{
    io::IsTerminal,
    num::{NonZeroU32, NonZeroUsize},
    str::FromStr,
    time::Duration,
};

use tracing_subscriber::{
    filter::{ParseError, Targets},
    fmt,
    prelude::*,
    registry,
};

use crate::{program::Failure, serve::Limits};

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
        // Not `EnvFilter`: its regular expressions cost each program a third of a megabyte.
        let filter = Targets::from_str(&self.log_level)
            .map_err(|error| Failure::Usage(format!("--log-level: {error}")))?;
        // A log that nobody reads any more is lost. Complaining about it on stderr, as the layer does
        // by default, would be a panic: in the task that waits for SIGTERM for instance.
        let lines = fmt::layer()
            .with_writer(std::io::stderr)
            .with_ansi(std::io::stderr().is_terminal())
            .log_internal_errors(false);
        match self.format() {
            LogFormat::Text => registry().with(filter).with(lines).try_init(),
            LogFormat::Json => {
                registry().with(filter).with(lines.json().flatten_event(true)).try_init()
            }
        }
        .map_err(Failure::runtime)
    }

    fn format(&self) -> LogFormat {
        self.log_format.unwrap_or_else(|| {
            if std::io::stderr().is_terminal() { LogFormat::Text } else { LogFormat::Json }
        })
    }
}

fn filter_text(text: &str) -> Result<String, ParseError> {
    Targets::from_str(text).map(|_| text.to_owned())
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

/// What a server gives to strangers. What is not said is left to the program.
#[derive(Clone, Debug, Default, clap::Args)]
#[command(next_help_heading = "Limits (a time of 0s is for ever)")]
pub struct LimitArgs {
    /// Connections and tunnels at once; more wait
    #[arg(long, env = "MAX_CONNECTIONS", value_name = "NUMBER")]
    max_connections: Option<NonZeroUsize>,

    /// Requests at once; more get 503
    #[arg(long, env = "MAX_REQUESTS", value_name = "NUMBER")]
    max_requests: Option<NonZeroUsize>,

    /// Requests at once on one HTTP/2 connection [default: 100]
    #[arg(long, env = "MAX_STREAMS", value_name = "NUMBER")]
    max_streams: Option<NonZeroU32>,

    /// Bytes of a request's head over HTTP/1.1, at least 8192; a larger one gets 431 [default: 32768]
    #[arg(long, env = "MAX_HEADER_BYTES", value_name = "BYTES", value_parser = at_least_8_kib)]
    max_header_bytes: Option<u32>,

    /// Bytes of a request's header list over HTTP/2; a larger one gets 431 [default: 16384]
    #[arg(long, env = "MAX_H2_HEADER_BYTES", value_name = "BYTES")]
    max_h2_header_bytes: Option<NonZeroU32>,

    /// Time for a TLS handshake, for the first request, and for a request's head; then 408 [default:
    /// 10s]
    #[arg(long, env = "HEADER_TIMEOUT", value_name = "TIME", value_parser = humantime::parse_duration)]
    header_timeout: Option<Duration>,

    /// How long an unused HTTP/1.1 connection is kept [default: 1m]
    #[arg(long, env = "IDLE_TIMEOUT", value_name = "TIME", value_parser = humantime::parse_duration)]
    idle_timeout: Option<Duration>,

    /// The longest pause of a client within a request's body; then 408 [default: 1m]
    #[arg(long, env = "BODY_TIMEOUT", value_name = "TIME", value_parser = humantime::parse_duration)]
    body_timeout: Option<Duration>,

    /// Bytes per second that a client's body must bring on average while it is waited for; then 408
    /// [default: 16]
    #[arg(long, env = "MIN_BODY_RATE", value_name = "BYTES")]
    min_body_rate: Option<u64>,

    /// How long a client may take nothing of an answer that is there [default: 1m]
    #[arg(long, env = "WRITE_TIMEOUT", value_name = "TIME", value_parser = humantime::parse_duration)]
    write_timeout: Option<Duration>,

    /// How long a WebSocket is kept in which neither side says anything [default: 1h]
    #[arg(long, env = "TUNNEL_TIMEOUT", value_name = "TIME", value_parser = humantime::parse_duration)]
    tunnel_timeout: Option<Duration>,

    /// Whether each answer is logged: method, path without its query, status, bytes, milliseconds
    #[arg(long, env = "ACCESS_LOG", value_name = "BOOL", num_args = 0..=1, default_missing_value = "true")]
    access_log: Option<bool>,
}

impl LimitArgs {
    /// `limits`, but for what the flags say.
    #[must_use]
    pub fn over(self, limits: Limits) -> Limits {
        let Self {
            max_connections,
            max_requests,
            max_streams,
            max_header_bytes,
            max_h2_header_bytes,
            header_timeout,
            idle_timeout,
            body_timeout,
            min_body_rate,
            write_timeout,
            tunnel_timeout,
            access_log,
        } = self;
        Limits {
            max_connections: max_connections.map_or(limits.max_connections, NonZeroUsize::get),
            max_requests: max_requests.map_or(limits.max_requests, NonZeroUsize::get),
            h2_streams: max_streams.map_or(limits.h2_streams, NonZeroU32::get),
            header_bytes: max_header_bytes.map_or(limits.header_bytes, |bytes| bytes as usize),
            h2_header_list_bytes: max_h2_header_bytes
                .map_or(limits.h2_header_list_bytes, NonZeroU32::get),
            header_timeout: header_timeout.unwrap_or(limits.header_timeout),
            idle_timeout: idle_timeout.unwrap_or(limits.idle_timeout),
            body_timeout: body_timeout.unwrap_or(limits.body_timeout),
            min_body_rate: min_body_rate.unwrap_or(limits.min_body_rate),
            write_timeout: write_timeout.unwrap_or(limits.write_timeout),
            tunnel_timeout: tunnel_timeout.unwrap_or(limits.tunnel_timeout),
            access_log: access_log.unwrap_or(limits.access_log),
            ..limits
        }
    }
}

/// hyper's own least, which it enforces by a panic.
fn at_least_8_kib(text: &str) -> Result<u32, String> {
    let bytes: u32 = text.parse().map_err(|error| format!("{error}"))?;
    if bytes < 8192 { Err("at least 8192 are needed".to_owned()) } else { Ok(bytes) }
}

/// How long to wait between two rounds of something: at least a second, because zero would be a busy
/// loop.
pub fn interval(text: &str) -> Result<Duration, String> {
    let time = humantime::parse_duration(text).map_err(|error| error.to_string())?;
    if time < Duration::from_secs(1) { Err("must be at least 1s".to_owned()) } else { Ok(time) }
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
        #[command(flatten)]
        limits: LimitArgs,
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

    #[test]
    fn limits_that_are_not_given_are_the_programs() {
        let limits = |flags: &[&str]| {
            let flags = std::iter::once("program").chain(flags.iter().copied());
            Program::try_parse_from(flags).unwrap().limits.over(Limits::default())
        };
        let (none, some) = (limits(&[]), limits(&["--max-requests=7", "--access-log"]));
        let told = |limits: &Limits| (limits.max_requests, limits.access_log, limits.h2_streams);
        assert_eq!(told(&none), (10_000, false, 100));
        assert_eq!(told(&some), (7, true, 100));
        for bad in ["--max-connections=0", "--max-header-bytes=100", "--idle-timeout=soon"] {
            assert_eq!(Program::try_parse_from(["p", bad]).unwrap_err().exit_code(), 2, "{bad}");
        }
    }
}
