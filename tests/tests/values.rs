//! The chart's values by trying each of them: a key that does not exist is refused in every map, and
//! a value of another type at every key.

use std::{collections::BTreeMap, process::Command};

use anyhow::{Context as _, Result, bail};
use serde_json::{Value, json};
use tests::chart::{RELEASE, documents, folder, tool};

/// Maps with keys of the operator's own, by the end of their path.
const FREE: [&str; 12] = [
    "Labels",
    "labels",
    "annotations",
    "Annotations",
    "nodeSelector",
    "webhook.resources.requests",
    "webhook.resources.limits",
    "spawner.resources.requests",
    "spawner.resources.limits",
    "runtime.resources.requests",
    "runtime.resources.limits",
    "runtime.config",
];

#[test]
fn a_key_that_does_not_exist_is_refused_everywhere() -> Result<()> {
    let mut wrong = Vec::new();
    for (path, _) in every_key()?.iter().filter(|(_, value)| value.is_object()) {
        let free = FREE.iter().any(|end| path.ends_with(end));
        // A quantity as well as any text.
        let refused = refused(path, "noSuchKey", &json!("1"))?;
        if refused == free {
            wrong.push(format!("{path}: {}", if free { "refused" } else { "let through" }));
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
    Ok(())
}

#[test]
fn a_value_of_another_type_is_refused_everywhere() -> Result<()> {
    let mut wrong = Vec::new();
    for (path, value) in every_key()? {
        let other =
            if value.is_object() || value.is_array() { json!("x") } else { json!({"x": 1}) };
        let (parent, key) = path.rsplit_once('.').unwrap_or(("", &path));
        if !refused(parent, key, &other)? {
            wrong.push(path);
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
    Ok(())
}

#[test]
fn every_key_of_the_schema_stands_in_the_values() -> Result<()> {
    let schema = std::fs::read_to_string(folder().join("values.schema.json"))?;
    let schema: Value = serde_json::from_str(&schema)?;
    let there: BTreeMap<String, Value> = every_key()?.into_iter().collect();
    let mut missing = Vec::new();
    let mut left = vec![(String::new(), &schema)];
    while let Some((path, object)) = left.pop() {
        let properties = object.get("properties").and_then(Value::as_object);
        for (key, of) in properties.into_iter().flatten() {
            let path = if path.is_empty() { key.clone() } else { format!("{path}.{key}") };
            match there.get(&path) {
                // Said in words beside an empty map.
                Some(default) if *default == json!({}) => {}
                Some(_) => left.push((path, of)),
                None if key == "global" => {}
                None => missing.push(path),
            }
        }
    }
    assert!(missing.is_empty(), "{missing:#?}");
    Ok(())
}

/// All keys of values.yaml with their defaults, maps and what is in them.
fn every_key() -> Result<Vec<(String, Value)>> {
    let values = std::fs::read_to_string(folder().join("values.yaml"))?;
    let values = documents(&values)?.pop().context("no values")?;
    let mut keys = Vec::new();
    let mut left = vec![(String::new(), values)];
    while let Some((path, value)) = left.pop() {
        for (key, value) in value.as_object().into_iter().flatten() {
            let path = if path.is_empty() { key.clone() } else { format!("{path}.{key}") };
            keys.push((path.clone(), value.clone()));
            left.push((path, value.clone()));
        }
    }
    Ok(keys)
}

/// Whether the schema refuses `value` at `key` of the map at `path`, in words that name it.
fn refused(path: &str, key: &str, value: &Value) -> Result<bool> {
    let mut whole = json!({key: value});
    for part in path.split('.').rev().filter(|part| !part.is_empty()) {
        whole = json!({part: whole});
    }
    let chart = folder();
    let file = tempfile::NamedTempFile::new()?;
    std::fs::write(file.path(), whole.to_string())?;
    let mut helm = Command::new(tool("HELM", "helm"));
    helm.args(["template", RELEASE]).arg(&chart).args(["--namespace", RELEASE]);
    helm.arg("--values").arg(chart.join("tests/values/real.yaml"));
    helm.arg("--values").arg(file.path()).args(["--show-only", "templates/assert.yaml"]);
    let said = helm.output().context("cannot start helm")?;
    let words = String::from_utf8_lossy(&said.stderr);
    // An assert.yaml that has nothing to refuse makes nothing to show.
    if said.status.success() || words.contains("could not find template") {
        return Ok(false);
    }
    if !words.contains("don't meet the specifications") || !words.contains(key) {
        bail!("{path}.{key}: {words}");
    }
    Ok(true)
}
