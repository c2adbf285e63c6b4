//! The cluster's processes: started so that they outlive this program, found again by process id and
//! start time, ended without a trace.

use std::{
    ffi::OsStr,
    fs::{self, File},
    io::{Read as _, Seek as _, SeekFrom},
    path::{Path, PathBuf},
    process::{Command, Stdio},
    time::{Duration, SystemTime},
};

use anyhow::{Context as _, Result, bail};
use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};

use crate::{layout::Layout, report};

/// In the environment of every process of the cluster, with the state folder as its value: what is
/// left after a crash is found by it, whoever's child it has become.
const MARK: &str = "BP_OPENCLAW_CLUSTER";

/// How many lines of a log a failure shows.
const SHOWN_LINES: usize = 15;

/// A process of the cluster.
#[derive(Debug, Clone)]
pub(crate) struct Running {
    pub(crate) name: String,
    pub(crate) id: ProcessId,
    pub(crate) log: PathBuf,
}

/// A process, told apart from a later one with the same number by its start time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct ProcessId {
    pub(crate) pid: i32,
    /// In clock ticks since boot: field 22 of `/proc/PID/stat`, proc(5).
    started: u64,
}

impl ProcessId {
    fn of(pid: i32) -> Option<Self> {
        Some(Self { pid, started: start_time(pid)? })
    }

    pub(crate) fn is_alive(self) -> bool {
        start_time(self.pid) == Some(self.started)
    }
}

/// Starts a daemon, unless it already runs.
///
/// `command` gets a session of its own (setsid), so that neither the end of this program nor Ctrl-C
/// at its terminal reaches it.
pub(crate) fn start(layout: &Layout, name: &str, command: &Command) -> Result<Running> {
    if let Some(running) = find(layout, name)? {
        return Ok(running);
    }
    layout.folder("pids")?;
    let log = layout.folder("logs")?.join(format!("{name}.log"));
    let output = File::options().create(true).append(true).open(&log)?;
    let mut detached = Command::new("setsid");
    detached.arg(command.get_program()).args(command.get_args());
    for (key, value) in command.get_envs() {
        match value {
            Some(value) => detached.env(key, value),
            None => detached.env_remove(key),
        };
    }
    detached.env(MARK, &layout.state).current_dir("/").stdin(Stdio::null());
    detached.stdout(output.try_clone()?).stderr(output);
    let child = detached.spawn().with_context(|| format!("cannot start {name} with setsid"))?;
    let pid = i32::try_from(child.id())?;
    let id = ProcessId::of(pid)
        .with_context(|| format!("{name} ended at once; see {}", log.display()))?;
    fs::write(layout.pids().join(format!("{name}.pid")), format!("{} {}", id.pid, id.started))?;
    Ok(Running { name: name.to_owned(), id, log })
}

/// The running daemon of that name.
pub(crate) fn find(layout: &Layout, name: &str) -> Result<Option<Running>> {
    Ok(recorded(layout)?.into_iter().find(|running| running.name == name && running.id.is_alive()))
}

/// Every daemon that was started, alive or not, by name.
pub(crate) fn recorded(layout: &Layout) -> Result<Vec<Running>> {
    let entries = match fs::read_dir(layout.pids()) {
        Ok(entries) => entries,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(error).context("cannot read the recorded process ids"),
    };
    let mut all = Vec::new();
    for entry in entries {
        let path = entry?.path();
        let name = path.file_stem().and_then(OsStr::to_str).unwrap_or_default().to_owned();
        if let Some(id) = fs::read_to_string(&path).ok().as_deref().and_then(parse_record) {
            all.push(Running { log: layout.logs().join(format!("{name}.log")), name, id });
        }
    }
    all.sort_by(|a, b| a.name.cmp(&b.name));
    Ok(all)
}

fn parse_record(text: &str) -> Option<ProcessId> {
    let (pid, started) = text.trim().split_once(' ')?;
    Some(ProcessId { pid: pid.parse().ok()?, started: started.parse().ok()? })
}

/// Waits until `ready` says so; fails early when one of `watched` has ended.
pub(crate) fn wait_until(
    what: &str,
    limit: Duration,
    watched: &[&Running],
    mut ready: impl FnMut() -> Result<bool>,
) -> Result<()> {
    let started = SystemTime::now();
    let mut shown = 0;
    loop {
        if ready()? {
            return Ok(());
        }
        for running in watched {
            if !running.id.is_alive() {
                bail!("{} ended while waiting for {what}\n{}", running.name, tail(&running.log));
            }
        }
        let waited = report::since(started);
        if waited > limit {
            let logs: Vec<_> = watched.iter().map(|running| tail(&running.log)).collect();
            bail!("gave up waiting for {what} after {} s\n{}", limit.as_secs(), logs.join("\n"));
        }
        if waited.as_secs() / 5 > shown {
            shown = waited.as_secs() / 5;
            report::progress(format!("waiting for {what}, {} s so far", waited.as_secs()));
        }
        pause();
    }
}

#[expect(
    clippy::disallowed_methods,
    reason = "a poll interval between two looks at the outside world"
)]
fn pause() {
    std::thread::sleep(Duration::from_millis(200));
}

/// The last lines of a log, and where the rest is.
pub(crate) fn tail(log: &Path) -> String {
    const WINDOW: u64 = 16 * 1024;
    let mut text = Vec::new();
    if let Ok(mut file) = File::open(log) {
        let length = file.metadata().map_or(0, |metadata| metadata.len());
        if file.seek(SeekFrom::Start(length.saturating_sub(WINDOW))).is_ok() {
            drop(file.read_to_end(&mut text));
        }
    }
    let text = String::from_utf8_lossy(&text);
    let lines: Vec<_> = text.lines().collect();
    let last = lines.get(lines.len().saturating_sub(SHOWN_LINES)..).unwrap_or_default();
    format!("the last lines of {}:\n    {}", log.display(), last.join("\n    "))
}

/// Ends one daemon and forgets it.
pub(crate) fn end(running: &Running) -> Result<()> {
    // Gone in the meantime is what was wanted.
    let _ = kill(Pid::from_raw(running.id.pid), Signal::SIGTERM);
    wait_until(&format!("{} to end", running.name), Duration::from_secs(10), &[], || {
        Ok(!running.id.is_alive())
    })
}

/// Ends every process of the cluster: politely, then for good. `contained` are the processes in its
/// containers, which carry no mark.
pub(crate) fn end_all(layout: &Layout, contained: impl Fn() -> Vec<i32>) -> Result<usize> {
    let named = recorded(layout)?;
    let all = || -> Vec<ProcessId> {
        let found = marked(layout).into_iter().chain(contained()).filter_map(ProcessId::of);
        let named = named.iter().map(|running| running.id).filter(|id| id.is_alive());
        let mut all: Vec<_> = found.chain(named).collect();
        all.sort_by_key(|id| id.pid);
        all.dedup();
        all
    };
    let first = all();
    for signal in [Signal::SIGTERM, Signal::SIGKILL] {
        for id in all() {
            // Gone in the meantime is what was wanted.
            let _ = kill(Pid::from_raw(id.pid), signal);
        }
        let grace = Duration::from_secs(if signal == Signal::SIGTERM { 3 } else { 10 });
        if wait_until("processes to end", grace, &[], || Ok(all().is_empty())).is_ok() {
            return Ok(first.len());
        }
    }
    let left: Vec<_> = all().iter().map(|id| id.pid.to_string()).collect();
    bail!("processes {} do not end", left.join(", "))
}

/// Processes with our [`MARK`].
fn marked(layout: &Layout) -> Vec<i32> {
    let mark = format!("{MARK}={}", layout.state.display());
    let Ok(entries) = fs::read_dir("/proc") else {
        return Vec::new();
    };
    let pids =
        entries.flatten().filter_map(|entry| entry.file_name().to_str()?.parse::<i32>().ok());
    pids.filter(|pid| {
        let environment = fs::read(format!("/proc/{pid}/environ")).unwrap_or_default();
        environment.split(|byte| *byte == 0).any(|variable| variable == mark.as_bytes())
    })
    .collect()
}

/// Field 22 of `/proc/PID/stat`, or none for a process that is gone or a zombie.
fn start_time(pid: i32) -> Option<u64> {
    parse_start_time(&fs::read_to_string(format!("/proc/{pid}/stat")).ok()?)
}

fn parse_start_time(stat: &str) -> Option<u64> {
    // The second field is the program's name in parentheses, and may hold spaces and parentheses.
    let (_, after_name) = stat.rsplit_once(')')?;
    let mut fields = after_name.split_whitespace();
    let state = fields.next()?;
    if state == "Z" || state == "X" {
        return None;
    }
    fields.nth(18)?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_start_time_is_read_behind_a_name_with_spaces_and_parentheses() {
        let stat = "12 (a (b) c) S 1 12 12 0 -1 4194560 1 2 3 4 5 6 7 8 20 0 1 0 987654 1000 10";
        assert_eq!(parse_start_time(stat), Some(987_654));
        assert_eq!(parse_start_time(&stat.replace(") S", ") Z")), None);
        assert_eq!(parse_start_time("garbage"), None);
    }

    #[test]
    fn a_process_number_used_again_is_not_the_same_process() {
        let own = i32::try_from(std::process::id()).unwrap();
        let id = ProcessId::of(own).unwrap();
        assert!(id.is_alive());
        assert!(!ProcessId { started: id.started + 1, ..id }.is_alive());
    }

    #[test]
    fn processes_are_started_once_found_again_and_ended_with_their_children() {
        let folder = tempfile::tempdir().unwrap();
        let layout =
            Layout { state: folder.path().join("state"), cache: folder.path().join("cache") };
        let mut command = Command::new("sh");
        command.args(["-c", "trap '' TERM; cat <> /dev/ptmx & wait"]);
        let running = start(&layout, "stubborn", &command).unwrap();
        assert_eq!(start(&layout, "stubborn", &command).unwrap().id, running.id);
        wait_until("the child", Duration::from_secs(10), &[&running], || {
            Ok(marked(&layout).len() == 2)
        })
        .unwrap();
        assert_eq!(end_all(&layout, Vec::new).unwrap(), 2);
        assert!(marked(&layout).is_empty() && !running.id.is_alive());
    }

    #[test]
    fn a_daemon_that_ends_is_reported_with_its_log() {
        let folder = tempfile::tempdir().unwrap();
        let layout =
            Layout { state: folder.path().join("state"), cache: folder.path().join("cache") };
        let mut command = Command::new("sh");
        command.args(["-c", "read wait < /dev/null; echo port is taken; exit 1"]);
        let error = match start(&layout, "doomed", &command) {
            Ok(running) => {
                wait_until("nothing", Duration::from_secs(10), &[&running], || Ok(false))
                    .unwrap_err()
            }
            Err(error) => error,
        };
        let text = format!("{error}");
        assert!(text.contains("doomed") && text.contains("doomed.log"), "{text}");
    }
}
