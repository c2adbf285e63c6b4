//! The annotations that the webhook writes.

use contract::annotation;
use serde_json::{Map, Value};

use super::operations::{Operations, path};
use crate::{annotations::ORIGINAL, original::Original};

const LIST: [&str; 2] = ["metadata", "annotations"];

pub(super) fn patch(pod: &Value, injected: &str, original: &Original, operations: &mut Operations) {
    let actual = pod.pointer("/metadata/annotations").and_then(Value::as_object);
    let desired =
        [(annotation::INJECTED, Some(injected.to_owned())), (ORIGINAL, original.to_annotation())];
    let Some(actual) = actual else {
        let all =
            desired.into_iter().filter_map(|(name, value)| Some((name.to_owned(), value?.into())));
        operations.add(path(&LIST), Value::Object(all.collect::<Map<_, _>>()));
        return;
    };
    for (name, value) in desired {
        match (actual.get(name), value) {
            (Some(_), None) => operations.remove(path(&LIST).with_trailing_token(name)),
            (Some(found), Some(value)) if *found == value => {}
            (_, Some(value)) => operations.add(path(&LIST).with_trailing_token(name), value.into()),
            (None, None) => {}
        }
    }
}
