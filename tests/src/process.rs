//! Programs beside the cluster: Keycloak, the NewAPI stand-in. They outlive the demo, so that a second
//! run finds them, and `cluster-dev down` ends them by what is recorded here.

use std::{
    ffi::OsStr,
    fs::{self, File},
    path::{Path, PathBuf},
    process::{Command, Stdio},
    time::Duration,
};

use anyhow::{Context as _, Result, bail, ensure};
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

/// How long a program may take to answer. Measured: Keycloak, 40 to 75 s on two busy cores.
const START: Duration = Duration::from_secs(300);

/// How long a program may take to end before it is ended for good.
const GRACE: Duration = Duration::from_secs(20);

/// A process, told apart from a later one of the same number by its start time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Record {
    pid: i32,
    /// Clock ticks since boot: field 22 of `/proc/PID/stat`, proc(5).
    started: u64,
}

/// Makes sure that `name` runs as `command` says, and waits until it `answers`. What was started with
/// another command, or before the program was built anew, is replaced.
///
/// # Errors
/// It cannot be started, ends by itself, or does not answer: with the last lines of its log.
pub async fn ensure<F>(
    cluster: &Cluster,
    name: &str,
    command: &Command,
    mut answers: impl FnMut() -> F,
) -> Result<()>
where
    F: Future<Output = bool>,
{
    let log = cluster.folder("logs")?.join(format!("{name}.log"));
    if !runs_as(cluster, name, command)? {
        stop(cluster, name).await?;
        start(cluster, name, command, &log)?;
    }
    let answering = patience::until(START, || {
        let runs = running(cluster, name);
        let answer = answers();
        async move {
            ensure!(runs?.is_some(), "it has ended");
            Ok(answer.await)
        }
    });
    let answering = patience::during(&format!("{name} answers"), answering).await;
    answering.with_context(|| format!("{name} does not run\n{}", tail(&log)))
}

fn start(cluster: &Cluster, name: &str, command: &Command, log: &Path) -> Result<()> {
    let output = File::create(log).with_context(|| format!("cannot write {}", log.display()))?;
    // A session of its own: neither Ctrl-C in the demo's terminal nor its end must reach it.
    let mut detached = Command::new("setsid");
    detached.arg(command.get_program()).args(command.get_args());
    detached.envs(command.get_envs().filter_map(|(name, value)| Some((name, value?))));
    detached.env(MARK, &cluster.state).stdin(Stdio::null());
    detached.stdout(output.try_clone()?).stderr(output);
    let mut child = detached.spawn().with_context(|| format!("cannot start {name} with setsid"))?;
    let pid = i32::try_from(child.id())?;
    let started =
        start_time(pid).with_context(|| format!("{name} ended at once\n{}", tail(log)))?;
    fs::write(pid_file(cluster, name)?, format!("{pid} {started}"))?;
    fs::write(setup_file(cluster, name)?, setup(command))?;
    // Whoever starts a process has to take note of its end.
    std::thread::spawn(move || drop(child.wait()));
    Ok(())
}

/// Whether `name` runs and was started with this very command.
fn runs_as(cluster: &Cluster, name: &str, command: &Command) -> Result<bool> {
    let started_with = fs::read_to_string(setup_file(cluster, name)?).unwrap_or_default();
    Ok(running(cluster, name)?.is_some() && started_with == setup(command))
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

/// Where it is kept with what a program was started.
fn setup_file(cluster: &Cluster, name: &str) -> Result<PathBuf> {
    Ok(cluster.folder("started-with")?.join(name))
}

/// The command, and which build of the program it is.
fn setup(command: &Command) -> String {
    let built = fs::metadata(command.get_program()).and_then(|program| program.modified());
    format!("{command:?}\n{:?}\n", built.ok())
}

fn parse_record(text: &str) -> Option<Record> {
    let (pid, started) = text.trim().split_once(' ')?;
    Some(Record { pid: pid.parse().ok()?, started: started.parse().ok()? })
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
    if matches!(state, "Z" | "X") { None } else { fields.nth(18)?.parse().ok() }
}

/// The last lines of a log, and where the rest is.
fn tail(log: &Path) -> String {
    let text = fs::read(log).unwrap_or_default();
    let text = String::from_utf8_lossy(&text);
    let lines: Vec<_> = text.lines().collect();
    let last = lines.get(lines.len().saturating_sub(SHOWN_LINES)..).unwrap_or_default();
    format!("the last lines of {}:\n    {}", log.display(), last.join("\n    "))
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
        bail!("{} has not been built: `cargo build --workspace --bins`", program.display());
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
            openclaw_image: String::new(),
            node_red_image: String::new(),
            cache: folder.to_owned(),
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
    async fn a_program_is_started_once_found_again_and_ended() {
        let folder = tempfile::tempdir().unwrap();
        let cluster = cluster_in(folder.path());
        let mut command = Command::new("sh");
        command.args(["-c", "read line < /dev/ptmx"]);
        ensure(&cluster, "waiter", &command, || async { true }).await.unwrap();
        let first = running(&cluster, "waiter").unwrap();
        ensure(&cluster, "waiter", &command, || async { true }).await.unwrap();
        assert_eq!(running(&cluster, "waiter").unwrap(), first);
        command.env("CHANGED", "yes");
        ensure(&cluster, "waiter", &command, || async { true }).await.unwrap();
        assert_ne!(running(&cluster, "waiter").unwrap(), first);
        stop(&cluster, "waiter").await.unwrap();
        assert_eq!(running(&cluster, "waiter").unwrap(), None);
    }

    #[tokio::test]
    async fn the_end_of_a_program_is_told_with_its_log() {
        let folder = tempfile::tempdir().unwrap();
        let cluster = cluster_in(folder.path());
        let mut command = Command::new("sh");
        command.args(["-c", "echo the port is taken; exit 3"]);
        let error = ensure(&cluster, "doomed", &command, || async { false }).await.unwrap_err();
        let error = format!("{error:#}");
        for part in ["doomed", "the port is taken", "doomed.log"] {
            assert!(error.contains(part), "{part} in {error}");
        }
    }

    #[test]
    fn a_program_that_was_not_built_is_named() {
        let error = built("no-such-program").unwrap_err().to_string();
        assert!(error.contains("no-such-program") && error.contains("cargo build"), "{error}");
    }
}
