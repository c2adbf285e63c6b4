//! What the runbook puts in quotes is said by a program of ours, or was seen in OpenClaw.

use std::{fs, path::Path};

use anyhow::{Context as _, Result};

use crate::page::{Page, top};

/// What OpenClaw 2026.9.6 said when each was provoked.
const OPENCLAWS: [&str; 11] = [
    "origin not allowed (open the Control UI from the gateway host or allow it in \
     gateway.controlUi.allowedOrigins)",
    "pairing required: device is not approved yet",
    "control ui requires device identity (use HTTPS or localhost secure context)",
    "unauthorized: gateway token mismatch (provide gateway auth token)",
    "Reconnecting…",
    "newapi/MODEL request failed (authentication failed, HTTP 401). Re-authenticate the provider \
     and try again.",
    "newapi/MODEL request failed (authentication failed, HTTP 403). Re-authenticate the provider \
     and try again.",
    "newapi/MODEL request failed (provider internal error, HTTP 503). This is usually temporary — \
     try again shortly.",
    "LLM request failed: network connection error.",
    "internal error",
    "Config auto-restored from backup",
];

/// So much of a text must stand in the source as it is; the rest may be what is put in. In bytes.
const FIXED: usize = 15;

/// Every sentence that a program of ours may print: its fixed pieces, between which something is put.
pub(crate) struct Said(Vec<Vec<String>>);

impl Said {
    pub(crate) fn read() -> Result<Self> {
        let mut sentences = Vec::new();
        for program in ["edge", "sidecar", "spawner", "webhook"] {
            for source in sources(&top().join(program).join("src"))? {
                let literals = literals(&source);
                sentences.extend(literals.iter().flat_map(|text| sentences_of(text)).map(pieces));
            }
        }
        Ok(Self(sentences))
    }

    /// Quotes of the page that nobody says.
    pub(crate) fn unknown(&self, page: &Page) -> Vec<String> {
        let quotes = page.prose.iter().flat_map(|(line, text)| {
            let text = outside_of_code(text);
            let quotes: Vec<_> = text.split('"').skip(1).step_by(2).map(str::to_owned).collect();
            quotes.into_iter().map(move |quote| (*line, quote))
        });
        quotes
            .filter(|(_, quote)| !self.is_said(quote))
            .map(|(line, quote)| format!("{}: nobody says {quote:?}", page.at(line)))
            .collect()
    }

    fn is_said(&self, quote: &str) -> bool {
        OPENCLAWS.contains(&quote) || self.0.iter().any(|pieces| fits(quote, pieces))
    }
}

/// Without what stands in backticks.
fn outside_of_code(text: &str) -> String {
    text.split('`').step_by(2).collect()
}

fn sources(folder: &Path) -> Result<Vec<String>> {
    let mut all = Vec::new();
    for entry in fs::read_dir(folder).with_context(|| folder.display().to_string())? {
        let path = entry?.path();
        if path.is_dir() {
            all.extend(sources(&path)?);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            all.push(fs::read_to_string(&path)?);
        }
    }
    Ok(all)
}

/// The string literals of a source file, and the code between them, which nobody quotes.
fn literals(source: &str) -> Vec<String> {
    let mut joined = String::new();
    let mut goes_on = false;
    for line in source.lines() {
        // A string that goes on: without what indents the next line.
        let line = if goes_on { line.trim_start() } else { line };
        goes_on = line.ends_with('\\');
        joined.push_str(line.trim_end_matches('\\'));
        if !goes_on {
            joined.push('\n');
        }
    }
    joined.replace("\\\"", "'").split('"').map(str::to_owned).collect()
}

/// A quote may be one sentence of several.
fn sentences_of(text: &str) -> Vec<String> {
    let mut sentences: Vec<_> = text.split(". ").map(|one| format!("{one}.")).collect();
    sentences.push(text.to_owned());
    sentences
}

/// What stands as it is, between the `{}` of a format.
fn pieces(sentence: String) -> Vec<String> {
    let mut parts = sentence.split(['{', '}']);
    let first = parts.next().map(str::to_owned);
    let others = parts.skip(1).step_by(2).map(str::to_owned);
    first.into_iter().chain(others).collect()
}

fn fits(quote: &str, pieces: &[String]) -> bool {
    let [first, between @ .., last] = pieces else {
        return pieces.first().is_some_and(|piece| piece == quote);
    };
    if pieces.iter().map(String::len).sum::<usize>() < FIXED {
        return false;
    }
    let Some(mut rest) = quote.strip_prefix(first.as_str()) else { return false };
    for piece in between {
        match rest.split_once(piece.as_str()) {
            Some((_, behind)) => rest = behind,
            None => return false,
        }
    }
    rest.ends_with(last.as_str())
}

#[test]
fn a_quote_is_told_from_what_nobody_says() {
    let source = "let a = \"The {kind} {name} is not \\\n        there. Come back.\";\n";
    let said =
        Said(literals(source).iter().flat_map(|text| sentences_of(text)).map(pieces).collect());
    for good in ["The Secret a is not there.", "The {kind} {name} is not there. Come back."] {
        assert!(said.is_said(good), "{good}");
    }
    for bad in ["The Secret a is not here.", "Secret a is not there.", "Come back later.", ""] {
        assert!(!said.is_said(bad), "{bad}");
    }
}
