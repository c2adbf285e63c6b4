//! Whole verdicts and whole pods, as files: `UPDATE_GOLDEN=1 cargo test -p webhook` rewrites them.

use std::path::PathBuf;

use json_patch::PatchOperation;
use serde_json::{Value, json};
use webhook::{admission::judge, config::Config, yaml};

use crate::common::{config, config_with};

#[test]
fn a_pod_of_the_spawner() {
    golden("spawner", config());
}

#[test]
fn a_pod_with_almost_nothing() {
    golden("bare", &config_with("defaults: {tokenSync: disabled, gatewayAuth: none}\n"));
}

#[test]
fn a_crowded_pod() {
    golden("crowded", config());
}

#[test]
fn trusted_proxy_mode() {
    golden("trusted-proxy", config());
}

#[test]
fn a_shared_gateway_token() {
    golden(
        "shared-token",
        &config_with("gateway: {scope: shared, sharedSecret: openclaw-gateway}\n"),
    );
}

#[test]
fn a_pod_full_of_mistakes() {
    golden("mistakes", config());
}

fn golden(name: &str, config: &Config) {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/golden");
    let input = std::fs::read_to_string(folder.join(format!("{name}.yaml"))).unwrap();
    let pod: Value = serde_norway::from_str(&input).unwrap();
    let file = folder.join(format!("{name}.out.yaml"));
    let found = yaml::to_string(&outcome(&pod, config));
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        std::fs::write(&file, &found).unwrap();
    }
    let expected = std::fs::read_to_string(&file).unwrap_or_default();
    let differs =
        found.lines().zip(expected.lines()).position(|(found, expected)| found != expected);
    assert!(
        found == expected,
        "{} differs from line {} on; UPDATE_GOLDEN=1 accepts what is found:\n{found}",
        file.display(),
        differs.unwrap_or_else(|| expected.lines().count()) + 1,
    );
}

fn outcome(pod: &Value, config: &Config) -> Value {
    let verdict = judge(pod, "tenant", config);
    let mut after = pod.clone();
    json_patch::patch(&mut after, &verdict.operations).unwrap();
    let denials: Vec<_> = verdict
        .denials
        .iter()
        .map(|denial| json!({"reason": denial.reason.code(), "message": denial.message}))
        .collect();
    json!({
        "outcome": verdict.reason.outcome().as_str(),
        "reason": verdict.reason.code(),
        "denials": denials,
        "warnings": verdict.warnings,
        "operations": verdict.operations.iter().map(summary).collect::<Vec<_>>(),
        "pod": after,
    })
}

/// Without the value: it is in the pod.
fn summary(operation: &PatchOperation) -> String {
    let word = match operation {
        PatchOperation::Add(_) => "add",
        PatchOperation::Remove(_) => "remove",
        PatchOperation::Replace(_) => "replace",
        PatchOperation::Test(_) => "test",
        PatchOperation::Move(_) | PatchOperation::Copy(_) => "unexpected",
    };
    format!("{word} {}", operation.path())
}
