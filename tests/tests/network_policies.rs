//! What the chart's NetworkPolicies let through, by a policy analyser (cyclonus): the development
//! cluster stores policies and does not enforce them.
//!
//! Each case is asked of the tenant's shared policy alone, of the users' own policies alone, and of
//! both: either isolates by itself.

use std::{
    fs,
    net::IpAddr,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context as _, Result, ensure};
use contract::{label, port};
use serde_json::{Value, json};
use tests::{
    chart::{documents, object, run, tool},
    process::built,
};

const ALICE: &str = "11111111-2222-4333-8444-555555555555";
const BOB: &str = "22222222-2222-4333-8444-555555555555";
const TENANT: &str = "acme";
const SYSTEM: &str = "bp-openclaw";

/// Somebody who sends or receives.
#[derive(Clone, Copy, Debug)]
enum Peer {
    User(&'static str),
    /// The spawner of the release in this namespace.
    Spawner(&'static str),
    /// A pod without a label, in this namespace.
    Stranger(&'static str),
    /// No pod of the cluster.
    Address(&'static str),
}
use Peer::{Address, Spawner, Stranger, User};

const NEWAPI: Peer = Address("198.51.100.7");
const API_SERVER: Peer = Address("10.96.0.1");
const METADATA: Peer = Address("169.254.169.254");
const DNS: Peer = Stranger("kube-system");

/// Who, to whom, at which port, and whether that is let through.
const CASES: [(Peer, Peer, u16, bool); 20] = [
    (Spawner(SYSTEM), User(ALICE), port::SIDECAR_DATA, true),
    (Spawner(SYSTEM), User(ALICE), port::SIDECAR_ADMIN, true),
    (Spawner(SYSTEM), User(ALICE), port::RUNTIME, false),
    (Spawner("another-release"), User(ALICE), port::SIDECAR_DATA, false),
    (Stranger(SYSTEM), User(ALICE), port::SIDECAR_DATA, false),
    (Stranger(TENANT), User(ALICE), port::SIDECAR_DATA, false),
    (Stranger("default"), User(ALICE), port::SIDECAR_ADMIN, false),
    (User(BOB), User(ALICE), port::SIDECAR_DATA, false),
    (User(BOB), User(ALICE), port::SIDECAR_ADMIN, false),
    (User(BOB), User(ALICE), port::RUNTIME, false),
    (NEWAPI, User(ALICE), port::SIDECAR_DATA, false),
    (User(ALICE), NEWAPI, 443, true),
    (User(ALICE), NEWAPI, 80, false),
    (User(ALICE), DNS, 53, true),
    (User(ALICE), DNS, 443, false),
    (User(ALICE), API_SERVER, 443, false),
    (User(ALICE), METADATA, 80, false),
    (User(ALICE), Spawner(SYSTEM), port::SPAWNER, false),
    (User(ALICE), Address("192.168.1.1"), 443, false),
    // The rest of the namespace is none of our business.
    (Stranger("default"), Stranger(TENANT), 80, true),
];

#[test]
fn either_policy_alone_isolates_a_user() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let shared = folder.path().join("shared");
    let own = folder.path().join("own");
    let both = folder.path().join("both");
    for (name, policy) in policies(folder.path())? {
        let home = if name == "users" { &shared } else { &own };
        for place in [home, &both] {
            fs::create_dir_all(place)?;
            // One file each: cyclonus reads only the first document of a file.
            fs::write(place.join(format!("{name}.json")), policy.to_string())?;
        }
    }
    for policies in [&shared, &own, &both] {
        let surprises = surprises(policies, folder.path())?;
        assert!(surprises.is_empty(), "{}: {surprises:#?}", policies.display());
    }
    Ok(())
}

/// The cases that come out otherwise under the policies in `folder`.
fn surprises(policies: &Path, work: &Path) -> Result<Vec<String>> {
    let traffic = work.join("traffic.json");
    let all: Vec<Value> =
        CASES.iter().map(|(from, to, port, _)| query(*from, *to, *port)).collect();
    fs::write(&traffic, Value::from(all).to_string())?;
    let mut cyclonus = Command::new(tool("CYCLONUS", "cyclonus"));
    cyclonus.args(["analyze", "--mode", "query-traffic", "--policy-path"]).arg(policies);
    let said = run(cyclonus.arg("--traffic-path").arg(&traffic))?;
    let verdicts: Vec<bool> = said
        .lines()
        .filter(|line| line.contains("IS ALLOWED?"))
        .map(|line| line.contains("TRUE"))
        .collect();
    ensure!(verdicts.len() == CASES.len(), "{} verdicts:\n{said}", verdicts.len());
    let wrong = CASES.iter().zip(verdicts).filter(|((.., wanted), got)| wanted != got);
    Ok(wrong
        .map(|((from, to, port, _), got)| format!("{from:?} -> {to:?}:{port}: {got}"))
        .collect())
}

fn query(from: Peer, to: Peer, port: u16) -> Value {
    json!({
        "Source": from.described(1),
        "Destination": to.described(2),
        "Protocol": "TCP",
        "ResolvedPort": port,
        "ResolvedPortName": "",
    })
}

impl Peer {
    /// As cyclonus has it; `host` makes the address of a pod.
    fn described(self, host: u8) -> Value {
        let (namespace, labels) = match self {
            Address(address) => return json!({"Internal": null, "IP": address}),
            User(user) => (TENANT, json!({label::USER: user})),
            Spawner(namespace) => (
                namespace,
                json!({
                    "app.kubernetes.io/name": "bp-openclaw",
                    "app.kubernetes.io/instance": "bp-openclaw",
                    "app.kubernetes.io/component": "spawner",
                }),
            ),
            Stranger(namespace) => (namespace, json!({"app": "stranger"})),
        };
        let internal = json!({
            "PodLabels": labels,
            "NamespaceLabels": {"kubernetes.io/metadata.name": namespace},
            "Namespace": namespace,
        });
        json!({"Internal": internal, "IP": IpAddr::from([10, 244, 0, host]).to_string()})
    }
}

/// The tenant's policy by the name of `users`, and each user's own by the user's.
fn policies(work: &Path) -> Result<Vec<(&'static str, Value)>> {
    let shared = object("templates/tenant/networkpolicy.yaml", &[])?;
    let templates = object("templates/spawner/templates-configmap.yaml", &[])?;
    let file = |key: &str| -> Result<PathBuf> {
        let text = templates.pointer(&format!("/data/{key}")).and_then(Value::as_str);
        let path = work.join(key);
        fs::write(&path, text.with_context(|| format!("no {key}"))?)?;
        Ok(path)
    };
    let (pod, policy) = (file("pod-template.yaml")?, file("network-policy.yaml")?);
    let mut all = vec![("users", shared)];
    for user in [ALICE, BOB] {
        let mut spawner = Command::new(built("spawner")?);
        spawner.arg("render").arg("--template").arg(&pod);
        spawner.arg("--network-policy-template").arg(&policy).args(["--user", user]);
        let objects = documents(&run(&mut spawner)?)?;
        let is_policy = |object: &Value| object.get("kind") == Some(&json!("NetworkPolicy"));
        let own = objects.into_iter().find(is_policy);
        let mut own = own.with_context(|| format!("no policy of {user}"))?;
        // The spawner names the namespace only when it applies.
        let metadata = own.get_mut("metadata").and_then(Value::as_object_mut);
        metadata.context("no metadata")?.insert("namespace".to_owned(), TENANT.into());
        all.push((user, own));
    }
    Ok(all)
}
