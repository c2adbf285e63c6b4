//! The chart, rendered by the real helm and not installed.

use std::{
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context as _, Result, ensure};
use serde_json::Value;

/// The release's name and its namespace.
pub const RELEASE: &str = "bp-openclaw";

/// The one object that a template makes, with an overlay's real values and these settings
/// (`key=value`, as helm's `--set` takes them).
///
/// # Errors
/// helm fails, or the template makes nothing.
pub fn object(template: &str, settings: &[&str]) -> Result<Value> {
    let objects = render(&[&["--show-only", template], &set(settings)[..]].concat())?;
    objects.into_iter().next_back().with_context(|| format!("nothing in {template}"))
}

/// All objects, likewise.
///
/// # Errors
/// helm fails.
pub fn objects(settings: &[&str]) -> Result<Vec<Value>> {
    render(&set(settings))
}

fn set<'s>(settings: &[&'s str]) -> Vec<&'s str> {
    settings.iter().flat_map(|setting| ["--set", setting]).collect()
}

fn render(arguments: &[&str]) -> Result<Vec<Value>> {
    let chart = folder();
    let mut helm = Command::new(tool("HELM", "helm"));
    helm.args(["template", RELEASE]).arg(&chart).args(["--namespace", RELEASE]);
    helm.arg("--values").arg(chart.join("tests/values/real.yaml")).args(arguments);
    documents(&run(&mut helm)?)
}

/// Where the chart is.
#[must_use]
pub fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../chart")
}

/// The documents of a YAML text that hold anything.
///
/// # Errors
/// It is no YAML.
pub fn documents(text: &str) -> Result<Vec<Value>> {
    let documents = serde_norway::Deserializer::from_str(text);
    let documents: Vec<Value> =
        documents.map(serde::Deserialize::deserialize).collect::<Result<_, _>>()?;
    Ok(documents.into_iter().filter(|document| !document.is_null()).collect())
}

/// A program that the Makefile names in a variable, else the one in PATH.
#[must_use]
pub fn tool(variable: &str, name: &str) -> PathBuf {
    std::env::var_os(variable).map_or_else(|| name.into(), PathBuf::from)
}

/// What a program prints.
///
/// # Errors
/// It cannot be started, or fails: with what it says about it.
pub fn run(command: &mut Command) -> Result<String> {
    let output = command.output().with_context(|| format!("cannot start {command:?}"))?;
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    let complaint = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "{command:?}: {said}{complaint}");
    Ok(said)
}
