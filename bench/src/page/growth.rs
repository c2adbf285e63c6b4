//! How numbers grow: for each a panel with the measured points and the straight line through them.

use bench_results::{Growth, Results};

use super::{
    number::{number, with_unit},
    svg::{Svg, WIDTH},
};

const COLUMNS: usize = 2;
const HEIGHT: f64 = 200.0;
const MARGIN: f64 = 12.0;
/// What the numbers beside the axes need.
const LEFT: f64 = 70.0;
const TITLE: f64 = 30.0;
const BOTTOM: f64 = 40.0;

pub(super) fn render(results: &Results) -> String {
    let mut svg = Svg::new();
    let width = WIDTH / COLUMNS as f64;
    for (place, growth) in results.growth.iter().enumerate() {
        let left = (place % COLUMNS) as f64 * width;
        let top = (place / COLUMNS) as f64 * HEIGHT;
        panel(&mut svg, growth, [left + MARGIN, top + MARGIN], width - 2.0 * MARGIN);
    }
    let rows = results.growth.len().div_ceil(COLUMNS);
    let title = format!("{}: measured points and the line through them", results.benchmark);
    svg.finish(&title, (rows as f64).mul_add(HEIGHT, MARGIN))
}

fn panel(svg: &mut Svg, growth: &Growth, [left, top]: [f64; 2], width: f64) {
    let unit = if growth.unit.is_empty() { String::new() } else { format!(" ({})", growth.unit) };
    svg.text("t", [left, top + 14.0], &(growth.name.clone() + &unit));
    let most =
        |of: fn(&[f64; 2]) -> f64| growth.points.iter().map(of).fold(f64::MIN_POSITIVE, f64::max);
    let (widest, highest) = (most(|[at, _]| *at), most(|[_, value]| *value));
    let (x0, x1) = (left + LEFT, left + width - MARGIN);
    let (y0, y1) = (top + HEIGHT - BOTTOM - MARGIN, top + TITLE);
    let place = |at: f64, value: f64| {
        let up = (value / highest).clamp(0.0, 1.0);
        [(at / widest).mul_add(x1 - x0, x0), up.mul_add(y1 - y0, y0)]
    };
    svg.line("a", [x0, y0], [x1, y0]);
    svg.line("a", [x0, y0], [x0, y1]);
    svg.text("s e", [x0 - 6.0, y0 + 4.0], "0");
    svg.text("s e", [x0 - 6.0, y1 + 4.0], &number(highest));
    svg.text("s e", [x1, y0 + 16.0], &format!("{} {}", number(widest), growth.per));
    if let Some(line) = growth.fit {
        svg.line("f", place(0.0, line.at(0.0)), place(widest, line.at(widest)));
        let slope = format!("+{} per 1,000", with_unit(line.per_thousand, &growth.unit));
        svg.text("s", [x0 + 10.0, y1 + 10.0], &slope);
    }
    for [at, value] in &growth.points {
        svg.point(place(*at, *value));
    }
}
