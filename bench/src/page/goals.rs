//! Every goal, whether it is met, and if not, how far it is and why.

use bench_results::{Measure, Results};

use super::{
    BENCHMARKS, Causes,
    number::{number, or_dash, ratio, with_unit},
    title,
};

/// What stands where nobody has said why.
pub(crate) const UNKNOWN: &str = "**not written down yet**";

pub(super) fn render(all: &[Results], causes: &Causes) -> String {
    let mut text = "## Goals\n\n".to_owned();
    let ordered = BENCHMARKS
        .iter()
        .filter_map(|benchmark| all.iter().find(|results| results.benchmark == benchmark.name));
    let rows: Vec<_> = ordered
        .flat_map(|results| results.measures.iter().flat_map(|measure| rows(results, measure)))
        .collect();
    if rows.is_empty() {
        return text + "Nothing is measured yet.\n";
    }
    let met = rows.iter().filter(|row| row.met).count();
    text.push_str(&format!("{met} of {} are met.\n\n", rows.len()));
    text.push_str("| | what | goal | measured | distance | cause |\n|---|---|---|---|---|---|\n");
    rows.iter().for_each(|row| text.push_str(&row.line(causes)));
    text
}

/// Goals that are missed without a cause, as `benchmark: number`.
pub(crate) fn unexplained(all: &[Results], causes: &Causes) -> Vec<String> {
    let rows = all
        .iter()
        .flat_map(|results| results.measures.iter().flat_map(|measure| rows(results, measure)));
    rows.filter(|row| !row.met && row.cause(causes).is_none())
        .map(|row| format!("{}: {}", row.benchmark, row.what))
        .collect()
}

struct Row<'results> {
    benchmark: &'results str,
    /// The name of the number, and of the peer that ours should be ahead of.
    what: String,
    goal: String,
    measured: String,
    distance: String,
    met: bool,
}

fn rows<'results>(results: &'results Results, measure: &'results Measure) -> Vec<Row<'results>> {
    let value = measure.value;
    let own = measure.goal.map(|goal| Row {
        benchmark: &results.benchmark,
        what: measure.name.clone(),
        goal: format!("{} {}", goal.words(), with_unit(goal.limit(), &measure.unit)),
        measured: format!("{} {}", or_dash(value), measure.unit),
        distance: value.map(|value| percent(value, goal.limit())).unwrap_or_default(),
        met: measure.met == Some(true),
    });
    let mut rows: Vec<_> = own.into_iter().collect();
    for peer in measure.peers.iter().filter(|_| measure.must_lead) {
        rows.push(Row {
            benchmark: &results.benchmark,
            what: format!("{}: ahead of {}", measure.name, peer.name),
            goal: format!("{} {}", or_dash(peer.value), measure.unit),
            measured: format!("{} {}", or_dash(value), measure.unit),
            distance: ratio(peer.ratio),
            met: peer.ahead == Some(true),
        });
    }
    rows
}

/// How much more than the limit, or less.
fn percent(value: f64, limit: f64) -> String {
    if limit == 0.0 { number(value) } else { format!("{:+.0} %", (value / limit - 1.0) * 100.0) }
}

impl Row<'_> {
    fn line(&self, causes: &Causes) -> String {
        let Self { benchmark, what, goal, measured, distance, met } = self;
        let (mark, distance, cause) = if *met {
            ("met", "", "")
        } else {
            ("**missed**", distance.as_str(), self.cause(causes).unwrap_or(UNKNOWN))
        };
        let title = title(benchmark);
        format!("| {mark} | {title}: {what} | {goal} | {measured} | {distance} | {cause} |\n")
    }

    fn cause<'causes>(&self, causes: &'causes Causes) -> Option<&'causes str> {
        causes.get(self.benchmark)?.get(&self.what).map(String::as_str)
    }
}
