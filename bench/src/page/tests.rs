use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::{Path, PathBuf},
};

use super::{PAGE, goals::UNKNOWN, render, unexplained};
use crate::report::{read, with_extension};

/// Invented results, and what is made from them.
fn fixtures() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/page")
}

fn page(folder: &Path) -> BTreeMap<String, String> {
    let (all, causes) = read(folder).unwrap();
    render(&all, &causes)
}

/// Says that `folder` holds the page and pictures made from its results, and no others.
fn assert_fresh(folder: &Path, hint: &str) {
    let files = page(folder);
    for (name, text) in &files {
        let written = fs::read_to_string(folder.join(name)).unwrap_or_default();
        assert!(written == *text, "{name} is not what its results give: {hint}");
    }
    let pictures = with_extension(folder, "svg").unwrap();
    let written: BTreeSet<_> =
        pictures.iter().map(|path| path.file_name().unwrap().to_str().unwrap()).collect();
    let rendered = files.keys().map(String::as_str).filter(|name| *name != PAGE).collect();
    assert_eq!(written, rendered, "pictures: {hint}");
}

#[test]
fn invented_results_give_the_golden_page() {
    let folder = fixtures();
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        for (name, text) in page(&folder) {
            fs::write(folder.join(name), text).unwrap();
        }
    }
    assert_fresh(&folder, "UPDATE_GOLDEN=1 cargo test -p bench rewrites it");
}

#[test]
fn the_published_page_is_made_from_the_published_results() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/benchmarks");
    assert_fresh(&folder, "make bench-page");
}

#[test]
fn a_missed_goal_without_a_cause_is_told() {
    let (all, mut causes) = read(&fixtures()).unwrap();
    let ahead = "sidecar: CPU per request, uncached: ahead of HAProxy";
    assert_eq!(unexplained(&all, &causes), [ahead]);
    let text = &render(&all, &causes)[PAGE];
    assert_eq!(text.matches(UNKNOWN).count(), 1, "{text}");
    causes.clear();
    assert_eq!(unexplained(&all, &causes).len(), 2);
}

#[test]
fn results_in_another_order_give_the_same_page() {
    let (mut all, causes) = read(&fixtures()).unwrap();
    let files = render(&all, &causes);
    all.reverse();
    assert_eq!(render(&all, &causes), files);
}

#[test]
fn what_is_not_measured_is_said() {
    let text = &page(&fixtures())[PAGE];
    assert!(
        text.contains("Not measured in what is written down here; `make bench-path`"),
        "{text}"
    );
    assert!(text.contains("- Envoy was not measured: pip failed: no network"), "{text}");
}
