//! Variables of the runtime container.

use contract::{env, secret};
use serde_json::Value;

use super::{
    operations::{Operations, element, elements, name},
    same::same,
};
use crate::{inject::Variable, original::Original, plan::Plan};

/// How the runtime's variables differ from what they should be.
#[derive(Debug)]
pub(super) struct Env<'a> {
    /// Index of the runtime in `spec.containers`.
    runtime: usize,
    /// Whether there is a list to put something into.
    exists: bool,
    /// Entries that have one of our names and another content, with their indices.
    wrong: Vec<(usize, &'a Value, &'a Variable)>,
    missing: Vec<&'a Variable>,
    /// Indices of our own entries that should be there no more.
    stale: Vec<usize>,
}

impl<'a> Env<'a> {
    pub(super) fn compare(pod: &'a Value, plan: &Plan, desired: &'a [Variable]) -> Self {
        let container = elements(pod, &["spec", "containers"])
            .and_then(|containers| containers.get(plan.runtime))
            .unwrap_or(&Value::Null);
        let actual = elements(container, &["env"]);
        let entries = actual.map_or(&[] as &[Value], Vec::as_slice);
        let wanted = |entry: &Value| desired.iter().find(|variable| variable.name == name(entry));
        let wrong = entries.iter().enumerate().filter_map(|(index, entry)| {
            let variable = wanted(entry)?;
            (!same(&variable.entry, entry)).then_some((index, entry, variable))
        });
        let absent =
            |variable: &&Variable| !entries.iter().any(|entry| name(entry) == variable.name);
        let stale = entries
            .iter()
            .enumerate()
            .filter(|(_, entry)| wanted(entry).is_none() && is_injected(entry))
            .map(|(index, _)| index);
        Self {
            runtime: plan.runtime,
            exists: actual.is_some(),
            wrong: wrong.collect(),
            missing: desired.iter().filter(absent).collect(),
            stale: stale.collect(),
        }
    }

    pub(super) fn differs(&self) -> bool {
        !(self.wrong.is_empty() && self.missing.is_empty() && self.stale.is_empty())
    }

    pub(super) fn patch(
        self,
        original: &mut Original,
        operations: &mut Operations,
        warnings: &mut Vec<String>,
    ) {
        let env = element(&["spec", "containers"], self.runtime).with_trailing_token("env");
        // In its place, and every entry of the name: the last one would win.
        for (index, entry, variable) in self.wrong {
            operations.replace(env.with_trailing_token(index), variable.entry.clone());
            if !is_injected(entry) {
                original.env.push(entry.clone());
                warnings
                    .push(format!("env {} of the runtime container was replaced", variable.name));
            }
        }
        for index in self.stale.into_iter().rev() {
            operations.remove(env.with_trailing_token(index));
        }
        if !self.exists {
            let entries: Vec<Value> = self.missing.iter().map(|v| v.entry.clone()).collect();
            if !entries.is_empty() {
                operations.add(env, entries.into());
            }
            return;
        }
        // In front: only what stands later can refer to them as $(NEWAPI_KEY).
        for (index, variable) in self.missing.into_iter().enumerate() {
            operations.add(env.with_trailing_token(index), variable.entry.clone());
        }
    }
}

/// Whether a former injection can have written `entry`. Which gateway Secret it names depends on the
/// configuration of then, so there the key has to do.
pub(crate) fn is_injected(entry: &Value) -> bool {
    let (key, prefix) = match name(entry) {
        env::NEWAPI_KEY => (secret::NEWAPI_KEY_KEY, secret::NEWAPI_KEY_PREFIX),
        env::NEWAPI_BASE_URL => (secret::NEWAPI_BASE_URL_KEY, secret::NEWAPI_KEY_PREFIX),
        env::OPENCLAW_GATEWAY_TOKEN => (secret::GATEWAY_TOKEN_KEY, ""),
        _ => return false,
    };
    let text = |field: &str| {
        entry.pointer(&format!("/valueFrom/secretKeyRef/{field}")).and_then(Value::as_str)
    };
    text("key") == Some(key) && text("name").is_some_and(|name| name.starts_with(prefix))
}
