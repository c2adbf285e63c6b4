//! How many instructions the hot paths cost, counted by valgrind and compared with what is written
//! down in `bench/instructions.json`. Unlike times, counts hardly depend on what else a machine does.

mod baseline;
mod count;
mod path;

use std::path::PathBuf;

use anyhow::{Result, ensure};
use bench_results::{Goal, Results};

use self::{baseline::Baseline, path::Counted};

/// How many instructions the hot paths cost, beside what is written down
#[derive(Debug, clap::Parser)]
pub struct Args {
    /// The folder with the examples bench-webhook and hot-paths
    #[arg(long, env = "BENCH_EXAMPLES", value_name = "FOLDER")]
    examples: PathBuf,

    /// What is written down
    #[arg(
        long,
        env = "BENCH_BASELINE",
        value_name = "FILE",
        default_value = "bench/instructions.json"
    )]
    baseline: PathBuf,

    /// Where the counts go as JSON
    #[arg(
        long,
        env = "BENCH_OUT",
        value_name = "FILE",
        default_value = "target/bench/instructions.json"
    )]
    out: PathBuf,

    /// Write down what is counted now, because of this
    #[arg(long, env = "REASON", value_name = "REASON")]
    record: Option<String>,
}

/// Counts every path; compares, or writes down.
///
/// # Errors
/// A path costs more than it may, or cannot be counted.
pub fn run(args: &Args) -> Result<()> {
    let Args { examples, baseline: file, out, record } = args;
    let mut baseline = Baseline::read(file)?;
    let counted = path::count_all(examples)?;
    if let Some(reason) = record {
        ensure!(!reason.trim().is_empty(), "a new number needs a reason");
        baseline.record(&counted, reason.trim());
        return baseline.write(file);
    }
    results(&baseline, &counted).write(out)?;
    let costly = baseline.compare(&counted);
    ensure!(
        costly.is_empty(),
        "{} costs more than {} % above what is written down. If it is worth it: \
         make bench-instructions-record REASON=\"...\"",
        costly.join(", "),
        baseline::TOLERANCE_PERCENT,
    );
    Ok(())
}

/// The counts, each with what it may be.
#[expect(clippy::cast_precision_loss, reason = "far below 2^52")]
fn results(baseline: &Baseline, counted: &[Counted]) -> Results {
    let mut results = Results::new("instructions");
    for &Counted { path, instructions } in counted {
        let measured = instructions as f64;
        match baseline.limit(path) {
            Some(limit) => results.goal(path, "", measured, Goal::AtMost(limit as f64)),
            None => results.note(path, "", measured),
        };
    }
    results
}
