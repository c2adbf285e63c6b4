//! What the tests share.

use std::sync::LazyLock;

use serde_json::{Value, json};
use webhook::{
    admission::{Verdict, judge},
    config::Config,
};

pub(crate) const USER: &str = "11111111-2222-4333-8444-555555555555";
pub(crate) const LABEL: &str = contract::label::USER;

/// The configuration of most tests; `extra` is more YAML.
pub(crate) fn config_with(extra: &str) -> Config {
    let text = format!(
        "
sidecar: {{image: 'registry.example/sidecar:1.0.0'}}
oidc: {{issuer: https://id.example/realms/acme, audience: openclaw}}
{extra}"
    );
    text.parse().unwrap_or_else(|error| panic!("{error}\n{text}"))
}

pub(crate) fn config() -> &'static Config {
    static CONFIG: LazyLock<Config> = LazyLock::new(|| {
        include_str!("../webhook.yaml").parse().unwrap_or_else(|error| panic!("{error}"))
    });
    &CONFIG
}

/// The smallest pod that can be injected.
pub(crate) fn pod() -> Value {
    json!({
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": "openclaw", "labels": {LABEL: USER}},
        "spec": {
            "securityContext": {"runAsUser": 1000},
            "containers": [{
                "name": "runtime",
                "image": "runtime:1",
                "volumeMounts": [{"name": "home", "mountPath": "/home/node/.openclaw"}],
            }],
            "volumes": [{"name": "home", "emptyDir": {}}],
        },
    })
}

/// [`pod`] with the value at a JSON pointer set; the last key may be new.
pub(crate) fn pod_with(pointer: &str, value: Value) -> Value {
    let mut pod = pod();
    set(&mut pod, pointer, value);
    pod
}

pub(crate) fn set(target: &mut Value, pointer: &str, value: Value) {
    let (parent, key) = pointer.rsplit_once('/').unwrap();
    let parent = target.pointer_mut(parent).unwrap_or_else(|| panic!("no parent of {pointer}"));
    match parent {
        Value::Array(list) => list[key.parse::<usize>().unwrap()] = value,
        parent => parent[key.replace("~1", "/")] = value,
    }
}

pub(crate) fn judged(pod: &Value) -> Verdict {
    judge(pod, "tenant", config())
}

/// `pod` as the API server would have it after the verdict.
pub(crate) fn patched(pod: &Value, verdict: &Verdict) -> Value {
    assert!(verdict.is_allowed(), "{}", verdict.message());
    let mut after = pod.clone();
    json_patch::patch(&mut after, &verdict.operations).unwrap();
    after
}

pub(crate) fn injected(pod: &Value) -> Value {
    patched(pod, &judged(pod))
}

/// Names in the list at `pointer`.
pub(crate) fn names<'v>(value: &'v Value, pointer: &str) -> Vec<&'v str> {
    let list = value.pointer(pointer).and_then(Value::as_array);
    list.map(|list| list.iter().map(|item| item["name"].as_str().unwrap()).collect())
        .unwrap_or_default()
}

pub(crate) fn codes(verdict: &Verdict) -> Vec<&'static str> {
    verdict.codes()
}
