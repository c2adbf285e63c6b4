use serde::Serialize;

use super::{Subject, column::COLUMNS};

/// A number that the sidecar has to reach.
#[derive(Debug, Serialize)]
pub(crate) struct Goal {
    pub(crate) what: String,
    /// What was measured.
    pub(crate) measured: f64,
    /// What it must not exceed, or must reach where more is better.
    pub(crate) limit: f64,
    pub(crate) met: bool,
    pub(crate) decimals: usize,
}

/// The columns that have a limit of their own.
const CPU_CACHED: usize = 0;
const CPU_UNCACHED: usize = 1;
const IDLE: usize = 5;
const AFTER: usize = 7;

/// Every goal, in the order of the columns; none when the sidecar was not measured.
pub(super) fn compare(subjects: &[Subject]) -> Vec<Goal> {
    let measured: Vec<_> = subjects.iter().filter(|subject| !subject.medians.is_empty()).collect();
    let Some((ours, peers)) = measured.split_first().filter(|(ours, _)| ours.name == "sidecar")
    else {
        return Vec::new();
    };
    let value =
        |subject: &Subject, column| subject.medians.get(column).copied().unwrap_or(f64::NAN);
    let at_most = |what: &str, column, limit| {
        let measured = value(ours, column);
        Goal { what: what.to_owned(), measured, limit, met: measured <= limit, decimals: 2 }
    };
    let mut goals = vec![
        at_most("CPU us per request, verdict cached", CPU_CACHED, 35.0),
        at_most("CPU us per request, uncached", CPU_UNCACHED, 65.0),
        at_most("RSS MB idle", IDLE, 4.0),
        at_most("RSS MB 30 s after the burst: idle + 1", AFTER, value(ours, IDLE) + 1.0),
    ];
    for (number, column) in COLUMNS.iter().enumerate() {
        for peer in peers {
            let (measured, limit) = (value(ours, number), value(peer, number));
            goals.push(Goal {
                what: format!("{}: ahead of {}", column.title.join(" "), peer.name),
                measured,
                limit,
                met: if column.more { measured > limit } else { measured < limit },
                decimals: column.decimals,
            });
        }
    }
    goals
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sidecar::report::Sample;

    fn subject(name: &'static str, cpu: f64, rate: f64) -> Subject {
        let mut subject = Subject::new(name, "");
        let sample = Sample { cpu_cached_us: cpu, requests_per_second: rate, ..Sample::default() };
        subject.rounds.push(sample);
        subject.medians = subject.calculate_medians();
        subject
    }

    #[test]
    fn a_goal_is_met_or_not() {
        let goals = compare(&[subject("sidecar", 36.0, 9.0), subject("Envoy", 90.0, 10.0)]);
        let met = |what: &str| goals.iter().find(|goal| goal.what == what).unwrap().met;
        assert!(!met("CPU us per request, verdict cached"));
        assert!(met("CPU us cached: ahead of Envoy"));
        assert!(!met("req/s one core: ahead of Envoy"));
    }

    #[test]
    fn without_the_sidecar_there_is_no_goal() {
        assert!(compare(&[subject("Envoy", 1.0, 1.0)]).is_empty());
    }
}
