use std::fmt::Write as _;

use super::{Report, Subject, column::COLUMNS, goal::Goal};

use crate::median::median;

/// Wide enough for every title and value.
const WIDTH: usize = 11;

pub(super) fn render(report: &Report) -> String {
    let mut text = format!("{}\n", report.machine);
    // Writing to a string cannot fail.
    let _ = write(&mut text, report);
    text
}

fn write(text: &mut String, report: &Report) -> std::fmt::Result {
    let rounds = report.subjects.iter().map(|subject| subject.rounds.len()).max().unwrap_or(0);
    let direct = median(report.direct_rates.clone());
    writeln!(
        text,
        "medians of {rounds} rounds; latency at {} requests/s; load and upstream alone: {direct:.0} requests/s\n",
        report.rate
    )?;
    for line in 0..2 {
        write!(text, "{:9}", "")?;
        for column in &COLUMNS {
            write!(text, "{:>WIDTH$}", column.title.get(line).copied().unwrap_or_default())?;
        }
        writeln!(text)?;
    }
    for subject in &report.subjects {
        row(text, subject)?;
    }
    writeln!(text)?;
    for subject in report.subjects.iter().filter(|subject| subject.missing.is_none()) {
        writeln!(text, "{:9}{}{}", subject.name, subject.version, pss(subject))?;
    }
    writeln!(text, "\ngoals")?;
    report.goals.iter().try_for_each(|goal| line(text, goal))
}

fn row(text: &mut String, subject: &Subject) -> std::fmt::Result {
    write!(text, "{:9}", subject.name)?;
    match &subject.missing {
        Some(why) => write!(text, "  not measured: {why}")?,
        None => {
            for (value, column) in subject.medians.iter().zip(&COLUMNS) {
                write!(text, "{value:>WIDTH$.decimals$}", decimals = column.decimals)?;
            }
        }
    }
    writeln!(text)
}

/// What the table has no room for.
fn pss(subject: &Subject) -> String {
    let of = |pick: fn(&super::Sample) -> f64| median(subject.rounds.iter().map(pick).collect());
    format!(
        "; PSS idle {:.2}, after {:.2} MB; uncached {:.0} req/s; had {:.0} % of its core",
        of(|sample| sample.idle.pss),
        of(|sample| sample.after.pss),
        of(|sample| sample.requests_per_second_uncached),
        of(|sample| sample.core_share) * 100.0,
    )
}

fn line(text: &mut String, goal: &Goal) -> std::fmt::Result {
    let Goal { what, measured, limit, met, decimals } = goal;
    let verdict = if *met { "met   " } else { "MISSED" };
    writeln!(
        text,
        "  {verdict} {what}: {measured:.decimals$} ({limit:.decimals$}; distance {:+.decimals$})",
        measured - limit
    )
}
