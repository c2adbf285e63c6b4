//! What holds for every admission, whatever was asked: the fuzz target, the generated pods and the
//! corpus are all held to it.
//!
//! The patch is applied by a second implementation, written here from RFC 6902: the operations are
//! made with the `json-patch` crate, which should not be its own judge.

use base64::{Engine, engine::general_purpose::STANDARD};
use serde_json::{Map, Value, json};
use webhook::{config::Config, review, uninject::uninject};

const OURS: [&str; 2] = ["openclaw-token-sync", "openclaw-auth"];
const OUR_VOLUMES: [&str; 2] = ["openclaw-seed", "openclaw-no-token"];
const OUR_ENV: [&str; 3] = ["NEWAPI_KEY", "NEWAPI_BASE_URL", "OPENCLAW_GATEWAY_TOKEN"];
const OUR_ANNOTATIONS: [&str; 2] =
    ["openclaw.catalyst.openova.io/injected", "openclaw.catalyst.openova.io/original"];

/// An AdmissionReview of `pod`, created in `tenant`.
pub(crate) fn create(pod: &Value) -> Value {
    json!({
        "apiVersion": "admission.k8s.io/v1",
        "kind": "AdmissionReview",
        "request": {
            "uid": "abc",
            "resource": {"group": "", "version": "v1", "resource": "pods"},
            "namespace": "tenant",
            "operation": "CREATE",
            "object": pod,
        },
    })
}

/// Whatever `body` is: no panic, and if it is answered, the answer keeps every law.
pub(crate) fn review(body: &[u8], config: &Config) {
    let Ok(answer) = review::answer(body, config) else { return };
    let question: Value = serde_json::from_slice(body).expect("what is answered is JSON");
    let question = &question["request"];
    let answer = serde_json::to_value(&answer.review).expect("an answer is JSON");
    let response = &answer["response"];
    assert_eq!(answer["apiVersion"], "admission.k8s.io/v1");
    assert_eq!(response["uid"], question["uid"], "the answer is to the question");
    warnings_are_bounded(response);
    let Some(patch) = patch_of(response) else { return };
    assert_eq!(response["allowed"], true, "only what is allowed is patched");
    let before = &question["object"];
    let mut after = before.clone();
    for operation in &patch {
        apply(&mut after, operation).unwrap_or_else(|problem| panic!("{operation}: {problem}"));
    }
    survives(before, &after);
    let again = review::answer(create(&after).to_string().as_bytes(), config).expect("a review");
    assert!(again.verdict.is_allowed(), "{}", again.verdict.message());
    assert!(again.verdict.operations.is_empty(), "{:?}", again.verdict.operations);
    leads_back(before, after);
}

/// The operations of a response; `None` when it has no patch.
pub(crate) fn patch_of(response: &Value) -> Option<Vec<Value>> {
    let text = response.get("patch")?.as_str().expect("a patch is text");
    let bytes = STANDARD.decode(text).expect("a patch is base64");
    let patch: Vec<Value> = serde_json::from_slice(&bytes).expect("a patch is a list");
    assert!(!patch.is_empty(), "no patch is better than an empty one");
    Some(patch)
}

/// As Kubernetes takes them: 256 characters each, 4,096 in all, fit for a header.
fn warnings_are_bounded(response: &Value) {
    let warnings = response.get("warnings").and_then(Value::as_array);
    let warnings: Vec<&str> = warnings.into_iter().flatten().filter_map(Value::as_str).collect();
    assert!(warnings.iter().all(|text| text.chars().count() <= 256), "{warnings:?}");
    assert!(!warnings.concat().contains(char::is_control), "{warnings:?}");
    assert!(warnings.concat().chars().count() <= 4096);
}

/// `uninject` leads back to a pod that had nothing of ours. `null` and absent are the same.
fn leads_back(before: &Value, mut after: Value) {
    let mut untouched = before.clone();
    if uninject(&mut untouched) {
        return;
    }
    uninject(&mut after);
    assert_eq!(without_nulls(&after), without_nulls(before));
}

fn without_nulls(value: &Value) -> Value {
    match value {
        Value::Object(map) => map
            .iter()
            .filter(|(_, value)| !value.is_null())
            .map(|(key, value)| (key.clone(), without_nulls(value)))
            .collect::<Map<_, _>>()
            .into(),
        Value::Array(list) => list.iter().map(without_nulls).collect::<Vec<_>>().into(),
        scalar => scalar.clone(),
    }
}

/// Every value of `before` is in `after`, in its place and order, except what is documented:
/// parts with our names, and where a probe of the runtime goes.
pub(crate) fn survives(before: &Value, after: &Value) {
    let (mut before, mut after) = (before.clone(), after.clone());
    let runtime = runtime(&before);
    for pod in [&mut before, &mut after] {
        take_ours_out(pod, runtime);
    }
    assert_eq!(without_empty(&after), without_empty(&before));
}

/// Index of the runtime container: the annotations name it, or it has its user's key already, or it
/// is the first.
fn runtime(pod: &Value) -> usize {
    let annotation = |name: &str| pod.pointer("/metadata/annotations")?.get(name)?.as_str();
    let containers: Vec<&Value> =
        pod.pointer("/spec/containers").and_then(Value::as_array).into_iter().flatten().collect();
    let user = &pod["metadata"]["labels"]["catalyst.openova.io/openclaw-user"];
    let key = format!("newapi-key-{}", user.as_str().unwrap_or_default());
    let keyed = || {
        let has_it = |entry: &Value| {
            entry["name"] == "NEWAPI_KEY" && entry["valueFrom"]["secretKeyRef"]["name"] == key
        };
        let entries = |c: &Value| c["env"].as_array().is_some_and(|env| env.iter().any(has_it));
        containers.iter().find(|c| entries(c))?["name"].as_str()
    };
    let name = annotation("openclaw.catalyst.openova.io/container")
        .or_else(|| annotation("kubectl.kubernetes.io/default-container"))
        .or_else(keyed);
    containers.iter().position(|c| name.is_none_or(|name| c["name"] == name)).expect("a runtime")
}

fn take_ours_out(pod: &mut Value, runtime: usize) {
    let drop = |list: Option<&mut Value>, names: &[&str]| {
        if let Some(list) = list.and_then(Value::as_array_mut) {
            list.retain(|e| !names.iter().any(|name| e.get("name").is_some_and(|n| n == name)));
        }
    };
    drop(pod.pointer_mut("/spec/initContainers"), &OURS);
    drop(pod.pointer_mut("/spec/volumes"), &OUR_VOLUMES);
    if let Some(map) = pod.pointer_mut("/metadata/annotations").and_then(Value::as_object_mut) {
        map.retain(|name, _| !OUR_ANNOTATIONS.contains(&name.as_str()));
    }
    let Some(container) = pod.pointer_mut(&format!("/spec/containers/{runtime}")) else { return };
    drop(container.get_mut("env"), &OUR_ENV);
    for probe in ["startupProbe", "readinessProbe", "livenessProbe"] {
        if let Some(probe) = container.get_mut(probe).and_then(Value::as_object_mut) {
            probe.retain(|field, _| !["httpGet", "tcpSocket"].contains(&field.as_str()));
        }
    }
}

/// Without the lists and maps that may come to be: absent, null and empty say the same of them.
fn without_empty(pod: &Value) -> Value {
    let mut pod = pod.clone();
    let is_empty = |value: &Value| {
        value.is_null()
            || value.as_array().is_some_and(Vec::is_empty)
            || value.as_object().is_some_and(Map::is_empty)
    };
    let mut tidy = |parent: &str, keys: &[&str]| {
        if let Some(map) = pod.pointer_mut(parent).and_then(Value::as_object_mut) {
            map.retain(|key, value| !(keys.contains(&key.as_str()) && is_empty(value)));
        }
    };
    tidy("/metadata", &["annotations"]);
    tidy("/spec", &["initContainers", "volumes"]);
    let count = pod.pointer("/spec/containers").and_then(Value::as_array).map_or(0, Vec::len);
    for index in 0..count {
        let parent = format!("/spec/containers/{index}");
        if let Some(map) = pod.pointer_mut(&parent).and_then(Value::as_object_mut) {
            map.retain(|key, value| !(key == "env" && is_empty(value)));
        }
    }
    pod
}

/// One operation of RFC 6902: those that the webhook has a use for.
pub(crate) fn apply(document: &mut Value, operation: &Value) -> Result<(), String> {
    let text = |field: &str| operation.get(field).and_then(Value::as_str).ok_or("incomplete");
    let (op, path) = (text("op")?, text("path")?);
    let value = operation.get("value");
    if op == "test" {
        let found = document.pointer(path).ok_or("nothing there to test")?;
        return (Some(found) == value).then_some(()).ok_or_else(|| format!("test failed: {found}"));
    }
    let (parent, last) = path.rsplit_once('/').ok_or("the whole document")?;
    let last = last.replace("~1", "/").replace("~0", "~");
    let parent = document.pointer_mut(parent).ok_or("no parent")?;
    match parent {
        Value::Object(map) => member(map, op, last, value),
        Value::Array(list) => item(list, op, &last, value),
        _ => Err("the parent is a scalar".to_owned()),
    }
}

fn member(
    map: &mut Map<String, Value>,
    op: &str,
    key: String,
    value: Option<&Value>,
) -> Result<(), String> {
    if op != "add" && !map.contains_key(&key) {
        return Err("no such member".to_owned());
    }
    match (op, value) {
        ("add" | "replace", Some(value)) => map.insert(key, value.clone()),
        ("remove", None) => map.shift_remove(&key),
        _ => return Err("unknown operation".to_owned()),
    };
    Ok(())
}

fn item(list: &mut Vec<Value>, op: &str, index: &str, value: Option<&Value>) -> Result<(), String> {
    let canonical = index == "0" || !index.starts_with(['0', '+']);
    let index = match index {
        "-" => list.len(),
        index => index.parse().ok().filter(|_| canonical).ok_or("no index")?,
    };
    if index >= list.len() + usize::from(op == "add") {
        return Err("no such element".to_owned());
    }
    match (op, value) {
        ("add", Some(value)) => list.insert(index, value.clone()),
        ("replace", Some(value)) => list[index] = value.clone(),
        ("remove", None) => drop(list.remove(index)),
        _ => return Err("unknown operation".to_owned()),
    }
    Ok(())
}
