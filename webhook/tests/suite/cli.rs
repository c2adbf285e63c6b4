//! The program as people run it.

use std::{
    io::Write,
    path::Path,
    process::{Command, Output, Stdio},
};

use serde_json::{Value, json};

use crate::common::{LABEL, USER, injected, pod};

const CONFIG: &str = "
sidecar: {image: 'registry.example/sidecar:1.0.0'}
oidc: {issuer: https://id.example/realms/acme, audience: openclaw}
seedConfigMap: openclaw-seed
";

fn run(args: &[&str], config: &str, input: &str) -> Output {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("webhook.yaml");
    std::fs::write(&file, config).unwrap();
    run_with(&file, args, input)
}

fn run_with(config: &Path, args: &[&str], input: &str) -> Output {
    let mut child = Command::new(env!("CARGO_BIN_EXE_webhook"))
        .args(args)
        .env("WEBHOOK_CONFIG", config)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    // A program that fails early does not read.
    let _ = child.stdin.take().unwrap().write_all(input.as_bytes());
    child.wait_with_output().unwrap()
}

fn text(bytes: &[u8]) -> &str {
    std::str::from_utf8(bytes).unwrap()
}

fn printed(args: &[&str], input: &str) -> String {
    let output = run(args, CONFIG, input);
    assert!(output.status.success(), "{}", text(&output.stderr));
    text(&output.stdout).to_owned()
}

/// A file of many documents: each workload, a List, and things that are none of our business.
fn manifests() -> String {
    let pod = pod();
    let template = json!({"metadata": pod["metadata"], "spec": pod["spec"]});
    let workload = |kind: &str| json!({"kind": kind, "metadata": {"name": kind.to_lowercase()}, "spec": {"template": template}});
    let mut documents: Vec<Value> =
        ["Deployment", "StatefulSet", "DaemonSet", "ReplicaSet", "Job"].map(workload).to_vec();
    documents.push(json!({
        "kind": "CronJob",
        "metadata": {"name": "cron"},
        "spec": {"jobTemplate": {"spec": {"template": template}}},
    }));
    documents.push(json!({
        "kind": "List",
        "items": [pod, {"kind": "ConfigMap", "data": {"on": "yes", "n": "1_000"}}],
    }));
    let texts: Vec<String> = documents.iter().map(webhook::yaml::to_string).collect();
    texts.join("---\n")
}

#[test]
fn inject_does_what_the_server_does_to_every_pod() {
    let printed = printed(&["inject", "-f", "-"], &manifests());
    let documents: Vec<Value> = serde_norway::Deserializer::from_str(&printed)
        .map(|document| serde::Deserialize::deserialize(document).unwrap())
        .collect();
    let expected = injected(&pod());
    assert_eq!(documents.len(), 7);
    for document in &documents[..5] {
        assert_eq!(document["spec"]["template"]["spec"], expected["spec"], "{}", document["kind"]);
    }
    assert_eq!(documents[5]["spec"]["jobTemplate"]["spec"]["template"]["spec"], expected["spec"]);
    assert_eq!(documents[6]["items"][0], expected);
    assert_eq!(documents[6]["items"][1]["data"]["on"], "yes");
}

#[test]
fn uninject_takes_it_all_back() {
    let manifests = manifests();
    let injected = printed(&["inject", "-f", "-"], &manifests);
    assert_ne!(injected, manifests);
    assert_eq!(printed(&["uninject", "-f", "-"], &injected), manifests);
    assert_eq!(printed(&["inject", "-f", "-"], &injected), injected);
}

#[test]
fn one_denied_pod_and_nothing_is_printed() {
    let mut denied = pod();
    denied["metadata"]["labels"][LABEL] = json!("nobody");
    let input =
        format!("{}---\n{}", webhook::yaml::to_string(&pod()), webhook::yaml::to_string(&denied));
    let output = run(&["inject", "-f", "-"], CONFIG, &input);
    assert_eq!(output.status.code(), Some(1));
    assert_eq!(text(&output.stdout), "");
    let message = text(&output.stderr);
    assert!(message.contains("standard input: Pod openclaw: label"), "{message}");
    assert!(message.contains("\"nobody\" is not a user id"), "{message}");
}

#[test]
fn explain_says_what_and_why() {
    let mut skipped = pod();
    skipped["metadata"]["labels"] = json!({});
    let mut denied = pod();
    denied["spec"]["hostPID"] = json!(true);
    let input: Vec<String> =
        [pod(), skipped, denied].iter().map(webhook::yaml::to_string).collect();
    let printed = printed(&["explain", "-n", "tenant", "-f", "-"], &input.join("---\n"));
    for line in [
        "KIND  NAMESPACE  NAME      DECISION  REASON",
        "Pod   tenant     openclaw  injected  patched",
        "Pod   tenant     openclaw  skipped   not-labeled",
        "Pod   tenant     openclaw  denied    host-namespace",
        "  change: spec.hostPID must not be true: the runtime would not be alone",
    ] {
        assert!(printed.lines().any(|printed| printed == line), "{line} in\n{printed}");
    }
    assert!(
        printed
            .contains(&format!("resources [openclaw-users], resourceNames [{USER}], verbs [use]"))
    );
}

#[test]
fn review_answers_one_admission() {
    let review = json!({
        "apiVersion": "admission.k8s.io/v1",
        "kind": "AdmissionReview",
        "request": {"uid": "u-1", "operation": "CREATE"},
    });
    let answer: Value = serde_json::from_str(&printed(&["review"], &review.to_string())).unwrap();
    assert_eq!(answer["response"]["uid"], "u-1");
    let output = run(&["review"], CONFIG, "nonsense");
    assert_eq!(output.status.code(), Some(1));
    assert!(text(&output.stderr).starts_with("error: the body is not JSON"));
}

#[test]
fn a_wrong_configuration_is_78_and_wrong_usage_is_2() {
    let output = run(&["check-config"], CONFIG, "");
    assert!(text(&output.stdout).contains(": good, hash "), "{}", text(&output.stdout));
    let output = run(&["check-config"], "sidecar: {imag: x}", "");
    assert_eq!(output.status.code(), Some(78));
    assert!(text(&output.stderr).contains("did you mean `image`?"), "{}", text(&output.stderr));
    // Before any port is bound: there is no certificate to serve with.
    let output = run(&["serve", "--listen=127.0.0.1:0", "--admin-listen=127.0.0.1:0"], CONFIG, "");
    assert_eq!(output.status.code(), Some(78));
    assert!(text(&output.stderr).contains("tls: is missing"), "{}", text(&output.stderr));
    let output = run_with(Path::new("/nonexistent/webhook.yaml"), &["check-config"], "");
    assert_eq!(output.status.code(), Some(78));
    assert!(text(&output.stderr).contains("cannot read /nonexistent/webhook.yaml"));
    assert_eq!(run(&["inject"], CONFIG, "").status.code(), Some(2));
    assert_eq!(run(&["mutate"], CONFIG, "").status.code(), Some(2));
}
