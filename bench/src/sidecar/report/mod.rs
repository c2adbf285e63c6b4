//! What a run found: medians, the table, the goals, and JSON for machines.

mod column;
mod table;

use std::path::Path;

use anyhow::Result;
use bench_results::{Better, Goal, Results, median};

use self::column::{COLUMNS, Column, FURTHER};

pub(crate) use self::column::Sample;

/// Whose goals these are.
const OURS: &str = "sidecar";
/// What a program may keep after the burst, in MB above what it had idle.
const KEPT: f64 = 1.0;

/// A whole run.
pub(crate) struct Report {
    results: Results,
    /// Requests per second while latency was measured.
    rate: u32,
    /// Requests per second of the load and the upstream alone, by round: what nothing here exceeds.
    pub(crate) direct_rates: Vec<f64>,
    pub(crate) subjects: Vec<Subject>,
}

/// One program.
pub(crate) struct Subject {
    name: &'static str,
    version: String,
    /// Why it could not be measured.
    missing: Option<String>,
    rounds: Vec<Sample>,
}

impl Report {
    pub(crate) fn new(rate: u32) -> Self {
        let results = Results::new("sidecar");
        Self { results, rate, direct_rates: Vec::new(), subjects: Vec::new() }
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
        }
    }

    /// Compares with the goals, writes everything to `path` and prints it.
    #[expect(clippy::print_stdout, reason = "the table is what the program is for")]
    pub(crate) fn publish(&mut self, path: &Path) -> Result<()> {
        for subject in &self.subjects {
            match &subject.missing {
                Some(why) => self.results.missing(subject.name, why),
                None => self.results.program(subject.name, &subject.version),
            }
            for column in COLUMNS.iter().chain(&FURTHER) {
                tell(&mut self.results, subject, column);
            }
        }
        for rate in &self.direct_rates {
            self.results.note("load and upstream alone", "req/s", *rate).better = Better::More;
        }
        self.results.say(format!("Latency is measured at {} requests a second.", self.rate));
        self.results.write(path)?;
        println!("{}\n{}", table::render(self), self.results.goals());
        Ok(())
    }
}

/// Every round of one column.
fn tell(results: &mut Results, subject: &Subject, column: &Column) {
    for sample in &subject.rounds {
        let measured = (column.of)(sample);
        let measure = if subject.name == OURS {
            results.note(column.name, column.unit, measured)
        } else {
            results.peer(column.name, column.unit, subject.name, measured)
        };
        measure.better = column.better;
        measure.must_lead = column.must_lead;
        if subject.name == OURS {
            measure.goal = column.limit.map(|limit| Goal::AtMost(limit(subject)));
        }
    }
}

impl Subject {
    pub(crate) fn new(name: &'static str, version: &str) -> Self {
        Self { name, version: version.to_owned(), missing: None, rounds: Vec::new() }
    }

    fn median(&self, of: fn(&Sample) -> f64) -> f64 {
        median(self.rounds.iter().map(of).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn subject(name: &'static str, cpu: f64, idle: f64) -> Subject {
        let mut subject = Subject::new(name, "");
        let mut sample = Sample { cpu_cached_us: cpu, ..Sample::default() };
        (sample.idle.rss, sample.after.rss) = (idle, idle + 1.5);
        subject.rounds.push(sample);
        subject
    }

    #[test]
    fn a_goal_is_met_or_not() {
        let mut report = Report::new(2000);
        report.subjects = vec![subject("sidecar", 36.0, 3.0), subject("Envoy", 90.0, 9.0)];
        let folder = tempfile::tempdir().unwrap();
        report.publish(&folder.path().join("sidecar.json")).unwrap();
        let find = |name: &str| report.results.measures.iter().find(|it| it.name == name).unwrap();
        let cpu = find("CPU per request, verdict cached");
        assert_eq!((cpu.met, cpu.peers[0].ahead), (Some(false), Some(true)));
        let after = find("RSS 30 s after the burst");
        assert_eq!((after.goal, after.met), (Some(Goal::AtMost(4.0)), Some(false)));
    }
}
