//! Programs beside the cluster: Keycloak, the NewAPI stand-in. They outlive the demo, so that a second
//! run finds them, and `cluster-dev down` ends them by what is recorded here.

use std::{
    ffi::OsStr,
    fs::{self, File},
    os::unix::process::CommandExt as _,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    time::Duration,
};

use anyhow::{Context as _, Result, bail};
use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};

use crate::{cluster::Cluster, patience};

/// In the environment of every process of the cluster, with its state folder as the value:
/// `cluster-dev down` finds them by it, children too.
const MARK: &str = "BP_OPENCLAW_CLUSTER";

/// How many lines of a log a failure shows.
const SHOWN_LINES: usize = 20;

/// How long a program may take to end before it is ended for good.
const GRACE: Duration = Duration::from_secs(20);

/// A program that was started in this run.
#[derive(Debug)]
pub struct Started {
    name: String,
    log: PathBuf,
    child: Child,
}

/// A process, told apart from a later one of the same number by its start time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Record {
    pid: i32,
    /// Clock ticks since boot: field 22 of `/proc/PID/stat`, proc(5).
    started: u64,
}

/// Starts `command` as `name`, in the background, with a log in the cluster's state folder.
///
/// # Errors
/// The program cannot be started, or its process id cannot be recorded.
pub fn start(cluster: &Cluster, name: &str, mut command: Command) -> Result<Started> {
    let log = cluster.folder("logs")?.join(format!("{name}.log"));
    let output = File::create(&log).with_context(|| format!("cannot write {}", log.display()))?;
    command.env(MARK, &cluster.state).stdin(Stdio::null());
    command.stdout(output.try_clone()?).stderr(output);
    // A group of its own: Ctrl-C in the demo's terminal must not reach it.
    let child = command.process_group(0).spawn().with_context(|| {
        format!(
            "cannot start {name}: {}",
            command.get_program().to_string_lossy()
        )
    })?;
    let pid = i32::try_from(child.id())?;
    let started =
        start_time(pid).with_context(|| format!("{name} ended at once\n{}", tail(&log)))?;
    fs::write(pid_file(cluster, name)?, format!("{pid} {started}"))?;
    Ok(Started {
        name: name.to_owned(),
        log,
        child,
    })
}

/// Whether the program recorded as `name` is still running.
///
/// # Errors
/// The record cannot be read.
pub fn is_running(cluster: &Cluster, name: &str) -> Result<bool> {
    Ok(running(cluster, name)?.is_some())
}

/// Ends the program recorded as `name`, if it is running.
///
/// # Errors
/// It does not end.
pub async fn stop(cluster: &Cluster, name: &str) -> Result<()> {
    for signal in [Signal::SIGTERM, Signal::SIGKILL] {
        let Some(record) = running(cluster, name)? else {
            return Ok(());
        };
        // Gone in the meantime is what was wanted.
        let _ = kill(Pid::from_raw(record.pid), signal);
        let gone = patience::until(GRACE, || async { Ok(!record.is_alive()) }).await;
        if gone.is_ok() {
            return Ok(());
        }
    }
    bail!("{name} does not end, not even by SIGKILL")
}

impl Started {
    /// An error if the program has ended by itself, with the last lines of its log.
    ///
    /// # Errors
    /// It has ended.
    pub fn still_runs(&mut self) -> Result<()> {
        match self.child.try_wait()? {
            None => Ok(()),
            Some(status) => bail!("{} ended ({status})\n{}", self.name, tail(&self.log)),
        }
    }

    /// The last lines of its log, and where the rest is.
    #[must_use]
    pub fn log_tail(&self) -> String {
        tail(&self.log)
    }
}

impl Record {
    fn is_alive(self) -> bool {
        start_time(self.pid) == Some(self.started)
    }
}

fn running(cluster: &Cluster, name: &str) -> Result<Option<Record>> {
    let text = match fs::read_to_string(pid_file(cluster, name)?) {
        Ok(text) => text,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error.into()),
    };
    Ok(parse_record(&text).filter(|record| record.is_alive()))
}

fn pid_file(cluster: &Cluster, name: &str) -> Result<PathBuf> {
    Ok(cluster.folder("pids")?.join(format!("{name}.pid")))
}

fn parse_record(text: &str) -> Option<Record> {
    let (pid, started) = text.trim().split_once(' ')?;
    Some(Record {
        pid: pid.parse().ok()?,
        started: started.parse().ok()?,
    })
}

/// None for a process that is gone, or that has ended and was not waited for.
fn start_time(pid: i32) -> Option<u64> {
    parse_start_time(&fs::read_to_string(format!("/proc/{pid}/stat")).ok()?)
}

fn parse_start_time(stat: &str) -> Option<u64> {
    // The second field is the program's name in parentheses, and may hold spaces and parentheses.
    let (_, after_name) = stat.rsplit_once(") ")?;
    let mut fields = after_name.split_whitespace();
    let state = fields.next()?;
    if matches!(state, "Z" | "X") {
        None
    } else {
        fields.nth(18)?.parse().ok()
    }
}

/// The last lines of a log, and where the rest is.
fn tail(log: &Path) -> String {
    let text = fs::read(log).unwrap_or_default();
    let text = String::from_utf8_lossy(&text);
    let lines: Vec<_> = text.lines().collect();
    let last = lines
        .get(lines.len().saturating_sub(SHOWN_LINES)..)
        .unwrap_or_default();
    format!(
        "the last lines of {}:\n    {}",
        log.display(),
        last.join("\n    ")
    )
}

/// A program of this workspace, where cargo put it: beside the running one, or one folder up from a
/// test.
///
/// # Errors
/// It has not been built; the message says how to.
pub fn built(name: &str) -> Result<PathBuf> {
    let own = std::env::current_exe()?;
    let folder = own.parent().context("this program is in no folder")?;
    let in_deps = folder.file_name() == Some(OsStr::new("deps"));
    let folder = folder.parent().filter(|_| in_deps).unwrap_or(folder);
    let program = folder.join(name);
    if !program.exists() {
        bail!(
            "{} has not been built: `cargo build --workspace --bins`",
            program.display()
        );
    }
    Ok(program)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cluster::Mode;

    fn cluster_in(folder: &Path) -> Cluster {
        Cluster {
            mode: Mode::ControlPlaneOnly,
            kubeconfig: folder.join("kubeconfig"),
            host_address: "127.0.0.1".to_owned(),
            node_address: "127.0.0.1".to_owned(),
            registry: "127.0.0.1:5000".to_owned(),
            image_tag: "x".to_owned(),
            tools: folder.to_owned(),
            state: folder.to_owned(),
        }
    }

    #[test]
    fn a_start_time_is_read_behind_any_name() {
        let stat = "12 (a (b) c) S 1 12 12 0 -1 4194560 1 2 3 4 5 6 7 8 20 0 1 0 987654 1000 10";
        assert_eq!(parse_start_time(stat), Some(987_654));
        assert_eq!(parse_start_time(&stat.replace(") S", ") Z")), None);
    }

    #[tokio::test]
    async fn a_program_is_found_again_and_ended() {
        let folder = tempfile::tempdir().unwrap();
        let cluster = cluster_in(folder.path());
        let mut command = Command::new("sh");
        command.args(["-c", "read line < /dev/ptmx"]);
        let mut started = start(&cluster, "waiter", command).unwrap();
        started.still_runs().unwrap();
        assert!(is_running(&cluster, "waiter").unwrap());
        stop(&cluster, "waiter").await.unwrap();
        assert!(!is_running(&cluster, "waiter").unwrap());
        assert!(started.still_runs().is_err());
    }

    #[test]
    fn the_end_of_a_program_is_told_with_its_log() {
        let folder = tempfile::tempdir().unwrap();
        let mut command = Command::new("sh");
        command.args(["-c", "read line; echo the port is taken; exit 3"]);
        let mut started = start(&cluster_in(folder.path()), "doomed", command).unwrap();
        started.child.wait().unwrap();
        let error = started.still_runs().unwrap_err().to_string();
        for part in [
            "doomed",
            "exit status: 3",
            "the port is taken",
            "doomed.log",
        ] {
            assert!(error.contains(part), "{part} in {error}");
        }
    }

    #[test]
    fn a_program_that_was_not_built_is_named() {
        let error = built("no-such-program").unwrap_err().to_string();
        assert!(
            error.contains("no-such-program") && error.contains("cargo build"),
            "{error}"
        );
    }
}
