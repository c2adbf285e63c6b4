//! `bench-report`: records what the benchmarks found and writes the page from it.

use std::{
    fs,
    path::{Path, PathBuf},
};

use anyhow::{Context as _, Result};
use bench_results::Results;

use crate::page::{Causes, render, unexplained};

/// Writes the page of the benchmarks from their results
#[derive(Debug, clap::Parser)]
pub struct Args {
    /// Take over the results that are here, before the page is written
    #[arg(long, env = "BENCH_RECORD", value_name = "FOLDER")]
    record: Option<PathBuf>,

    /// The folder of the page; the results it is made from are in results/ within
    #[arg(long, env = "BENCH_PAGE", value_name = "FOLDER", default_value = "docs/benchmarks")]
    page: PathBuf,
}

/// Within the folder of the page.
const RESULTS: &str = "results";
/// Beside the results: why goals are missed.
const CAUSES: &str = "causes.yaml";

/// Takes over results, and writes the page.
///
/// # Errors
/// A file cannot be read or written, or has not the form of results.
pub fn run(args: &Args) -> Result<()> {
    let results = args.page.join(RESULTS);
    if let Some(from) = &args.record {
        record(from, &results)?;
    }
    let (all, causes) = read(&args.page)?;
    let files = render(&all, &causes);
    for (name, text) in &files {
        let path = args.page.join(name);
        fs::write(&path, text).with_context(|| format!("cannot write {}", path.display()))?;
    }
    for picture in with_extension(&args.page, "svg")? {
        let known = picture.file_name().and_then(|name| files.get(name.to_str()?));
        if known.is_none() {
            fs::remove_file(picture)?;
        }
    }
    for goal in unexplained(&all, &causes) {
        eprintln!("missed without a cause in {}: {goal}", args.page.join(CAUSES).display());
    }
    Ok(())
}

/// Takes over every result of the folder `from`, as it was measured.
fn record(from: &Path, to: &Path) -> Result<()> {
    fs::create_dir_all(to)?;
    for path in with_extension(from, "json")? {
        let results = Results::read(&path)?;
        fs::write(to.join(format!("{}.json", results.benchmark)), results.to_json()?)?;
    }
    Ok(())
}

/// What the page in `folder` is made from.
pub(crate) fn read(folder: &Path) -> Result<(Vec<Results>, Causes)> {
    let all =
        with_extension(&folder.join(RESULTS), "json")?.into_iter().map(|path| Results::read(&path));
    let causes = folder.join(CAUSES);
    let text = if causes.exists() { fs::read_to_string(&causes)? } else { String::new() };
    let causes = if text.trim().is_empty() {
        Causes::new()
    } else {
        serde_norway::from_str(&text)
            .with_context(|| format!("cannot read {}", causes.display()))?
    };
    Ok((all.collect::<Result<_>>()?, causes))
}

/// The files of this kind in the order of their names, without hidden ones, which cargo keeps in its target
/// folders; none where there is no folder.
pub(crate) fn with_extension(folder: &Path, wanted: &str) -> Result<Vec<PathBuf>> {
    if !folder.exists() {
        return Ok(Vec::new());
    }
    let entries = fs::read_dir(folder)?.map(|entry| Ok(entry?.path()));
    let mut files: Vec<_> = entries.collect::<std::io::Result<_>>()?;
    let is_hidden =
        |path: &Path| path.file_name().is_some_and(|it| it.as_encoded_bytes().starts_with(b"."));
    files.retain(|path| path.extension().is_some_and(|it| it == wanted) && !is_hidden(path));
    files.sort();
    Ok(files)
}
