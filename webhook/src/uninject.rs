//! The way back: takes out of a pod what an injection put in, and puts back what it replaced.
//!
//! For manifests on disk: `uninject(inject(x)) == x`, except that a collection that held nothing
//! (`env: []`, `annotations: null`) is gone afterwards, which means the same.

use contract::{annotation, label};
use serde_json::{Map, Value};

use crate::{
    annotations::ORIGINAL,
    decide::runtime,
    original::Original,
    patch::{self, is_injected_container, is_injected_env, is_injected_volume},
    probe::Kind,
    view::{Container, Pod},
};

/// Takes the injected parts out of `pod`. Whether anything was there to take out.
pub fn uninject(pod: &mut Value) -> bool {
    let Some(Found { runtime, original, moved }) = find(pod) else {
        return false;
    };
    let before = pod.clone();
    remove(pod, &["metadata", "annotations"], |key| {
        [annotation::INJECTED, ORIGINAL].contains(&key)
    });
    retain(pod.get_mut("spec"), "volumes", |volume| !is_injected_volume(volume));
    retain(pod.get_mut("spec"), "initContainers", |container| !is_injected_container(container));
    let container = pod.pointer_mut(&format!("/spec/containers/{runtime}"));
    if let Some(container) = container {
        put_back_env(container, original.env);
        for (kind, handler) in moved {
            put_back_probe(container, kind, handler);
        }
    }
    *pod != before
}

/// What has to be known of a pod before anything of it is changed.
struct Found {
    runtime: usize,
    original: Original,
    /// Probes that still have the moved form, with what they were.
    moved: Vec<(Kind, Map<String, Value>)>,
}

fn find(pod: &Value) -> Option<Found> {
    let view = Pod::of(pod).ok()?;
    let user = view.label(label::USER)?;
    let name = view
        .annotation(annotation::CONTAINER)
        .or_else(|| view.annotation(annotation::DEFAULT_CONTAINER))
        .or_else(|| runtime::keyed(pod, &user.parse().ok()?));
    let is_runtime = |container: &Container<'_>| name.is_none_or(|name| container.name == name);
    let runtime = view.spec.containers.iter().position(is_runtime)?;
    let container = view.spec.containers.get(runtime)?;
    let mut original = Original::of(&view).unwrap_or_default();
    let mut moved = Vec::new();
    for kind in Kind::ALL {
        let is_moved = kind.of(container).is_some_and(|handler| kind.is_moved(container, handler));
        if let Some(handler) = original.probes.remove(kind.field()).filter(|_| is_moved) {
            moved.push((kind, handler));
        }
    }
    Some(Found { runtime, original, moved })
}

/// Replaced entries go back to their places, the others go.
fn put_back_env(container: &mut Value, replaced: Vec<Value>) {
    let mut replaced = replaced;
    if let Some(entries) = container.get_mut("env").and_then(Value::as_array_mut) {
        for entry in entries.iter_mut().filter(|entry| is_injected_env(entry)) {
            let name = patch::name(entry).to_owned();
            if let Some(index) = replaced.iter().position(|old| patch::name(old) == name) {
                *entry = replaced.remove(index);
            }
        }
    }
    retain(Some(container), "env", |entry| !is_injected_env(entry));
}

/// The moved `httpGet` becomes the handler that it was.
fn put_back_probe(container: &mut Value, kind: Kind, handler: Map<String, Value>) {
    let Some(probe) = container.get_mut(kind.field()).and_then(Value::as_object_mut) else {
        return;
    };
    let is_http = handler.contains_key("httpGet");
    if !is_http {
        probe.remove("httpGet");
    }
    probe.extend(handler);
}

/// Keeps what passes in the list at `parent.key`; a list that becomes empty goes.
fn retain(parent: Option<&mut Value>, key: &str, keep: impl Fn(&Value) -> bool) {
    let Some(parent) = parent.and_then(Value::as_object_mut) else {
        return;
    };
    let Some(list) = parent.get_mut(key).and_then(Value::as_array_mut) else {
        return;
    };
    list.retain(|element| keep(element));
    if list.is_empty() {
        parent.shift_remove(key);
    }
}

/// Removes the keys that match from the map at `path`; a map that becomes empty goes.
fn remove(value: &mut Value, path: &[&str; 2], matches: impl Fn(&str) -> bool) {
    let [parent, key] = path;
    let Some(parent) = value.get_mut(parent).and_then(Value::as_object_mut) else {
        return;
    };
    let Some(map) = parent.get_mut(*key).and_then(Value::as_object_mut) else {
        return;
    };
    map.retain(|key, _| !matches(key));
    if map.is_empty() {
        parent.shift_remove(*key);
    }
}
