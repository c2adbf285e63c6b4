//! One benchmark: ratios and pictures first, then every number, then where it was measured.

use std::collections::BTreeMap;

use bench_results::{Growth, Measure, Results};

use super::{
    bars, growth,
    number::{number, or_dash, ratio, with_unit},
};

pub(super) fn render(results: &Results, text: &mut String, files: &mut BTreeMap<String, String>) {
    let compared: Vec<_> =
        results.measures.iter().filter(|measure| !measure.peers.is_empty()).collect();
    if !compared.is_empty() {
        ratios(&compared, text);
        let name = format!("{}.svg", results.benchmark);
        text.push_str(&format!("![{}: ours beside its peers]({name})\n\n", results.benchmark));
        files.insert(name, bars::render(results, &compared));
    }
    if !results.growth.is_empty() {
        let name = format!("{}-growth.svg", results.benchmark);
        text.push_str(&format!("![{}: growth by users]({name})\n\n", results.benchmark));
        lines(&results.growth, text);
        files.insert(name, growth::render(results));
    }
    absolute(results, &compared, text);
    conditions(results, text);
}

/// Ours divided by each peer's.
fn ratios(compared: &[&Measure], text: &mut String) {
    let peers = peers(compared);
    text.push_str("Ours divided by the peer's:\n\n| |");
    peers.iter().for_each(|peer| text.push_str(&format!(" {peer} |")));
    text.push_str(&format!("\n|---|{}\n", "---|".repeat(peers.len())));
    for measure in compared {
        text.push_str(&format!("| {}, {} |", measure.name, bars::direction(measure)));
        for peer in &peers {
            let peer = measure.peers.iter().find(|known| known.name == *peer);
            text.push_str(&format!(" {} |", ratio(peer.and_then(|peer| peer.ratio))));
        }
        text.push('\n');
    }
    text.push('\n');
}

/// The lines through the points.
fn lines(growth: &[Growth], text: &mut String) {
    text.push_str(
        "| | by | there anyway | each 1,000 more add | measured |\n|---|---|---|---|---|\n",
    );
    for Growth { name, unit, per, points, fit } in growth {
        let (base, slope) = fit.map_or_else(
            || ("–".to_owned(), "–".to_owned()),
            |line| (with_unit(line.base, unit), with_unit(line.per_thousand, unit)),
        );
        let points: Vec<_> = points
            .iter()
            .map(|[at, value]| format!("{} at {}", number(*value), number(*at)))
            .collect();
        text.push_str(&format!("| {name} | {per} | {base} | {slope} | {} |\n", points.join(", ")));
    }
    text.push('\n');
}

/// Every number.
fn absolute(results: &Results, compared: &[&Measure], text: &mut String) {
    if results.measures.is_empty() {
        return;
    }
    let peers = peers(compared);
    text.push_str("| | unit | ours |");
    peers.iter().for_each(|peer| text.push_str(&format!(" {peer} |")));
    text.push_str(&format!("\n|---|---|---|{}\n", "---|".repeat(peers.len())));
    for measure in &results.measures {
        text.push_str(&format!(
            "| {} | {} | {} |",
            measure.name,
            measure.unit,
            or_dash(measure.value)
        ));
        for peer in &peers {
            let peer = measure.peers.iter().find(|known| known.name == *peer);
            let value = peer.map_or_else(String::new, |peer| or_dash(peer.value));
            text.push_str(&format!(" {value} |"));
        }
        text.push('\n');
    }
    text.push('\n');
}

/// The names of those who are compared with, in the order in which they appear.
fn peers<'results>(compared: &[&'results Measure]) -> Vec<&'results str> {
    let mut names = Vec::new();
    for peer in compared.iter().flat_map(|measure| &measure.peers) {
        if !names.contains(&peer.name.as_str()) {
            names.push(&peer.name);
        }
    }
    names
}

/// Who took part, where and when.
fn conditions(results: &Results, text: &mut String) {
    for program in &results.programs {
        match &program.missing {
            Some(why) => text.push_str(&format!("- {} was not measured: {why}\n", program.name)),
            None if program.version.is_empty() => {}
            None => text.push_str(&format!("- {}: {}\n", program.name, program.version)),
        }
    }
    results.remarks.iter().for_each(|remark| text.push_str(&format!("- {remark}\n")));
    text.push_str(&format!("- {}; {}\n", day(results.recorded_at), results.machine));
}

/// `2026-12-01`.
fn day(seconds: u64) -> String {
    let at = i64::try_from(seconds).ok().and_then(|at| jiff::Timestamp::from_second(at).ok());
    at.map(|at| at.strftime("%Y-%m-%d").to_string()).unwrap_or_default()
}
