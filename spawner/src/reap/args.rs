use std::time::Duration;

use edge::args::interval;

use super::decide::{CooperativeSleep, Policy, WhenUnreachable};

/// When workspaces sleep.
#[derive(Clone, Debug, clap::Args)]
#[command(next_help_heading = "Sleep")]
pub struct SleepArgs {
    /// How long nobody has to use a workspace before it sleeps; 0s: it never does for that
    #[arg(long, env = "SLEEP_AFTER", value_name = "TIME", default_value = "30m", value_parser = humantime::parse_duration)]
    sleep_after: Duration,

    /// The same in whole minutes; it wins over --sleep-after
    #[arg(long, env = "IDLE_TIMEOUT_MINUTES", value_name = "NUMBER")]
    idle_timeout_minutes: Option<u32>,

    /// How long an open WebSocket over which its client says nothing keeps a workspace awake
    #[arg(long, env = "WS_IDLE_TIMEOUT", value_name = "TIME", default_value = "1h", value_parser = humantime::parse_duration)]
    ws_idle_timeout: Duration,

    /// How old a pod may become; from then on it is stopped as soon as nobody uses it. 0s: any age
    #[arg(long, env = "MAX_AGE", value_name = "TIME", default_value = "0s", value_parser = humantime::parse_duration)]
    max_age: Duration,

    /// How long after --max-age a pod is stopped even though somebody uses it
    #[arg(long, env = "MAX_AGE_GRACE", value_name = "TIME", default_value = "1h", value_parser = humantime::parse_duration)]
    max_age_grace: Duration,

    /// What is done with an idle pod whose sidecar does not answer
    #[arg(long, env = "WHEN_UNREACHABLE", value_enum, default_value_t)]
    when_unreachable: WhenUnreachable,

    /// Whether the runtime of an idle pod is asked first, through its sidecar. OpenClaw knows of work that
    /// no client sees
    #[arg(long, env = "COOPERATIVE_SLEEP", value_enum, default_value_t)]
    cooperative_sleep: CooperativeSleep,

    /// How often it is looked for workspaces that may sleep, at least 1s
    #[arg(long, env = "REAP_INTERVAL", value_name = "TIME", default_value = "30s", value_parser = interval)]
    pub(crate) reap_interval: Duration,
}

impl SleepArgs {
    /// The rules that the flags describe.
    #[must_use]
    pub fn policy(&self) -> Policy {
        let minutes = |minutes: u32| Duration::from_secs(u64::from(minutes) * 60);
        let idle = self.idle_timeout_minutes.map_or(self.sleep_after, minutes);
        let some = |time: Duration| (!time.is_zero()).then_some(time);
        Policy {
            idle_timeout: some(idle),
            ws_idle: self.ws_idle_timeout,
            max_age: some(self.max_age),
            max_age_grace: self.max_age_grace,
            when_unreachable: self.when_unreachable,
            cooperation: self.cooperative_sleep,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use clap::Parser;

    use super::SleepArgs;

    #[derive(Debug, Parser)]
    struct Program {
        #[command(flatten)]
        sleep: SleepArgs,
    }

    fn parse(flags: &[&str]) -> Result<SleepArgs, String> {
        Program::try_parse_from(["program"].iter().chain(flags))
            .map(|program| program.sleep)
            .map_err(|error| error.to_string())
    }

    #[test]
    fn by_default_a_workspace_sleeps_after_half_an_hour_and_has_any_age() {
        let policy = parse(&[]).unwrap().policy();
        assert_eq!(policy.idle_timeout, Some(Duration::from_secs(1800)));
        assert_eq!(policy.max_age, None);
    }

    #[test]
    fn nought_is_never_and_minutes_win() {
        let timeout = |flags: &[&str]| parse(flags).unwrap().policy().idle_timeout;
        assert_eq!(timeout(&["--sleep-after=0s"]), None);
        assert_eq!(
            timeout(&["--sleep-after=0s", "--idle-timeout-minutes=5"]),
            Some(Duration::from_secs(300))
        );
        let error = parse(&["--reap-interval=0s"]).unwrap_err();
        assert!(error.contains("--reap-interval") && error.contains("at least 1s"), "{error}");
    }
}
