//! What a run found: medians, the table, the goals, and JSON for machines.

mod column;
mod goal;
mod table;

use std::{fs, path::Path};

use anyhow::{Context as _, Result};
use serde::Serialize;

pub(crate) use self::column::Sample;
use self::{column::COLUMNS, goal::Goal};
use crate::{machine::Machine, median::median};

/// A whole run.
#[derive(Debug, Serialize)]
pub(crate) struct Report {
    machine: Machine,
    /// Requests per second while latency was measured.
    rate: u32,
    /// Requests per second of the load and the upstream alone, by round: what nothing here exceeds.
    pub(crate) direct_rates: Vec<f64>,
    pub(crate) subjects: Vec<Subject>,
    goals: Vec<Goal>,
}

/// One program.
#[derive(Debug, Serialize)]
pub(crate) struct Subject {
    name: &'static str,
    version: String,
    /// Why it could not be measured.
    missing: Option<String>,
    /// In the order of the table's columns.
    medians: Vec<f64>,
    rounds: Vec<Sample>,
}

impl Report {
    pub(crate) fn new(machine: Machine, rate: u32) -> Self {
        Self { machine, rate, direct_rates: Vec::new(), subjects: Vec::new(), goals: Vec::new() }
    }

    /// Says that a program could not be had, or does not do the job.
    pub(crate) fn missing(&mut self, name: &'static str, error: &anyhow::Error) {
        let mut subject = Subject::new(name, "");
        subject.missing = Some(format!("{error:#}"));
        self.subjects.push(subject);
    }

    /// Adds a round of one program.
    pub(crate) fn add(&mut self, name: &str, sample: Sample) {
        if let Some(subject) = self.subjects.iter_mut().find(|subject| subject.name == name) {
            subject.rounds.push(sample);
            subject.medians = subject.calculate_medians();
        }
    }

    /// Compares with the goals and writes everything to `path`.
    pub(crate) fn write(&mut self, path: &Path) -> Result<()> {
        self.goals = goal::compare(&self.subjects);
        if let Some(folder) = path.parent() {
            fs::create_dir_all(folder)?;
        }
        fs::write(path, serde_json::to_vec_pretty(self)?)
            .with_context(|| format!("cannot write {}", path.display()))
    }

    /// Prints the table and the goals.
    #[expect(clippy::print_stdout, reason = "the table is what the program is for")]
    pub(crate) fn print(&self) {
        println!("{}", table::render(self));
    }
}

impl Subject {
    pub(crate) fn new(name: &'static str, version: &str) -> Self {
        Self {
            name,
            version: version.to_owned(),
            missing: None,
            medians: Vec::new(),
            rounds: Vec::new(),
        }
    }

    fn calculate_medians(&self) -> Vec<f64> {
        let of = |column: &column::Column| median(self.rounds.iter().map(column.of).collect());
        COLUMNS.iter().map(of).collect()
    }
}
