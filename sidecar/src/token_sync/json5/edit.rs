//! Changes one value in a text, and nothing else.

use std::ops::Range;

use serde_json::Value;

use super::{
    Position, SyntaxError, insert, parse,
    tree::{Member, Node},
};

/// Why a value could not be set.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(in crate::token_sync) enum EditError {
    /// Nothing can be found in a text that cannot be read.
    #[error(transparent)]
    Syntax(#[from] SyntaxError),
    /// The path leads through something that has no keys.
    #[error("{position}: {what} is {found}, expected an object", what = named(path))]
    NotAnObject { path: String, found: &'static str, position: Position },
}

fn named(path: &str) -> String {
    if path.is_empty() { "the whole file".to_owned() } else { format!("`{path}`") }
}

/// Replaces a stretch of the text.
pub(super) struct Splice {
    pub(super) range: Range<usize>,
    pub(super) with: String,
}

impl Splice {
    pub(super) fn insert(at: usize, with: impl Into<String>) -> Self {
        Self { range: at..at, with: with.into() }
    }

    fn delete(range: Range<usize>) -> Self {
        Self { range, with: String::new() }
    }
}

/// Makes the value at `path` mean `value`. An equal value is left as it is written; missing parents
/// are made; of several members with one key the last is changed, because that one counts.
pub(in crate::token_sync) fn set(
    text: &str,
    path: &[&str],
    value: &Value,
) -> Result<String, EditError> {
    let root = parse(text)?;
    let mut node = &root;
    for (depth, key) in path.iter().enumerate() {
        let (above, below) = path.split_at(depth);
        let object = node.as_object().ok_or_else(|| EditError::NotAnObject {
            path: above.join("."),
            found: node.kind_name(),
            position: Position::of(text, node.span.start),
        })?;
        match object.member(key) {
            Some(member) => node = &member.value,
            None => return Ok(apply(text, insert::member(text, &root, node, below, value))),
        }
    }
    if node.means(text, value) {
        return Ok(text.to_owned());
    }
    Ok(apply(text, vec![Splice { range: node.span.clone(), with: value.to_string() }]))
}

/// Takes the member at `path` out, each of them where its key stands twice: otherwise the hidden
/// one would begin to count. What is not there needs no removal.
pub(in crate::token_sync) fn remove(text: &str, path: &[&str]) -> Result<String, SyntaxError> {
    let root = parse(text)?;
    let Some((key, parents)) = path.split_last() else {
        return Ok(text.to_owned());
    };
    let Some(object) = root.at(parents).and_then(Node::as_object) else {
        return Ok(text.to_owned());
    };
    let (doomed, kept): (Vec<_>, Vec<_>) =
        object.members.iter().partition(|member| member.key == *key);
    let mut splices: Vec<_> = doomed.iter().flat_map(|member| removal(text, member)).collect();
    // Without a trailing comma before, there is none after.
    let last_goes =
        object.members.last().is_some_and(|last| last.key == *key && last.comma.is_none());
    if let Some(comma) = kept.last().and_then(|member| member.comma).filter(|_| last_goes) {
        splices.push(Splice::delete(comma..comma + 1));
    }
    Ok(apply(text, splices))
}

/// A member with its comma, and its whole line where nothing else stands there. A comment between
/// value and comma, or behind the comma, stays.
fn removal(text: &str, member: &Member) -> Vec<Splice> {
    let (start, value_end) = (member.key_span.start, member.value.span.end);
    let between = |comma: usize| text.get(value_end..comma).unwrap_or_default();
    let adjacent = member.comma.filter(|comma| between(*comma).trim().is_empty());
    let distant = member.comma.filter(|_| adjacent.is_none());
    let end = adjacent.map_or(value_end, |comma| comma + 1);

    let before = text.get(..start).unwrap_or_default().trim_end_matches([' ', '\t']);
    let after = text.get(end..).unwrap_or_default().trim_start_matches([' ', '\t']);
    let line_end = ["\r\n", "\n", "\r"].into_iter().find(|line_end| before.ends_with(line_end));
    let range = match line_end {
        Some(line_end) if after.starts_with(['\r', '\n']) => {
            before.len() - line_end.len()..text.len() - after.len()
        }
        // The last one has its space before it, any other behind its comma.
        _ if member.comma.is_none() => before.len()..value_end,
        _ => start..text.len() - after.len(),
    };
    let comma = distant.map(|comma| Splice::delete(comma..comma + 1));
    std::iter::once(Splice::delete(range)).chain(comma).collect()
}

/// Splices must not overlap; those at one place keep their order.
pub(super) fn apply(text: &str, mut splices: Vec<Splice>) -> String {
    splices.sort_by_key(|splice| splice.range.start);
    let mut edited = String::with_capacity(text.len() + 256);
    let mut done = 0;
    for Splice { range, with } in splices {
        edited.push_str(text.get(done..range.start).unwrap_or_default());
        edited.push_str(&with);
        done = range.end;
    }
    edited.push_str(text.get(done..).unwrap_or_default());
    edited
}
