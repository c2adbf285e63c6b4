//! `chart/blueprint.yaml` says of the chart what is true of it.

use std::path::Path;

use serde_json::Value;

fn read(file: &str) -> Value {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../chart").join(file);
    serde_norway::from_str(&std::fs::read_to_string(path).unwrap()).unwrap()
}

#[test]
fn it_names_the_charts_version() {
    assert_eq!(read("blueprint.yaml")["spec"]["version"], read("Chart.yaml")["version"]);
}

/// What it asks for exists in the chart, with the type and the default that it says.
#[test]
fn what_it_asks_for_are_values_of_the_chart() {
    let (schema, values) = (read("values.schema.json"), read("values.yaml"));
    let asked = &read("blueprint.yaml")["spec"]["configSchema"];
    let mut wrong = Vec::new();
    compare("", asked, &schema, &schema, &values, &mut wrong);
    assert!(wrong.is_empty(), "{wrong:#?}");
}

fn compare(
    name: &str,
    asked: &Value,
    known: &Value,
    schema: &Value,
    value: &Value,
    wrong: &mut Vec<String>,
) {
    let known = match known["$ref"].as_str() {
        Some(reference) => schema.pointer(reference.trim_start_matches('#')).unwrap(),
        None => known,
    };
    if known.is_null() || value.is_null() {
        wrong.push(format!("{name} is no value"));
    } else if asked["type"] != known["type"] {
        wrong.push(format!("{name} is a {}, not a {}", known["type"], asked["type"]));
    } else if asked.get("default").is_some_and(|default| default != value) {
        wrong.push(format!("{name} is {value} by default, not {}", asked["default"]));
    }
    let properties = asked["properties"].as_object().into_iter().flatten();
    for (key, asked) in properties {
        let known = &known["properties"][key.as_str()];
        compare(&format!("{name}.{key}"), asked, known, schema, &value[key.as_str()], wrong);
    }
}

/// A value without which the chart cannot serve anybody has to be asked for.
#[test]
fn it_requires_whatever_has_a_placeholder() {
    let asked = &read("blueprint.yaml")["spec"]["configSchema"];
    let mut missing = Vec::new();
    for (group, values) in read("values.yaml").as_object().unwrap() {
        for (key, value) in values.as_object().into_iter().flatten() {
            let placeholder = value.as_str().is_some_and(|text| text.contains("placeholder"));
            let required = |schema: &Value, name: &str| {
                schema["required"].as_array().is_some_and(|all| all.iter().any(|one| one == name))
            };
            let inner = &asked["properties"][group.as_str()];
            if placeholder && !(required(asked, group) && required(inner, key)) {
                missing.push(format!("{group}.{key}"));
            }
        }
    }
    assert!(missing.is_empty(), "{missing:?}");
}
