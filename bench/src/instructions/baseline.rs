//! What is written down: for each architecture and path a number, and why it is what it is.

use std::{collections::BTreeMap, env::consts::ARCH, fs, path::Path};

use anyhow::{Context as _, Result};
use serde::{Deserialize, Serialize};

use super::path::Counted;

/// How much more than what is written down a path may cost.
pub(super) const TOLERANCE_PERCENT: u64 = 5;

/// The file.
#[derive(Debug, Default, Deserialize, Serialize)]
#[serde(transparent)]
pub(super) struct Baseline(BTreeMap<String, BTreeMap<String, Entry>>);

#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
struct Entry {
    instructions: u64,
    reason: String,
}

/// How a path compares with what is written down.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Verdict {
    /// Nothing is written down for this architecture.
    New,
    Within,
    Cheaper,
    Costlier,
}

impl Baseline {
    /// What is written down; nothing if there is no file.
    pub(super) fn read(path: &Path) -> Result<Self> {
        if !path.exists() {
            return Ok(Self::default());
        }
        let text = fs::read_to_string(path)?;
        serde_json::from_str(&text).with_context(|| format!("{} cannot be read", path.display()))
    }

    pub(super) fn write(&self, path: &Path) -> Result<()> {
        fs::write(path, format!("{}\n", serde_json::to_string_pretty(self)?))
            .with_context(|| format!("cannot write {}", path.display()))
    }

    /// Prints how each path compares. Gives those that cost too much.
    #[expect(clippy::print_stdout, reason = "the table is what the program is for")]
    pub(super) fn compare(&self, counted: &[Counted]) -> Vec<&'static str> {
        println!("{:32}{:>14}{:>14}{:>9}", "instructions", "written down", "counted", "");
        let mut costly = Vec::new();
        for &Counted { path, instructions } in counted {
            let known = self.of(path).map(|entry| entry.instructions);
            let verdict = Verdict::of(known, instructions);
            let percent = known.map(|known| format!("{:+.1} %", change(known, instructions)));
            let written = known.map(|known| known.to_string()).unwrap_or_default();
            println!(
                "{path:32}{written:>14}{instructions:>14}{:>9}  {}",
                percent.unwrap_or_default(),
                verdict.words()
            );
            if verdict == Verdict::Costlier {
                costly.push(path);
            }
        }
        costly
    }

    /// Writes down what has changed. What is within a hundredth stays as it was, with its reason.
    pub(super) fn record(&mut self, counted: &[Counted], reason: &str) {
        let entries = self.0.entry(ARCH.to_owned()).or_default();
        entries.retain(|name, _| counted.iter().any(|counted| counted.path == name));
        for &Counted { path, instructions } in counted {
            let known = entries.get(path).map(|entry| entry.instructions);
            if known.is_none_or(|known| change(known, instructions).abs() > 1.0) {
                let entry = Entry { instructions, reason: reason.to_owned() };
                entries.insert(path.to_owned(), entry);
            }
        }
    }

    /// What `path` may cost.
    pub(super) fn limit(&self, path: &str) -> Option<u64> {
        self.of(path).map(|entry| most(entry.instructions))
    }

    fn of(&self, path: &str) -> Option<&Entry> {
        self.0.get(ARCH)?.get(path)
    }
}

impl Verdict {
    fn of(known: Option<u64>, counted: u64) -> Self {
        let Some(known) = known else { return Self::New };
        let tolerated = most(known) - known;
        if counted > most(known) {
            Self::Costlier
        } else if counted + tolerated < known {
            Self::Cheaper
        } else {
            Self::Within
        }
    }

    const fn words(self) -> &'static str {
        match self {
            Self::New => "not written down on this architecture",
            Self::Within => "met",
            Self::Cheaper => "met; cheaper: write it down, so that it stays so",
            Self::Costlier => "MISSED",
        }
    }
}

/// What a path may cost that is known to cost this.
const fn most(known: u64) -> u64 {
    known + known * TOLERANCE_PERCENT / 100
}

/// Percent by which `counted` is more than `known`.
#[expect(clippy::cast_precision_loss, reason = "a percentage, for people")]
fn change(known: u64, counted: u64) -> f64 {
    (counted as f64 / known as f64 - 1.0) * 100.0
}

#[cfg(test)]
mod tests {
    use super::*;

    fn counted(instructions: u64) -> [Counted; 1] {
        [Counted { path: "a path", instructions }]
    }

    #[test]
    fn five_percent_are_tolerated_and_no_more() {
        let mut baseline = Baseline::default();
        assert!(baseline.compare(&counted(1)).is_empty(), "nothing is written down");
        baseline.record(&counted(1000), "the first");
        assert!(baseline.compare(&counted(1050)).is_empty());
        assert!(baseline.compare(&counted(500)).is_empty());
        assert_eq!(baseline.compare(&counted(1051)), ["a path"]);
    }

    #[test]
    fn a_record_keeps_what_has_not_changed() {
        let mut baseline = Baseline::default();
        baseline.record(&counted(1000), "the first");
        baseline.record(&counted(1009), "noise");
        assert_eq!(baseline.of("a path").unwrap().reason, "the first");
        baseline.record(&counted(1020), "it checks more");
        let entry = baseline.of("a path").unwrap();
        assert_eq!((entry.instructions, entry.reason.as_str()), (1020, "it checks more"));
    }
}
