//! What the kernel says about a program: processor time and memory of all its processes.

use std::{fs, time::Duration};

use anyhow::{Context as _, Result};

/// Clock ticks in a second: `USER_HZ`, 100 on every architecture that Rust and musl support.
const TICKS: u64 = 100;

/// A program: one process and its descendants.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Program {
    pub(crate) pid: u32,
}

/// Memory in MB of 1,000,000 bytes.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Memory {
    /// Resident, summed over the processes: pages they share count once for each.
    pub(crate) rss: f64,
    /// Resident, shared pages divided among those who share them.
    pub(crate) pss: f64,
}

/// A line of `/proc/PID/stat`.
struct Stat {
    pid: u32,
    parent: u32,
    /// Own and of children that have ended, user and system.
    ticks: u64,
}

impl Program {
    /// Processor time so far.
    pub(crate) fn cpu(self) -> Result<Duration> {
        let ticks: u64 = self.processes()?.iter().map(|stat| stat.ticks).sum();
        Ok(Duration::from_millis(ticks * 1000 / TICKS))
    }

    /// Memory now.
    pub(crate) fn memory(self) -> Result<Memory> {
        let mut sum = Memory::default();
        for Stat { pid, .. } in self.processes()? {
            // A worker that has just ended has none.
            let Ok(text) = fs::read_to_string(format!("/proc/{pid}/smaps_rollup")) else {
                continue;
            };
            sum.rss += megabytes(&text, "Rss:")?;
            sum.pss += megabytes(&text, "Pss:")?;
        }
        Ok(sum)
    }

    fn processes(self) -> Result<Vec<Stat>> {
        let entries = fs::read_dir("/proc").context("cannot read /proc")?;
        let all: Vec<_> = entries
            .filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok())
            .filter_map(stat)
            .collect();
        let mut family = vec![self.pid];
        // Parents have lower numbers than their children, but not for ever: look until nothing is new.
        loop {
            let known = family.len();
            for Stat { pid, parent, .. } in &all {
                if family.contains(parent) && !family.contains(pid) {
                    family.push(*pid);
                }
            }
            if family.len() == known {
                return Ok(all.into_iter().filter(|stat| family.contains(&stat.pid)).collect());
            }
        }
    }
}

fn stat(pid: u32) -> Option<Stat> {
    parse_stat(pid, &fs::read_to_string(format!("/proc/{pid}/stat")).ok()?)
}

/// proc(5): the name, field 2, is in parentheses and may hold anything.
fn parse_stat(pid: u32, line: &str) -> Option<Stat> {
    let fields: Vec<_> = line.rsplit_once(')')?.1.split_ascii_whitespace().collect();
    let field = |number: usize| fields.get(number - 3)?.parse::<u64>().ok();
    let ticks = field(14)? + field(15)? + field(16)? + field(17)?;
    Some(Stat { pid, parent: field(4)?.try_into().ok()?, ticks })
}

/// A line of `smaps_rollup`, which has kB of 1024 bytes.
fn megabytes(text: &str, name: &str) -> Result<f64> {
    let line = text.lines().find_map(|line| line.strip_prefix(name)).context("no such line")?;
    let kibibytes: u32 = line.trim().trim_end_matches(" kB").parse().context("no number of kB")?;
    Ok(f64::from(kibibytes) * 1024.0 / 1e6)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_may_hold_anything() {
        let line = "7 (a) b (c)) S 3 7 7 0 -1 4194560 1 2 3 4 10 20 30 40 20 0 1 0 5 6 7";
        let stat = parse_stat(7, line).unwrap();
        assert_eq!((stat.pid, stat.parent, stat.ticks), (7, 3, 100));
    }

    #[test]
    fn this_process_has_time_and_memory() {
        let program = Program { pid: std::process::id() };
        let memory = program.memory().unwrap();
        assert!(memory.rss >= memory.pss && memory.pss > 0.1, "{memory:?}");
        assert!(program.cpu().is_ok());
    }

    #[test]
    fn kibibytes_become_megabytes() {
        assert_eq!(megabytes("Rss:    1000 kB\nPss: 1 kB\n", "Rss:").unwrap(), 1.024);
    }
}
