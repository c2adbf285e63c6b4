//! `explain`: what would become of each pod, and why.

use contract::label;

use super::{
    Ended,
    input::{ConfigArgs, InputArgs, print},
};
use crate::{
    admission::{Verdict, judge},
    config::Config,
    manifest::Pod,
    reason::Outcome,
};

const HEADINGS: [&str; 5] = ["KIND", "NAMESPACE", "NAME", "DECISION", "REASON"];

/// One pod: its line of the table, and what there is to say beneath it.
struct Entry {
    cells: [String; 5],
    notes: Vec<String>,
}

pub(super) fn explain(config: &ConfigArgs, input: &InputArgs) -> Ended {
    let config = config.load()?;
    let mut entries = Vec::new();
    for (_, manifest) in &mut input.manifests()? {
        entries.extend(manifest.pods().iter().map(|pod| entry(pod, &input.namespace, &config)));
    }
    print(&table(&entries))
}

fn entry(pod: &Pod<'_>, namespace: &str, config: &Config) -> Entry {
    let namespace = pod.namespace.as_deref().unwrap_or(namespace);
    let verdict = judge(pod.pod, namespace, config);
    Entry {
        cells: [
            pod.kind.clone(),
            namespace.to_owned(),
            pod.name.clone(),
            verdict.reason.outcome().to_string(),
            verdict.codes().join(","),
        ],
        notes: notes(pod, namespace, &verdict),
    }
}

fn notes(pod: &Pod<'_>, namespace: &str, verdict: &Verdict) -> Vec<String> {
    let mut notes: Vec<String> =
        verdict.denials.iter().map(|denial| format!("change: {}", denial.message)).collect();
    notes.extend(verdict.warnings.iter().map(|warning| format!("warning: {warning}")));
    if verdict.reason.outcome() == Outcome::Injected {
        let operations = verdict.operations.iter().map(|operation| operation.path().to_string());
        notes.extend(operations.map(|path| format!("patch: {path}")));
        let pointer = format!("/metadata/labels/{}", label::USER.replace('/', "~1"));
        let user = pod.pod.pointer(&pointer).and_then(|user| user.as_str()).unwrap_or_default();
        notes.push(format!(
            "the creator needs, in namespace {namespace}: apiGroups [{}], resources [{}], \
             resourceNames [{user}], verbs [{}]",
            label::USE_GROUP,
            label::USE_RESOURCE,
            label::USE_VERB
        ));
    }
    notes
}

/// The table, each column as wide as its widest cell.
fn table(entries: &[Entry]) -> String {
    let headings = HEADINGS.map(str::to_owned);
    let rows = || std::iter::once(&headings).chain(entries.iter().map(|entry| &entry.cells));
    let width = |column: usize| {
        rows().filter_map(|row| row.get(column)).map(|cell| cell.chars().count()).max().unwrap_or(0)
    };
    let widths: Vec<usize> = (0..HEADINGS.len()).map(width).collect();
    let line = |cells: &[String; 5]| {
        let padded = cells.iter().zip(&widths).map(|(cell, width)| format!("{cell:width$}"));
        padded.collect::<Vec<_>>().join("  ").trim_end().to_owned() + "\n"
    };
    let mut table = line(&headings);
    for Entry { cells, notes } in entries {
        table.push_str(&line(cells));
        for note in notes {
            table.push_str(&format!("  {note}\n"));
        }
    }
    table
}
