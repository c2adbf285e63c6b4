//! Whether a part of a pod is what was injected.
//!
//! The API server does not keep what it is given: it fills in defaults, rewrites quantities, and
//! its own admission plugins raise the pull policy or add resources. Those are the same part still.
//! Anything else, an additional variable for instance, could change what the part does and is not.

use serde_json::{Map, Value};

use crate::quantity::Quantity;

/// Whether `actual` is `desired` after a round through the API server.
#[must_use]
pub fn same(desired: &Value, actual: &Value) -> bool {
    match (desired, actual) {
        (Value::Object(desired), Value::Object(actual)) => same_object(desired, actual),
        (Value::Array(desired), Value::Array(actual)) => {
            desired.len() == actual.len()
                && desired.iter().zip(actual).all(|(desired, actual)| same(desired, actual))
        }
        _ => desired == actual,
    }
}

fn same_object(desired: &Map<String, Value>, actual: &Map<String, Value>) -> bool {
    let kept = desired.iter().all(|(key, wanted)| {
        let found = actual.get(key).unwrap_or(&Value::Null);
        match key.as_str() {
            "requests" | "limits" => same_amounts(wanted, found),
            "sizeLimit" => same_amount(wanted, found),
            // The AlwaysPullImages plugin insists on it.
            "imagePullPolicy" => wanted == found || found == "Always",
            _ => same(wanted, found),
        }
    });
    kept && actual.iter().all(|(key, value)| desired.contains_key(key) || is_default(key, value))
}

/// A LimitRange may add further resources; ours keep their amounts.
fn same_amounts(desired: &Value, actual: &Value) -> bool {
    desired.as_object().is_some_and(|desired| {
        desired
            .iter()
            .all(|(name, wanted)| actual.get(name).is_some_and(|found| same_amount(wanted, found)))
    })
}

fn same_amount(desired: &Value, actual: &Value) -> bool {
    let amount = |value: &Value| value.as_str().and_then(|text| text.parse::<Quantity>().ok());
    amount(desired).is_some_and(|wanted| amount(actual) == Some(wanted))
}

/// Whether the API server writes `value` where nothing was said (pkg/apis/core/v1/defaults.go).
fn is_default(key: &str, value: &Value) -> bool {
    match key {
        "terminationMessagePath" => value == "/dev/termination-log",
        "terminationMessagePolicy" => value == "File",
        "defaultMode" => value == 0o644,
        _ => value.is_null(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn ours() -> Value {
        json!({
            "name": "openclaw-auth", "imagePullPolicy": "IfNotPresent",
            "resources": {"requests": {"cpu": "0.5", "memory": "1024Mi"}},
            "args": ["proxy"],
        })
    }

    fn with(field: &str, value: Value) -> Value {
        let mut changed = ours();
        changed[field] = value;
        changed
    }

    #[test]
    fn what_the_api_server_does_is_no_difference() {
        let mut actual = ours();
        actual["imagePullPolicy"] = json!("Always");
        actual["terminationMessagePath"] = json!("/dev/termination-log");
        actual["terminationMessagePolicy"] = json!("File");
        actual["lifecycle"] = json!(null);
        actual["resources"] = json!({
            "requests": {"cpu": "500m", "memory": "1Gi", "ephemeral-storage": "1Gi"},
        });
        assert!(same(&ours(), &actual));
    }

    #[test]
    fn what_changes_the_part_is_a_difference() {
        for changed in [
            with("env", json!([{"name": "OIDC_JWKS_FILE", "value": "/mine"}])),
            with("envFrom", json!([])),
            with("command", json!(["/bin/sh"])),
            with("args", json!(["proxy", "--gateway-auth=none"])),
            with("imagePullPolicy", json!("Never")),
            with("imagePullPolicy", json!(null)),
            with("resources", json!({"requests": {"cpu": "1"}})),
            with("resources", json!({})),
            with("terminationMessagePath", json!("/etc/passwd")),
        ] {
            assert!(!same(&ours(), &changed), "{changed}");
        }
    }
}
