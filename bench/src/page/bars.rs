//! Ours beside its peers: for each number a panel with a bar each, and the goal as a dashed line.

use bench_results::{Better, Measure, Results};

use super::{
    number::with_unit,
    svg::{Svg, WIDTH},
};

const COLUMNS: usize = 2;
const BAR: f64 = 16.0;
/// From one bar's top to the next one's.
const STEP: f64 = 22.0;
const TITLE: f64 = 26.0;
const MARGIN: f64 = 12.0;
/// What names and numbers need beside the bars.
const NAME: f64 = 104.0;
const VALUE: f64 = 84.0;

pub(super) fn render(results: &Results, compared: &[&Measure]) -> String {
    let mut svg = Svg::new();
    let width = WIDTH / COLUMNS as f64;
    let mut top = MARGIN;
    for row in compared.chunks(COLUMNS) {
        for (column, measure) in row.iter().enumerate() {
            panel(
                &mut svg,
                measure,
                &results.benchmark,
                [column as f64 * width + MARGIN, top],
                width - 2.0 * MARGIN,
            );
        }
        let most = row.iter().map(|measure| measure.peers.len() + 1).max().unwrap_or_default();
        top += (most as f64).mul_add(STEP, TITLE + MARGIN);
    }
    svg.finish(
        &format!(
            "{}: ours beside its peers; shorter or longer is better as each title says",
            results.benchmark
        ),
        top,
    )
}

/// Which way is good, in words.
pub(super) const fn direction(measure: &Measure) -> &'static str {
    match measure.better {
        Better::Less => "less is better",
        Better::More => "more is better",
    }
}

fn panel(svg: &mut Svg, measure: &Measure, ours: &str, [left, top]: [f64; 2], width: f64) {
    svg.text("t", [left, top + 14.0], &format!("{} ({})", measure.name, direction(measure)));
    let peers = measure.peers.iter().map(|peer| ("p", peer.name.as_str(), peer.value));
    let bars: Vec<_> = std::iter::once(("o", ours, measure.value)).chain(peers).collect();
    let limit = measure.goal.map(bench_results::Goal::limit);
    let values = bars.iter().filter_map(|(.., value)| *value).chain(limit);
    let most = values.fold(f64::MIN_POSITIVE, f64::max);
    let room = width - NAME - VALUE;
    let x = |value: f64| (value / most).clamp(0.0, 1.0).mul_add(room, left + NAME);
    let mut y = top + TITLE;
    for (class, name, value) in &bars {
        svg.text("e", [left + NAME - 8.0, y + 12.5], name);
        let end = value.map_or(left + NAME, x);
        // What is next to nothing is still there.
        svg.bar(class, [left + NAME, y], [(end - left - NAME).max(1.0), BAR]);
        let text = value.map_or_else(|| "–".to_owned(), |value| with_unit(value, &measure.unit));
        svg.text("s", [end + 6.0, y + 12.5], &text);
        y += STEP;
    }
    if let Some(limit) = limit {
        svg.line("g", [x(limit), top + TITLE - 4.0], [x(limit), y - STEP + BAR + 4.0]);
    }
}
