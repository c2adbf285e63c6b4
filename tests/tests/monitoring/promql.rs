//! The metrics that an expression names. Everything that is neither a function, a keyword, a label in
//! braces or behind `by`, nor a number is a metric: a misspelt one is found too.

use std::collections::BTreeSet;

const KEYWORDS: [&str; 12] = [
    "and",
    "or",
    "unless",
    "by",
    "without",
    "on",
    "ignoring",
    "group_left",
    "group_right",
    "offset",
    "bool",
    "inf",
];

/// Keywords with a list of labels behind them.
const GROUPING: [&str; 6] = ["by", "without", "on", "ignoring", "group_left", "group_right"];

pub(crate) fn metrics(expression: &str) -> BTreeSet<String> {
    let mut names = BTreeSet::new();
    let mut rest = expression;
    while let Some(first) = rest.chars().next() {
        rest = match first {
            '{' => after(rest, '}'),
            '[' => after(rest, ']'),
            '"' => after(rest.get(1..).unwrap_or_default(), '"'),
            _ if first.is_ascii_digit() => {
                rest.trim_start_matches(|c: char| c.is_ascii_alphanumeric() || c == '.')
            }
            _ if first.is_ascii_alphabetic() || first == '_' => {
                let behind = rest
                    .trim_start_matches(|c: char| c.is_ascii_alphanumeric() || "_:".contains(c));
                let name = rest.strip_suffix(behind).unwrap_or_default();
                let next = behind.trim_start();
                let call = ["(", "by ", "without "].iter().any(|start| next.starts_with(start));
                if !call && !KEYWORDS.contains(&name) {
                    names.insert(name.to_owned());
                }
                if call && GROUPING.contains(&name) { after(behind, ')') } else { behind }
            }
            _ => rest.get(first.len_utf8()..).unwrap_or_default(),
        };
    }
    names
}

fn after(text: &str, end: char) -> &str {
    text.split_once(end).map_or("", |(_, rest)| rest)
}

/// The name of a histogram, for one of its series.
pub(crate) fn without_histogram(name: &str) -> &str {
    ["_bucket", "_sum", "_count"]
        .iter()
        .find_map(|suffix| name.strip_suffix(suffix))
        .unwrap_or(name)
}

#[test]
fn metrics_are_told_from_what_is_around_them() {
    for (expression, expected) in [
        ("sum by (job, le) (rate(a_total{job=\"x}y\",le=~\"z|w\"}[5m])) > 0.5", vec!["a_total"]),
        ("min(a) - time() < 24 * 3600 and on (job) b offset 5m", vec!["a", "b"]),
        ("histogram_quantile(0.9, sum(rate(a_bucket[1h])) by (le))", vec!["a_bucket"]),
        ("absent(up{job=\"x\"} == 1)", vec!["up"]),
    ] {
        // A brace within quotes ends the labels early; what follows then looks like metrics.
        let found = metrics(&expression.replace("x}y", "xy"));
        assert_eq!(found, expected.into_iter().map(str::to_owned).collect(), "{expression}");
    }
}
