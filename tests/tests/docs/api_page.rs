//! The reference part of `docs/api.md`, from the OpenAPI document.

use std::fmt::Write as _;

use anyhow::{Context as _, Result};
use serde_json::{Map, Value};

/// In front of the generated part; all behind it is written anew.
const FROM_HERE: &str = "<!-- From here on: make api-docs, from spawner/src/api/openapi.yaml -->\n";

/// The page with today's reference.
pub(crate) fn with_reference(page: &str, document: &Value) -> Result<String> {
    let (by_hand, _) = page.split_once(FROM_HERE).context("docs/api.md has lost its mark")?;
    let mut text = format!("{by_hand}{FROM_HERE}");
    operations(&mut text, document)?;
    text.push_str("\n## Types\n");
    for (name, schema) in entries(document, "/components/schemas") {
        write_type(&mut text, name, schema)?;
    }
    Ok(text)
}

fn operations(text: &mut String, document: &Value) -> Result<()> {
    text.push_str(
        "\n## Operations\n\n| | who | what it does | asks | answers |\n|---|---|---|---|---|\n",
    );
    let mut notes = String::new();
    for (path, methods) in entries(document, "/paths") {
        let shared = methods.get("parameters");
        let methods = methods.as_object().into_iter().flatten();
        for (method, operation) in methods.filter(|(name, _)| *name != "parameters") {
            let name = format!("`{} {path}`", method.to_uppercase());
            let parameters = list(shared).chain(list(operation.get("parameters")));
            let mut asks: Vec<_> =
                parameters.filter_map(|parameter| asked(resolved(document, parameter))).collect();
            asks.extend(body(document, operation));
            let who = who(operation);
            let summary = string(operation, "summary");
            let answers = answers(document, operation).join("; ");
            writeln!(text, "| {name} | {who} | {summary} | {} | {answers} |", asks.join("; "))?;
            if let Some(words) = operation.get("description").and_then(Value::as_str) {
                writeln!(notes, "- {name}: {words}")?;
            }
        }
    }
    writeln!(text, "\n{notes}")?;
    text.truncate(text.trim_end().len());
    text.push('\n');
    Ok(())
}

/// The document's own security is that of users.
fn who(operation: &Value) -> &'static str {
    match operation.get("security").and_then(Value::as_array) {
        None => "user",
        Some(none) if none.is_empty() => "anyone",
        Some(_) => "operator",
    }
}

/// A parameter that is not in the path, where it can be seen.
fn asked(parameter: &Value) -> Option<String> {
    if string(parameter, "in") == "path" {
        return None;
    }
    let schema = parameter.get("schema").unwrap_or(&Value::Null);
    let words = string(parameter, "description");
    let must =
        if parameter.get("required") == Some(&Value::Bool(true)) { ", required" } else { "" };
    let default = schema.get("default").map_or_else(String::new, |it| format!(", by default {it}"));
    let colon = if words.is_empty() { "" } else { ": " };
    Some(format!("`{}` ({}{must}{default}){colon}{words}", string(parameter, "name"), kind(schema)))
}

fn body(document: &Value, operation: &Value) -> Option<String> {
    let body = resolved(document, operation.get("requestBody")?);
    let schema = body.pointer("/content/application~1json/schema")?;
    let required = list(schema.get("required"));
    let required: Vec<_> = required.filter_map(Value::as_str).collect();
    let fields = schema.get("properties")?.as_object()?.iter().map(|(name, schema)| {
        let must = if required.contains(&name.as_str()) { ", required" } else { "" };
        format!("`{name}` ({}{must})", kind(schema))
    });
    Some(format!("JSON {}", fields.collect::<Vec<_>>().join(", ")))
}

fn answers(document: &Value, operation: &Value) -> Vec<String> {
    let all = operation.get("responses").and_then(Value::as_object).into_iter().flatten();
    // What every operation may answer is told once, in front.
    let all = all.filter(|(status, _)| *status != "default");
    all.map(|(status, response)| {
        let response = resolved(document, response);
        let content = response.get("content").and_then(Value::as_object);
        let first = content.and_then(|content| content.iter().next());
        let what = match first {
            Some((_, media)) if media.pointer("/schema/$ref").is_some() => {
                kind(media.get("schema").unwrap_or(&Value::Null))
            }
            Some((media, _)) if media != "application/json" => format!("`{media}`"),
            Some((_, media)) => told(string(response, "description"), media),
            None => string(response, "description").to_owned(),
        };
        format!("{status} {what}")
    })
    .collect()
}

/// An answer that is no type of its own: with its members.
fn told(words: &str, media: &Value) -> String {
    let members = media.pointer("/schema/properties").and_then(Value::as_object);
    let members = members.into_iter().flatten().map(|(name, _)| format!("`{name}`"));
    let members = members.collect::<Vec<_>>().join(", ");
    if members.is_empty() { words.to_owned() } else { format!("{words}: {members}") }
}

fn write_type(text: &mut String, name: &str, schema: &Value) -> Result<()> {
    writeln!(text, "\n### {name}\n")?;
    let Some(fields) = schema.get("properties").and_then(Value::as_object) else {
        writeln!(text, "{}", kind(schema))?;
        return Ok(());
    };
    text.push_str("| field | type | |\n|---|---|---|\n");
    write_fields(text, "", fields)
}

fn write_fields(text: &mut String, before: &str, fields: &Map<String, Value>) -> Result<()> {
    for (name, schema) in fields {
        let words = string(schema, "description");
        writeln!(text, "| `{before}{name}` | {} | {words} |", kind(schema))?;
        if let Some(fields) = schema.get("properties").and_then(Value::as_object) {
            write_fields(text, &format!("{before}{name}."), fields)?;
        }
    }
    Ok(())
}

/// A schema in words.
fn kind(schema: &Value) -> String {
    if let Some(name) = schema.get("$ref").and_then(Value::as_str) {
        let name = name.rsplit('/').next().unwrap_or_default();
        return format!("[{name}](#{})", name.to_lowercase());
    }
    if let Some(values) = schema.get("enum") {
        let values = list(Some(values)).map(|value| match value.as_str() {
            Some(text) => format!("`{text}`"),
            None => value.to_string(),
        });
        return values.collect::<Vec<_>>().join(", ");
    }
    if let Some(either) = schema.get("oneOf") {
        return list(Some(either)).map(kind).collect::<Vec<_>>().join(" or ");
    }
    let types = match schema.get("type") {
        Some(Value::Array(types)) => types.iter().filter_map(Value::as_str).collect::<Vec<_>>(),
        Some(Value::String(one)) => vec![one.as_str()],
        _ => Vec::new(),
    };
    let form = match schema.get("format").or_else(|| schema.get("pattern")).and_then(Value::as_str)
    {
        Some("date-time") => " (RFC 3339)".to_owned(),
        Some(form) => format!(" (`{form}`)"),
        None => String::new(),
    };
    let bound = |key| schema.get(key).map(Value::to_string);
    let range = match (bound("minimum"), bound("maximum"), bound("maxLength")) {
        (Some(least), Some(most), _) => format!(", {least} to {most}"),
        (Some(least), None, _) => format!(", at least {least}"),
        (None, _, Some(most)) => format!(", at most {most} characters"),
        _ => String::new(),
    };
    format!("{}{form}{range}", types.join(" or "))
}

/// What a `$ref` stands for.
fn resolved<'d>(document: &'d Value, value: &'d Value) -> &'d Value {
    let pointer = value.get("$ref").and_then(Value::as_str).and_then(|text| text.strip_prefix('#'));
    pointer.and_then(|pointer| document.pointer(pointer)).unwrap_or(value)
}

fn entries<'d>(document: &'d Value, at: &str) -> impl Iterator<Item = (&'d String, &'d Value)> {
    document.pointer(at).and_then(Value::as_object).into_iter().flatten()
}

fn list(value: Option<&Value>) -> impl Iterator<Item = &Value> {
    value.and_then(Value::as_array).into_iter().flatten()
}

fn string<'v>(value: &'v Value, key: &str) -> &'v str {
    value.get(key).and_then(Value::as_str).unwrap_or_default()
}
