//! Metric label, log, audit annotation and `explain` tell the same story, for every reason there is;
//! and the README has a line for each.

use std::{
    io::Write,
    process::{Command, Stdio},
    sync::{Arc, Mutex},
};

use serde_json::{Value, json};
use webhook::reason::Reason;

use crate::{
    common::{LABEL, injected, pod, pod_with},
    laws::create,
    server::{Server, post},
};

/// A review that ends for this reason, and for no other.
fn example(reason: Reason) -> Value {
    let annotated =
        |name: &str, value: &str| pod_with("/metadata/annotations", json!({name: value}));
    let of_request = |field: &str, value: Value| {
        let mut review = create(&pod());
        review["request"][field] = value;
        review
    };
    let pod = match reason {
        Reason::NotAPod => return of_request("subResource", json!("eviction")),
        Reason::NotACreate => return of_request("operation", json!("UPDATE")),
        Reason::MalformedReview => return of_request("operation", json!(["CREATE"])),
        Reason::ExcludedNamespace => {
            let mut review = create(&pod_with("/metadata/namespace", json!("kube-system")));
            review["request"]["namespace"] = json!("kube-system");
            return review;
        }
        Reason::Patched => pod(),
        Reason::Complete => injected(&pod()),
        Reason::NotLabeled => pod_with("/metadata/labels", json!({})),
        Reason::MalformedPod => pod_with("/spec/containers/0/ports", json!("80")),
        Reason::InvalidUser => pod_with("/metadata/labels", json!({LABEL: "alice"})),
        Reason::InvalidAnnotation => annotated("openclaw.catalyst.openova.io/upstream-port", "no"),
        Reason::UnknownAnnotation => annotated("openclaw.catalyst.openova.io/colour", "red"),
        Reason::NoRuntime => annotated("kubectl.kubernetes.io/default-container", "other"),
        Reason::MirrorPod => annotated("kubernetes.io/config.mirror", "x"),
        Reason::HostNamespace => pod_with("/spec/hostIPC", json!(true)),
        Reason::SharedProcesses => pod_with("/spec/shareProcessNamespace", json!(true)),
        Reason::NotLinux => pod_with("/spec/os", json!({"name": "windows"})),
        Reason::NameClash => pod_with("/spec/containers/0/name", json!("openclaw-auth")),
        Reason::PortClash => pod_with("/spec/containers/0/ports", json!([{"containerPort": 4181}])),
        Reason::UnknownRuntimeUser => pod_with("/spec/securityContext", json!({})),
        Reason::RootRuntime => pod_with("/spec/securityContext/runAsUser", json!(0)),
        Reason::TokenBesideTrustedProxy => {
            let mut pod = annotated("openclaw.catalyst.openova.io/gateway-auth", "trusted-proxy");
            pod["spec"]["containers"][0]["env"] =
                json!([{"name": "OPENCLAW_GATEWAY_TOKEN", "value": "x"}]);
            pod
        }
        Reason::ConfigPathVolume => pod_with("/spec/containers/0/volumeMounts", json!([])),
        Reason::LostProbe => pod_with(
            "/spec/containers/0/livenessProbe",
            json!({"httpGet": {"path": "/probe/liveness", "port": 4181}}),
        ),
    };
    create(&pod)
}

/// What is logged while this thread holds the guard.
#[derive(Clone, Default)]
pub(crate) struct Log(Arc<Mutex<Vec<u8>>>);

impl Log {
    pub(crate) fn start(&self) -> tracing::subscriber::DefaultGuard {
        let log = self.clone();
        let format = tracing_subscriber::fmt().json().flatten_event(true);
        let subscriber =
            format.with_max_level(tracing::Level::TRACE).with_writer(move || log.clone()).finish();
        tracing::subscriber::set_default(subscriber)
    }

    pub(crate) fn text(&self) -> String {
        String::from_utf8(self.0.lock().unwrap().clone()).unwrap()
    }

    /// The lines about admissions.
    fn admissions(&self) -> Vec<Value> {
        let lines: Vec<Value> =
            self.text().lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        lines.into_iter().filter(|line| line["message"] == "admission").collect()
    }
}

impl Write for Log {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().write(bytes)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

#[tokio::test]
async fn four_places_tell_the_same_reason() {
    for &reason in Reason::ALL {
        let (code, outcome) = (reason.code(), reason.outcome().as_str());
        let review = example(reason);
        let server = Server::new();
        let log = Log::default();
        let (_, body) = {
            let _guard = log.start();
            server.ask(post(review.to_string())).await
        };
        let response = serde_json::from_str::<Value>(&body).unwrap()["response"].take();
        let audit = &response["auditAnnotations"];
        assert_eq!((&audit["decision"], &audit["reason"]), (&json!(outcome), &json!(code)));

        let counted = format!(
            "openclaw_webhook_admissions_total{{outcome=\"{outcome}\",reason=\"{code}\"}} 1\n"
        );
        assert!(server.metrics().contains(&counted), "{counted}");

        let lines = log.admissions();
        assert_eq!(lines.len(), 1, "one line an admission: {}", log.text());
        assert_eq!((&lines[0]["decision"], &lines[0]["reason"]), (&json!(outcome), &json!(code)));
        for field in ["uid", "namespace", "name", "dry_run", "seconds"] {
            assert!(lines[0].get(field).is_some(), "{field} in {}", lines[0]);
        }

        if ![Reason::NotAPod, Reason::NotACreate, Reason::MalformedReview].contains(&reason) {
            assert_eq!(explained(&review["request"]["object"]), [outcome, code]);
        }
    }
}

/// DECISION and REASON of the table that `explain` prints.
fn explained(pod: &Value) -> [String; 2] {
    let mut child = Command::new(env!("CARGO_BIN_EXE_webhook"))
        .args(["explain", "-n", "tenant", "-f", "-", "--config"])
        .arg(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/webhook.yaml"))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(pod.to_string().as_bytes()).unwrap();
    let printed = String::from_utf8(child.wait_with_output().unwrap().stdout).unwrap();
    let mut cells = printed.lines().nth(1).unwrap().split_whitespace().skip(3).map(str::to_owned);
    [cells.next().unwrap(), cells.next().unwrap()]
}

#[tokio::test]
async fn a_pod_without_a_name_is_logged_by_what_it_will_begin_with() {
    let mut pod = pod();
    pod["metadata"] = json!({"generateName": "agent-", "labels": pod["metadata"]["labels"]});
    let log = Log::default();
    let _guard = log.start();
    Server::new().ask(post(create(&pod).to_string())).await;
    assert_eq!(log.admissions()[0]["name"], "agent-*");
}

#[tokio::test]
async fn the_log_never_holds_what_the_object_holds() {
    const SECRET: &str = "sk-9f8e7d6c";
    let places = [
        ("/metadata/annotations", json!({"note": SECRET})),
        ("/metadata/annotations", json!({"openclaw.catalyst.openova.io/upstream-port": SECRET})),
        ("/metadata/annotations", json!({format!("openclaw.catalyst.openova.io/{SECRET}"): "x"})),
        ("/metadata/labels", json!({LABEL: SECRET})),
        ("/spec/containers/0/env", json!([{"name": "NEWAPI_KEY", "value": SECRET}])),
        ("/spec/containers/0/command", json!(["curl", SECRET])),
        ("/spec/containers/0/ports", json!(SECRET)),
        ("/spec/unknown", json!({SECRET: [SECRET]})),
    ];
    let log = Log::default();
    let _guard = log.start();
    let server = Server::new();
    let mut bodies: Vec<String> =
        places.map(|(place, value)| create(&pod_with(place, value)).to_string()).to_vec();
    // Broken in the middle, of a wrong type, of another kind, and larger than allowed.
    bodies.push(create(&pod_with("/spec/unknown", json!(SECRET))).to_string().replace("}}}", ""));
    bodies.push(create(&json!(SECRET)).to_string());
    bodies.push(json!({"uid": "abc", "operation": [SECRET]}).to_string());
    let mut review = create(&pod());
    review["request"]["operation"] = json!({SECRET: 1});
    bodies.push(review.to_string());
    bodies.push(format!("{}{}", SECRET, " ".repeat(webhook::server::MAX_BODY)));
    for body in bodies {
        server.ask(post(body)).await;
    }
    assert!(log.text().lines().count() >= 12, "{}", log.text());
    assert!(!log.text().contains(SECRET), "{}", log.text());
}

#[test]
fn the_readme_has_a_line_for_every_reason() {
    let readme = include_str!("../../README.md");
    for reason in Reason::ALL {
        let code = format!("`{}`", reason.code());
        assert!(readme.contains(&code), "{code} is not in webhook/README.md");
    }
}
