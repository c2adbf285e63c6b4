//! One more member for an object, written as its neighbours are.

use serde_json::Value;

use super::{
    edit::Splice,
    tree::{Node, Object},
};

/// Adds a member at the end of `parent`, behind every comment that stands there: a comment belongs
/// to what is beside or below it, and must not come to stand beside ours. `path` is the new key and,
/// where parents are missing too, the keys below it.
///
/// `parent` is a node of `text` under `root`. Anything but an object gets no member.
pub(super) fn member(
    text: &str,
    root: &Node,
    parent: &Node,
    path: &[&str],
    value: &Value,
) -> Vec<Splice> {
    let Some(object) = parent.as_object() else {
        return Vec::new();
    };
    let quote = Quote::of(text, object).or_else(|| Quote::of(text, root.as_object()?));
    let quote = quote.unwrap_or(Quote::Double);
    let Some((key, below)) = path.split_first() else {
        return Vec::new();
    };
    let nested = below
        .iter()
        .rev()
        .fold(value.to_string(), |inner, key| format!("{{{}: {inner}}}", quote.around(key)));
    let separator = match Layout::of(text, parent, object) {
        Layout::Lines { indent } => format!("{}{indent}", line_end(text)),
        Layout::Inline if object.content_end == parent.span.start + 1 => String::new(),
        Layout::Inline => " ".to_owned(),
    };
    let last = object.members.last();
    let comma_missing = last.filter(|last| last.comma.is_none()).map(|last| last.value.span.end);
    let trailing = if last.is_some_and(|last| last.comma.is_some()) { "," } else { "" };
    let member = format!("{separator}{}: {nested}{trailing}", quote.around(key));
    let comma = comma_missing.map(|at| Splice::insert(at, ","));
    comma.into_iter().chain([Splice::insert(object.content_end, member)]).collect()
}

/// How an object's members are laid out.
enum Layout {
    /// On lines of their own.
    Lines { indent: String },
    /// On one line.
    Inline,
}

impl Layout {
    fn of(text: &str, node: &Node, object: &Object) -> Self {
        if let Some(last) = object.members.last() {
            let before = line_before(text, last.key_span.start);
            if before.trim().is_empty() {
                return Self::Lines { indent: before.to_owned() };
            }
        }
        // Also where the last comment is one that only a line end can close.
        let closing = text.get(object.content_end..node.span.end).unwrap_or_default();
        if !closing.contains(['\n', '\r', '\u{2028}', '\u{2029}']) {
            return Self::Inline;
        }
        let line = line_before(text, node.span.start);
        let own = line.get(..line.len() - line.trim_start().len()).unwrap_or_default();
        let deeper = if own.contains('\t') { "\t" } else { "  " };
        Self::Lines { indent: format!("{own}{deeper}") }
    }
}

/// The line of an offset, up to it.
pub(super) fn line_before(text: &str, offset: usize) -> &str {
    let before = text.get(..offset).unwrap_or_default();
    before.rsplit(['\n', '\r']).next().unwrap_or_default()
}

/// The line end that this file uses.
pub(super) fn line_end(text: &str) -> &'static str {
    match text.find('\n').and_then(|at| text.get(..at)) {
        Some(line) if line.ends_with('\r') => "\r\n",
        _ => "\n",
    }
}

/// How an object's keys are written.
#[derive(Clone, Copy)]
enum Quote {
    Double,
    Single,
    Bare,
}

impl Quote {
    /// The style of the last key, if there is one.
    fn of(text: &str, object: &Object) -> Option<Self> {
        let start = object.members.last()?.key_span.start;
        Some(match text.get(start..).and_then(|key| key.chars().next()) {
            Some('"') => Self::Double,
            Some('\'') => Self::Single,
            _ => Self::Bare,
        })
    }

    fn around(self, key: &str) -> String {
        let plain = key.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
            && key.starts_with(|first: char| !first.is_ascii_digit());
        match self {
            Self::Bare if plain => key.to_owned(),
            Self::Single if plain => format!("'{key}'"),
            _ => Value::from(key).to_string(),
        }
    }
}
