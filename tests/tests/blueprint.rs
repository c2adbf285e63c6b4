//! `chart/blueprint.yaml` says of the chart what is true of it.

use std::path::Path;

use anyhow::{Context as _, Result};
use serde_json::Value;

const NOTHING: Value = Value::Null;

fn read(file: &str) -> Result<Value> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../chart").join(file);
    Ok(serde_norway::from_str(&std::fs::read_to_string(path)?)?)
}

fn asked_for() -> Result<Value> {
    let blueprint = read("blueprint.yaml")?;
    blueprint.pointer("/spec/configSchema").cloned().context("it asks for nothing")
}

fn of<'a>(value: &'a Value, key: &str) -> &'a Value {
    value.get(key).unwrap_or(&NOTHING)
}

#[test]
fn it_names_the_charts_version() -> Result<()> {
    let said = read("blueprint.yaml")?.pointer("/spec/version").cloned();
    assert_eq!(said.as_ref(), read("Chart.yaml")?.get("version"));
    Ok(())
}

/// The version stands in the workspace's Cargo.toml; the chart cannot read it there.
#[test]
fn the_chart_has_the_programs_version() -> Result<()> {
    let chart = read("Chart.yaml")?;
    for key in ["version", "appVersion"] {
        assert_eq!(of(&chart, key), env!("CARGO_PKG_VERSION"), "{key} of chart/Chart.yaml");
    }
    Ok(())
}

/// What it asks for exists in the chart, with the type and the default that it says.
#[test]
fn what_it_asks_for_are_values_of_the_chart() -> Result<()> {
    let (schema, values) = (read("values.schema.json")?, read("values.yaml")?);
    let mut wrong = Vec::new();
    compare("", &asked_for()?, (&schema, &schema), &values, &mut wrong);
    assert!(wrong.is_empty(), "{wrong:#?}");
    Ok(())
}

fn compare(
    name: &str,
    asked: &Value,
    (known, schema): (&Value, &Value),
    value: &Value,
    wrong: &mut Vec<String>,
) {
    let known = match of(known, "$ref").as_str() {
        Some(reference) => schema.pointer(reference.trim_start_matches('#')).unwrap_or(&NOTHING),
        None => known,
    };
    let (wanted, found) = (of(asked, "type"), of(known, "type"));
    if known.is_null() || value.is_null() {
        wrong.push(format!("{name} is no value"));
    } else if wanted != found {
        wrong.push(format!("{name} is a {found}, not a {wanted}"));
    } else if asked.get("default").is_some_and(|default| default != value) {
        wrong.push(format!("{name} is {value} by default"));
    }
    for (key, asked) in of(asked, "properties").as_object().into_iter().flatten() {
        let known = of(of(known, "properties"), key);
        compare(&format!("{name}.{key}"), asked, (known, schema), of(value, key), wrong);
    }
}

/// A value without which the chart cannot serve anybody has to be asked for.
#[test]
fn it_requires_whatever_has_a_placeholder() -> Result<()> {
    let asked = asked_for()?;
    let required = |schema: &Value, name: &str| {
        of(schema, "required").as_array().is_some_and(|all| all.iter().any(|one| one == name))
    };
    let mut missing = Vec::new();
    for (group, values) in read("values.yaml")?.as_object().context("no values")? {
        for (key, value) in values.as_object().into_iter().flatten() {
            let placeholder = value.as_str().is_some_and(|text| text.contains("placeholder"));
            let inner = of(of(&asked, "properties"), group);
            if placeholder && !(required(&asked, group) && required(inner, key)) {
                missing.push(format!("{group}.{key}"));
            }
        }
    }
    assert!(missing.is_empty(), "{missing:?}");
    Ok(())
}
