//! YAML out, for people and for `kubectl apply`.
//!
//! kubectl reads YAML 1.1, where a plain `yes`, `0o17` or `1:30` is no string. So a string is written
//! plain only when no version could read it as anything else, and everything else is quoted.

use std::fmt::Write;

use serde_json::Value;

/// `document` as one YAML document, without a separator.
#[must_use]
pub fn to_string(document: &Value) -> String {
    let mut out = String::new();
    write_value(&mut out, document, 0, Position::Document);
    out
}

/// Where a value stands, which decides how it begins.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Position {
    Document,
    /// Behind `key:`.
    Member,
    /// Behind `- `.
    Element,
}

fn write_value(out: &mut String, value: &Value, indent: usize, position: Position) {
    match value {
        Value::Object(map) if !map.is_empty() => {
            let mut first = position != Position::Member;
            if position == Position::Member {
                out.push('\n');
            }
            for (key, value) in map {
                if !(first && position == Position::Element) {
                    pad(out, indent);
                }
                first = false;
                write_string(out, key, indent, false);
                out.push(':');
                // A list may stand at its key's own indentation, as kubectl writes it.
                let deeper = if value.is_array() { indent } else { indent + 2 };
                write_value(out, value, deeper, Position::Member);
            }
        }
        Value::Array(list) if !list.is_empty() => write_list(out, list, indent, position),
        scalar => {
            if position == Position::Member {
                out.push(' ');
            }
            write_scalar(out, scalar, indent);
            out.push('\n');
        }
    }
}

fn write_list(out: &mut String, list: &[Value], indent: usize, position: Position) {
    if position == Position::Member {
        out.push('\n');
    }
    for (index, value) in list.iter().enumerate() {
        if !(index == 0 && position == Position::Element) {
            pad(out, indent);
        }
        out.push_str("- ");
        write_value(out, value, indent + 2, Position::Element);
    }
}

fn write_scalar(out: &mut String, value: &Value, indent: usize) {
    match value {
        Value::String(text) => write_string(out, text, indent, true),
        other => push(out, format_args!("{other}")),
    }
}

fn write_string(out: &mut String, text: &str, indent: usize, may_be_block: bool) {
    if is_plain(text) {
        out.push_str(text);
    } else if may_be_block && is_block(text) {
        // `+` keeps all final line breaks, `-` none; without either there is exactly one.
        out.push_str(match text.strip_suffix('\n') {
            None => "|-",
            Some(rest) if rest.ends_with('\n') => "|+",
            Some(_) => "|",
        });
        for line in text.strip_suffix('\n').unwrap_or(text).split('\n') {
            out.push('\n');
            if !line.is_empty() {
                pad(out, indent.max(2));
                out.push_str(line);
            }
        }
    } else {
        write_quoted(out, text);
    }
}

/// A double-quoted string, with escapes that YAML and JSON share.
fn write_quoted(out: &mut String, text: &str) {
    out.push('"');
    for c in text.chars() {
        match c {
            '"' | '\\' => {
                out.push('\\');
                out.push(c);
            }
            '\n' => out.push_str("\\n"),
            '\t' => out.push_str("\\t"),
            c if is_printable(c) => out.push(c),
            c => push(out, format_args!("\\u{:04x}", u32::from(c))),
        }
    }
    out.push('"');
}

/// Whether YAML takes the character as it is, everywhere. The others are below U+10000.
fn is_printable(c: char) -> bool {
    let odd = ['\u{2028}', '\u{2029}', '\u{feff}', '\u{fffe}', '\u{ffff}'];
    !c.is_control() && !odd.contains(&c)
}

/// Whether every reader takes `text` for a string and for itself.
fn is_plain(text: &str) -> bool {
    let starts = text.starts_with(|c: char| c.is_ascii_alphabetic() || c == '/');
    let safe =
        |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.' | '/' | '=' | '@' | '+');
    // `a:b` is plain in every version; `a: b`, `a:` and `1:30` are not.
    let colons = text.split(':').skip(1).all(|rest| rest.starts_with(|c: char| safe(c)));
    starts && colons && text.chars().all(|c| safe(c) || c == ':') && !is_word_of_yaml(text)
}

/// Booleans, nulls and numbers that begin with a letter, of YAML 1.1 and 1.2.
fn is_word_of_yaml(text: &str) -> bool {
    const WORDS: [&str; 10] = ["y", "n", "yes", "no", "on", "off", "true", "false", "null", "nan"];
    WORDS.iter().any(|word| text.eq_ignore_ascii_case(word))
}

/// Whether `text` reads well as a literal block, and comes back unchanged.
fn is_block(text: &str) -> bool {
    let first = text.chars().next();
    text.trim_end_matches('\n').contains('\n')
        && first.is_some_and(|c| !c.is_whitespace())
        && text.chars().all(|c| c == '\n' || c == '\t' || is_printable(c))
        && text.lines().all(|line| !line.ends_with([' ', '\t']) && !line.starts_with('\t'))
}

fn pad(out: &mut String, indent: usize) {
    push(out, format_args!("{:indent$}", ""));
}

fn push(out: &mut String, text: std::fmt::Arguments<'_>) {
    // Writing to a String cannot fail.
    let _ = out.write_fmt(text);
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    fn read(text: &str) -> Value {
        serde_norway::from_str(text).unwrap_or_else(|error| panic!("{error}\n{text}"))
    }

    #[test]
    fn it_reads_as_kubectl_writes() {
        let pod = json!({
            "kind": "Pod",
            "metadata": {"name": "a", "labels": {}},
            "spec": {"containers": [{"name": "runtime", "args": ["a b", "--x=1"], "tty": null}]},
            "data": {"file": "one\n  two\n\nthree\n"},
        });
        let expected = r#"kind: Pod
metadata:
  name: a
  labels: {}
spec:
  containers:
  - name: runtime
    args:
    - "a b"
    - "--x=1"
    tty: null
data:
  file: |
    one
      two

    three
"#;
        assert_eq!(to_string(&pod), expected);
        assert_eq!(read(expected), pod);
    }

    #[test]
    fn what_yaml_1_1_takes_for_something_else_is_quoted() {
        for text in [
            "",
            "y",
            "No",
            "ON",
            "off",
            "~",
            "null",
            "NULL",
            "0o17",
            "017",
            "1:30",
            "1_000",
            "1e3",
            ".inf",
            ".NaN",
            "0x1F",
            "-",
            "- a",
            "a: b",
            "a #b",
            "#a",
            "!a",
            "&a",
            "*a",
            "%a",
            "@a",
            "`a",
            "2001-01-01",
            "=",
            "<<",
            "a:",
            "?",
            "[a",
            "{a",
            " a",
            "a ",
            "\u{7f}",
            "|",
            ">",
        ] {
            let written = to_string(&Value::from(text));
            assert!(written.starts_with('"'), "{text:?} was written as {written}");
            assert_eq!(read(&written), Value::from(text));
        }
        assert_eq!(
            to_string(&json!("registry:5000/a/b:1.2-rc.1@sha256:abc")).trim(),
            "registry:5000/a/b:1.2-rc.1@sha256:abc"
        );
    }

    fn json() -> impl Strategy<Value = Value> {
        let text = prop_oneof![
            "[ -~\u{e9}\n\t]{0,12}",
            "[a-z]{1,3}(\n[ a-z:#-]{0,5}){0,4}\n{0,3}",
            any::<String>(),
        ];
        let scalar = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::from),
            any::<i64>().prop_map(Value::from),
            text.prop_map(Value::from),
        ];
        scalar.prop_recursive(4, 40, 5, |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..5).prop_map(Value::from),
                prop::collection::vec(("[ -~]{0,6}", inner), 0..5)
                    .prop_map(|members| Value::Object(members.into_iter().collect())),
            ]
        })
    }

    proptest! {
        #[test]
        fn what_is_written_reads_back(value in json()) {
            let written = to_string(&value);
            let read: Value = serde_norway::from_str(&written)
                .map_err(|error| TestCaseError::fail(format!("{error}\n{written}")))?;
            prop_assert_eq!(read, value, "{}", written);
        }
    }
}
