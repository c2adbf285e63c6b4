//! Adds items to a list, and leaves those that are there as they are written.

use serde_json::Value;

use super::{SyntaxError, edit, edit::Splice, insert, parse};

/// Puts `items` before the first item of the list at `path`. There a comment that belongs to what is
/// there already keeps its place. What is no list gets nothing.
pub(in crate::token_sync) fn prepend(
    text: &str,
    path: &[&str],
    items: &[&str],
) -> Result<String, SyntaxError> {
    let root = parse(text)?;
    let Some((node, present)) = root.at(path).and_then(|node| Some((node, node.as_array()?)))
    else {
        return Ok(text.to_owned());
    };
    let written = items.iter().map(|item| Value::from(*item).to_string());
    let splice = match present.first() {
        None => Splice::insert(node.span.start + 1, written.collect::<Vec<_>>().join(", ")),
        Some(first) => {
            let before = insert::line_before(text, first.span.start);
            let separator = if before.trim().is_empty() {
                format!(",{}{before}", insert::line_end(text))
            } else {
                ", ".to_owned()
            };
            let written: String = written.map(|item| item + &separator).collect();
            Splice::insert(first.span.start, written)
        }
    };
    Ok(edit::apply(text, vec![splice]))
}

#[cfg(test)]
mod tests {
    use super::prepend;

    #[test]
    fn what_is_there_stays_as_it_is_written() {
        for (before, after) in [
            ("{a:[]}", r#"{a:["x", "y"]}"#),
            ("{a:[ // none\n]}", "{a:[\"x\", \"y\" // none\n]}"),
            ("{a:['z', /* last */]}", r#"{a:["x", "y", 'z', /* last */]}"#),
            (
                "{\n  a: [\n    // mine\n    'z', // too\n  ],\n}",
                "{\n  a: [\n    // mine\n    \"x\",\n    \"y\",\n    'z', // too\n  ],\n}",
            ),
            ("{a:[\r\n\t'z']}", "{a:[\r\n\t\"x\",\r\n\t\"y\",\r\n\t'z']}"),
            ("{a:[['z']]}", r#"{a:["x", "y", ['z']]}"#),
        ] {
            let text = prepend(before, &["a"], &["x", "y"]).unwrap();
            assert_eq!(text, after);
            super::parse(&text).unwrap();
        }
    }

    #[test]
    fn what_is_no_list_gets_nothing() {
        for text in ["{}", "{a:{}}", "{a:'x'}", "[]"] {
            assert_eq!(prepend(text, &["a"], &["x"]).unwrap(), text);
        }
    }
}
