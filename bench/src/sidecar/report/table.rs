use std::fmt::Write as _;

use bench_results::median;

use super::{Report, Sample, Subject, column::COLUMNS};

/// Wide enough for every title and value.
const WIDTH: usize = 11;

pub(super) fn render(report: &Report) -> String {
    let mut text = format!("{}\n", report.results.machine);
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
    Ok(())
}

fn row(text: &mut String, subject: &Subject) -> std::fmt::Result {
    write!(text, "{:9}", subject.name)?;
    match &subject.missing {
        Some(why) => write!(text, "  not measured: {why}")?,
        None => {
            for column in &COLUMNS {
                let value = subject.median(column.of);
                write!(text, "{value:>WIDTH$.decimals$}", decimals = column.decimals)?;
            }
        }
    }
    writeln!(text)
}

/// What the table has no room for.
fn pss(subject: &Subject) -> String {
    let of = |pick: fn(&Sample) -> f64| subject.median(pick);
    format!(
        "; PSS idle {:.2}, after {:.2} MB; uncached {:.0} req/s; had {:.0} % of its core",
        of(|sample| sample.idle.pss),
        of(|sample| sample.after.pss),
        of(|sample| sample.requests_per_second_uncached),
        of(|sample| sample.core_share) * 100.0,
    )
}
