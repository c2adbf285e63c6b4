#![expect(clippy::print_stdout, reason = "the story is the program's output")]

use anyhow::{Context as _, Result};
use tokio::time::Instant;

use crate::patience::seconds;

/// Prints the story, a line for each step.
#[derive(Debug)]
pub(super) struct Teller {
    started: Instant,
}

/// What a step has to tell.
pub(super) struct Told {
    line: String,
    details: Vec<String>,
}

impl Teller {
    pub(super) fn begin() -> Self {
        Self { started: Instant::now() }
    }

    /// How long the story has taken so far.
    pub(super) fn so_far(&self) -> String {
        seconds(self.started.elapsed())
    }

    pub(super) fn chapter(&self, title: &str) {
        println!("\n{title}");
    }

    /// Prints a line as it is.
    pub(super) fn say(&self, line: &str) {
        println!("{line}");
    }

    /// Does a step and tells it. `expected` is what it should show, in words.
    pub(super) async fn step(
        &self,
        expected: &str,
        step: impl Future<Output = Result<Told>>,
    ) -> Result<()> {
        let started = Instant::now();
        match step.await {
            Ok(Told { line, details }) => {
                println!("  ✓ {line} ({})", seconds(started.elapsed()));
                details.iter().for_each(|detail| println!("      {detail}"));
                Ok(())
            }
            Err(error) => {
                println!("  ✗ {expected} ({})", seconds(started.elapsed()));
                Err(error).with_context(|| format!("a surprise; expected: {expected}"))
            }
        }
    }
}

impl Told {
    pub(super) fn line(line: impl Into<String>) -> Self {
        Self { line: line.into(), details: Vec::new() }
    }

    pub(super) fn with(mut self, details: impl IntoIterator<Item = String>) -> Self {
        self.details.extend(details);
        self
    }
}
