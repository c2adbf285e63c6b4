//! Building operations: paths are tokens, never text, so nothing is left to escape by hand.

use json_patch::{
    AddOperation, PatchOperation, RemoveOperation, ReplaceOperation, TestOperation,
    jsonptr::PointerBuf,
};
use serde_json::Value;

/// Operations so far.
#[derive(Debug, Default)]
pub(super) struct Operations(Vec<PatchOperation>);

/// The member at the end of these keys.
pub(super) fn path(keys: &[&str]) -> PointerBuf {
    PointerBuf::from_tokens(keys.iter().copied())
}

/// The element at `index` of the list at the end of these keys.
pub(super) fn element(list: &[&str], index: usize) -> PointerBuf {
    path(list).with_trailing_token(index)
}

impl Operations {
    pub(super) fn into_vec(self) -> Vec<PatchOperation> {
        self.0
    }

    /// Adds a member or an element. A member that is there, `null` for instance, is replaced.
    pub(super) fn add(&mut self, path: PointerBuf, value: Value) {
        self.0.push(PatchOperation::Add(AddOperation { path, value }));
    }

    pub(super) fn replace(&mut self, path: PointerBuf, value: Value) {
        self.0.push(PatchOperation::Replace(ReplaceOperation { path, value }));
    }

    pub(super) fn remove(&mut self, path: PointerBuf) {
        self.0.push(PatchOperation::Remove(RemoveOperation { path }));
    }

    /// Fails the patch unless the element at `index` of the list at `list` has the name it has now.
    pub(super) fn test_name(&mut self, pod: &Value, list: &[&str], index: usize) {
        let name = elements(pod, list).and_then(|list| list.get(index)).map(name);
        let value = Value::from(name.unwrap_or_default());
        let path = element(list, index).with_trailing_token("name");
        self.0.push(PatchOperation::Test(TestOperation { path, value }));
    }

    /// Puts `values` behind the elements of the list at `list`, which is made when it is missing.
    pub(super) fn append(&mut self, pod: &Value, list: &[&str], values: Vec<Value>) {
        if values.is_empty() {
            return;
        }
        if elements(pod, list).is_some() {
            for value in values {
                self.add(path(list).with_trailing_token("-"), value);
            }
        } else {
            self.add(path(list), values.into());
        }
    }
}

/// The elements of the list at `path`; `None` when it is absent or null.
pub(super) fn elements<'v>(value: &'v Value, path: &[&str]) -> Option<&'v Vec<Value>> {
    path.iter().try_fold(value, |value, key| value.get(key))?.as_array()
}

/// The name of a list's element.
pub(crate) fn name(element: &Value) -> &str {
    element.get("name").and_then(Value::as_str).unwrap_or_default()
}
