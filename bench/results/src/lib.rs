//! What a benchmark found: the one form that every benchmark writes to `target/bench/NAME.json` and
//! that the page in `docs/benchmarks` is made from.

mod fit;
mod goal;
mod machine;
mod median;
mod table;

use std::{
    fs,
    path::Path,
    time::{SystemTime, UNIX_EPOCH},
};

use anyhow::{Context as _, Result};
use serde::{Deserialize, Serialize};

pub use self::{
    fit::Line,
    goal::Goal,
    machine::{Machine, load_average},
    median::median,
};

/// One run of one benchmark.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Results {
    /// Also the file's name, without `.json`.
    pub benchmark: String,
    /// When it began, in seconds since 1970.
    pub recorded_at: u64,
    pub machine: Machine,
    /// What is measured, ours first.
    pub programs: Vec<Program>,
    pub measures: Vec<Measure>,
    /// How numbers grow with the number of users.
    pub growth: Vec<Growth>,
    /// What to know about the numbers.
    pub remarks: Vec<String>,
}

/// A program that is measured, or is not.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Program {
    pub name: String,
    pub version: String,
    /// Why it could not be measured.
    pub missing: Option<String>,
}

/// A number of ours, and the same of others in the same run.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Measure {
    pub name: String,
    pub unit: String,
    pub better: Better,
    /// The median of the rounds.
    pub value: Option<f64>,
    pub goal: Option<Goal>,
    /// Whether the goal is met, where there is one.
    pub met: Option<bool>,
    /// Whether being better than every peer is a goal, too.
    pub must_lead: bool,
    pub peers: Vec<Peer>,
    pub rounds: Vec<f64>,
}

/// Which way is good. Most numbers are costs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Better {
    #[default]
    Less,
    More,
}

/// The same number of another program.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Peer {
    pub name: String,
    /// The median of the rounds.
    pub value: Option<f64>,
    /// Ours by this one.
    pub ratio: Option<f64>,
    /// Whether ours is better.
    pub ahead: Option<bool>,
    pub rounds: Vec<f64>,
}

/// How a number grows.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Growth {
    pub name: String,
    pub unit: String,
    /// What there is more and more of, as `users with a pod`.
    pub per: String,
    /// How many there were, and the number then.
    pub points: Vec<[f64; 2]>,
    /// The straight line through the points.
    pub fit: Option<Line>,
}

impl Results {
    /// A run that begins now on this machine.
    #[must_use]
    pub fn new(benchmark: &str) -> Self {
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        Self {
            benchmark: benchmark.to_owned(),
            recorded_at: since.as_secs(),
            machine: Machine::this(),
            programs: Vec::new(),
            measures: Vec::new(),
            growth: Vec::new(),
            remarks: Vec::new(),
        }
    }

    /// A program that takes part.
    pub fn program(&mut self, name: &str, version: &str) {
        self.add_program(name, version, None);
    }

    /// A program that cannot take part, and why.
    pub fn missing(&mut self, name: &str, why: &str) {
        self.add_program(name, "", Some(why.to_owned()));
    }

    fn add_program(&mut self, name: &str, version: &str, missing: Option<String>) {
        if self.programs.iter().all(|known| known.name != name) {
            let (name, version) = (name.to_owned(), version.to_owned());
            self.programs.push(Program { name, version, missing });
        }
    }

    /// A number of this round that is worth knowing. What is no number was not measured.
    pub fn note(&mut self, name: &str, unit: &str, measured: f64) -> &mut Measure {
        let measure = self.measure(name, unit);
        measure.rounds.extend(finite(measured));
        measure
    }

    /// A number of this round that has a goal.
    pub fn goal(&mut self, name: &str, unit: &str, measured: f64, goal: Goal) -> &mut Measure {
        let measure = self.note(name, unit, measured);
        measure.better = goal.better();
        measure.goal = Some(goal);
        measure
    }

    /// The same number of another program.
    pub fn peer(&mut self, name: &str, unit: &str, peer: &str, measured: f64) -> &mut Measure {
        let measure = self.measure(name, unit);
        match measure.peers.iter_mut().find(|known| known.name == peer) {
            Some(known) => known.rounds.extend(finite(measured)),
            None => measure.peers.push(Peer {
                name: peer.to_owned(),
                value: None,
                ratio: None,
                ahead: None,
                rounds: Vec::from_iter(finite(measured)),
            }),
        }
        measure
    }

    /// A number when there are `at` of what it grows with.
    pub fn grows(&mut self, name: &str, unit: &str, per: &str, at: f64, measured: f64) {
        match self.growth.iter_mut().find(|known| known.name == name && known.per == per) {
            Some(known) => known.points.push([at, measured]),
            None => self.growth.push(Growth {
                name: name.to_owned(),
                unit: unit.to_owned(),
                per: per.to_owned(),
                points: vec![[at, measured]],
                fit: None,
            }),
        }
    }

    /// Something to know about the numbers.
    pub fn say(&mut self, remark: impl Into<String>) {
        let remark = remark.into();
        if !self.remarks.contains(&remark) {
            self.remarks.push(remark);
        }
    }

    fn measure(&mut self, name: &str, unit: &str) -> &mut Measure {
        let place = self.measures.iter().position(|known| known.name == name);
        let place = place.unwrap_or_else(|| {
            self.measures.push(Measure::new(name, unit));
            self.measures.len() - 1
        });
        #[expect(clippy::indexing_slicing, reason = "found or pushed just now")]
        &mut self.measures[place]
    }

    /// Calculates medians, ratios and fits, and compares with the goals.
    pub fn finish(&mut self) {
        self.measures.iter_mut().for_each(Measure::finish);
        for growth in &mut self.growth {
            growth.fit = Line::through(&growth.points);
        }
    }

    /// Finishes and writes everything to `path`.
    ///
    /// # Errors
    /// The file cannot be written.
    pub fn write(&mut self, path: &Path) -> Result<()> {
        self.finish();
        if let Some(folder) = path.parent() {
            fs::create_dir_all(folder)?;
        }
        fs::write(path, self.to_json()?).with_context(|| format!("cannot write {}", path.display()))
    }

    /// The file's text.
    ///
    /// # Errors
    /// None that is known.
    pub fn to_json(&self) -> Result<String> {
        Ok(serde_json::to_string_pretty(self)? + "\n")
    }

    /// What [`Self::write`] wrote.
    ///
    /// # Errors
    /// There is no such file, or it has another form.
    pub fn read(path: &Path) -> Result<Self> {
        let text = fs::read_to_string(path);
        let text = text.with_context(|| format!("cannot read {}", path.display()))?;
        serde_json::from_str(&text)
            .with_context(|| format!("{} has not the form of results", path.display()))
    }
}

impl Measure {
    fn new(name: &str, unit: &str) -> Self {
        Self {
            name: name.to_owned(),
            unit: unit.to_owned(),
            better: Better::Less,
            value: None,
            goal: None,
            met: None,
            must_lead: false,
            peers: Vec::new(),
            rounds: Vec::new(),
        }
    }

    fn finish(&mut self) {
        self.value = middle(&self.rounds);
        self.met = self.goal.zip(self.value).map(|(goal, value)| goal.is_met(value));
        for peer in &mut self.peers {
            peer.value = middle(&peer.rounds);
            let both = self.value.zip(peer.value);
            peer.ratio = both.and_then(|(ours, theirs)| finite(ours / theirs));
            peer.ahead = both.map(|(ours, theirs)| self.better.than(ours, theirs));
        }
    }
}

impl Better {
    /// Whether `ours` is better than `theirs`.
    fn than(self, ours: f64, theirs: f64) -> bool {
        match self {
            Self::Less => ours < theirs,
            Self::More => ours > theirs,
        }
    }
}

/// JSON has no others.
fn finite(measured: f64) -> Option<f64> {
    Some(measured).filter(|measured| measured.is_finite())
}

/// The median, where there is one.
fn middle(rounds: &[f64]) -> Option<f64> {
    finite(median(rounds.to_vec()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn results() -> Results {
        let mut results = Results::new("example");
        for round in [1.0, 9.0, 3.0] {
            results.goal("time", "ms", round, Goal::AtMost(3.0));
            results.peer("time", "ms", "other", 2.0 * round);
            results.goal("speed", "/s", round, Goal::AtLeast(3.5)).must_lead = true;
            results.peer("speed", "/s", "other", round + 1.0);
        }
        results.finish();
        results
    }

    #[test]
    fn the_median_of_the_rounds_meets_the_goal_or_not() {
        let results = results();
        let [time, speed] = &results.measures[..] else { panic!("{results:?}") };
        assert_eq!((time.value, time.met), (Some(3.0), Some(true)));
        assert_eq!((speed.value, speed.met), (Some(3.0), Some(false)));
    }

    #[test]
    fn ratios_are_ours_by_theirs_and_ahead_is_the_better_way() {
        let results = results();
        let [time, speed] = &results.measures[..] else { panic!("{results:?}") };
        assert_eq!((time.peers[0].ratio, time.peers[0].ahead), (Some(0.5), Some(true)));
        assert_eq!((speed.peers[0].ratio, speed.peers[0].ahead), (Some(0.75), Some(false)));
    }

    #[test]
    fn what_is_written_is_read_again() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("sub/example.json");
        let mut written = results();
        written.note("nothing", "", f64::NAN);
        written.write(&path).unwrap();
        let read = Results::read(&path).unwrap();
        assert_eq!(read.measures[0].value, Some(3.0));
        assert_eq!(read.measures[2].value, None);
    }
}
