//! The table, the goals, and the same as JSON.

use std::{fmt::Write as _, fs, path::Path};

use anyhow::{Context as _, Result};
use serde::Serialize;

use crate::{machine::Machine, median::median};

/// A whole run.
#[derive(Debug, Serialize)]
pub(super) struct Report {
    machine: Machine,
    rows: Vec<Row>,
    remarks: Vec<String>,
}

/// One number, measured in every round.
#[derive(Debug, Serialize)]
struct Row {
    what: String,
    unit: &'static str,
    median: f64,
    goal: Option<Goal>,
    met: Option<bool>,
    rounds: Vec<f64>,
}

/// What a number should be.
#[derive(Clone, Copy, Debug, Serialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Goal {
    AtMost(f64),
    AtLeast(f64),
}

impl Goal {
    fn is_met(self, measured: f64) -> bool {
        match self {
            Self::AtMost(limit) => measured <= limit,
            Self::AtLeast(limit) => measured >= limit,
        }
    }

    const fn limit(self) -> f64 {
        match self {
            Self::AtMost(limit) | Self::AtLeast(limit) => limit,
        }
    }
}

impl Report {
    pub(super) fn new(machine: Machine) -> Self {
        Self { machine, rows: Vec::new(), remarks: Vec::new() }
    }

    /// A number of this round that is worth knowing.
    pub(super) fn note(&mut self, what: &str, unit: &'static str, measured: f64) {
        self.add(what, unit, measured, None);
    }

    /// A number of this round that has a goal.
    pub(super) fn goal(&mut self, what: &str, unit: &'static str, measured: f64, goal: Goal) {
        self.add(what, unit, measured, Some(goal));
    }

    /// Something to know about the numbers.
    pub(super) fn say(&mut self, remark: impl Into<String>) {
        let remark = remark.into();
        if !self.remarks.contains(&remark) {
            self.remarks.push(remark);
        }
    }

    fn add(&mut self, what: &str, unit: &'static str, measured: f64, goal: Option<Goal>) {
        match self.rows.iter_mut().find(|row| row.what == what) {
            Some(row) => row.rounds.push(measured),
            None => self.rows.push(Row {
                what: what.to_owned(),
                unit,
                median: f64::NAN,
                goal,
                met: None,
                rounds: vec![measured],
            }),
        }
    }

    /// Compares with the goals, writes everything to `path` and prints it.
    #[expect(clippy::print_stdout, reason = "the table is what the program is for")]
    pub(super) fn publish(&mut self, path: &Path) -> Result<()> {
        for row in &mut self.rows {
            row.median = median(row.rounds.clone());
            row.met = row.goal.map(|goal| goal.is_met(row.median));
        }
        if let Some(folder) = path.parent() {
            fs::create_dir_all(folder)?;
        }
        fs::write(path, serde_json::to_vec_pretty(self)?)
            .with_context(|| format!("cannot write {}", path.display()))?;
        println!("{}", self.table());
        Ok(())
    }

    fn table(&self) -> String {
        let mut text = format!("{}\nmedians of the rounds\n\n", self.machine);
        let widest = self.rows.iter().map(|row| row.what.len()).max().unwrap_or_default();
        for row in &self.rows {
            // Writing to a string cannot fail.
            let _ = writeln!(text, "{:widest$}  {}", row.what, row.numbers());
        }
        text.push('\n');
        for remark in &self.remarks {
            let _ = writeln!(text, "{remark}");
        }
        text.push_str("\ngoals\n");
        for row in &self.rows {
            if let (Some(goal), Some(met)) = (row.goal, row.met) {
                let _ = writeln!(
                    text,
                    "  {} {}: {:.2} {} ({}; distance {:+.2})",
                    if met { "met   " } else { "MISSED" },
                    row.what,
                    row.median,
                    row.unit,
                    goal.limit(),
                    row.median - goal.limit(),
                );
            }
        }
        text
    }
}

impl Row {
    fn numbers(&self) -> String {
        let rounds: Vec<_> = self.rounds.iter().map(|number| format!("{number:.2}")).collect();
        let all =
            if rounds.len() > 1 { format!("  ({})", rounds.join(", ")) } else { String::new() };
        format!("{:>10.2} {:6}{all}", self.median, self.unit)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_median_of_the_rounds_meets_the_goal_or_not() {
        let mut report = Report::new(Machine::this());
        for measured in [1.0, 9.0, 3.0] {
            report.goal("time", "ms", measured, Goal::AtMost(3.0));
            report.goal("speed", "/s", measured, Goal::AtLeast(3.5));
        }
        let path = tempfile::tempdir().unwrap();
        report.publish(&path.path().join("spawner.json")).unwrap();
        let table = report.table();
        assert!(table.contains("met    time: 3.00 ms (3; distance +0.00)"), "{table}");
        assert!(table.contains("MISSED speed: 3.00 /s (3.5; distance -0.50)"), "{table}");
    }
}
