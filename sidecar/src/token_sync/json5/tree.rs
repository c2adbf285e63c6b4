//! A parsed text: the shape, and where each part stands.

use std::ops::Range;

use serde_json::Value;

/// A value and the bytes it occupies.
#[derive(Debug)]
pub(in crate::token_sync) struct Node {
    pub(super) span: Range<usize>,
    pub(super) kind: Kind,
}

#[derive(Debug)]
pub(super) enum Kind {
    Object(Object),
    Array(Vec<Node>),
    String(String),
    Number,
    Bool(bool),
    Null,
}

#[derive(Debug)]
pub(super) struct Object {
    pub(super) members: Vec<Member>,
    /// Where the last token or comment before `}` ends: the place for one more member.
    pub(super) content_end: usize,
}

#[derive(Debug)]
pub(super) struct Member {
    pub(super) key: String,
    pub(super) key_span: Range<usize>,
    pub(super) value: Node,
    /// Offset of the comma behind the value.
    pub(super) comma: Option<usize>,
}

impl Object {
    /// The member that counts: of several with one key the last, as in JavaScript.
    pub(super) fn member(&self, key: &str) -> Option<&Member> {
        self.members.iter().rev().find(|member| member.key == key)
    }
}

impl Node {
    /// The value at a path of keys, if it is there.
    pub(in crate::token_sync) fn at(&self, path: &[&str]) -> Option<&Self> {
        path.iter().try_fold(self, |node, key| Some(&node.as_object()?.member(key)?.value))
    }

    pub(in crate::token_sync) fn as_str(&self) -> Option<&str> {
        match &self.kind {
            Kind::String(text) => Some(text),
            _ => None,
        }
    }

    pub(in crate::token_sync) fn as_array(&self) -> Option<&[Self]> {
        match &self.kind {
            Kind::Array(items) => Some(items),
            _ => None,
        }
    }

    pub(super) fn as_object(&self) -> Option<&Object> {
        match &self.kind {
            Kind::Object(object) => Some(object),
            _ => None,
        }
    }

    /// Whether this node of `text` means the same as `value`. Numbers are compared as written.
    pub(in crate::token_sync) fn means(&self, text: &str, value: &Value) -> bool {
        match (&self.kind, value) {
            (Kind::String(ours), Value::String(theirs)) => ours == theirs,
            (Kind::Bool(ours), Value::Bool(theirs)) => ours == theirs,
            (Kind::Null, Value::Null) => true,
            (Kind::Number, Value::Number(number)) => {
                text.get(self.span.clone()) == Some(&number.to_string())
            }
            (Kind::Array(ours), Value::Array(theirs)) => {
                ours.len() == theirs.len()
                    && ours.iter().zip(theirs).all(|(ours, theirs)| ours.means(text, theirs))
            }
            (Kind::Object(ours), Value::Object(theirs)) => {
                ours.members.iter().all(|member| theirs.contains_key(&member.key))
                    && theirs.iter().all(|(key, theirs)| {
                        ours.member(key).is_some_and(|ours| ours.value.means(text, theirs))
                    })
            }
            _ => false,
        }
    }

    /// What this is, in words for an error.
    pub(super) fn kind_name(&self) -> &'static str {
        match self.kind {
            Kind::Object(_) => "an object",
            Kind::Array(_) => "an array",
            Kind::String(_) => "a string",
            Kind::Number => "a number",
            Kind::Bool(_) => "a boolean",
            Kind::Null => "null",
        }
    }
}
