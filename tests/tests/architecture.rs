//! Dependencies point one way: contract <- edge <- programs, and only the tests know a program. What
//! runs once per user links no Kubernetes client.

use std::{
    collections::{BTreeMap, BTreeSet},
    process::Command,
};

use anyhow::{Context as _, Result, ensure};
use serde::Deserialize;

/// Which crates of ours a crate of ours may use in its product, dev-dependencies aside.
const MAY_USE: [(&str, &[&str]); 11] = [
    ("contract", &[]),
    ("edge", &["contract"]),
    ("webhook", &["contract", "edge"]),
    ("sidecar", &["contract", "edge"]),
    ("spawner", &["contract", "edge"]),
    ("runtime", &["contract", "edge"]),
    ("certs-dev", &[]),
    // Its Kubernetes certificates are made by the same hand.
    ("cluster-dev", &["contract", "certs-dev"]),
    // It measures programs from outside, as they are shipped.
    ("bench-results", &[]),
    ("bench", &["bench-results", "contract", "edge", "certs-dev"]),
    (
        "tests",
        &[
            "bench-results",
            "contract",
            "edge",
            "certs-dev",
            "webhook",
            "sidecar",
            "spawner",
            "runtime",
        ],
    ),
];

/// What `cargo metadata` says of the workspace.
#[derive(Deserialize)]
struct Metadata {
    packages: Vec<Package>,
}

#[derive(Deserialize)]
struct Package {
    name: String,
    dependencies: Vec<Dependency>,
}

#[derive(Deserialize)]
struct Dependency {
    name: String,
    /// `dev`, `build`, or none for what is linked.
    kind: Option<String>,
}

fn cargo(arguments: &[&str]) -> Result<Vec<u8>> {
    let mut cargo = Command::new(env!("CARGO"));
    let output = cargo.args(arguments).current_dir(env!("CARGO_MANIFEST_DIR")).output()?;
    ensure!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    Ok(output.stdout)
}

fn workspace() -> Result<Vec<Package>> {
    let said = cargo(&["metadata", "--no-deps", "--format-version=1", "--locked"])?;
    Ok(serde_json::from_slice::<Metadata>(&said)?.packages)
}

/// Every crate that ends up in `package` as it is built for an image, however far away.
fn linked_into(package: &str) -> Result<BTreeSet<String>> {
    let target = format!("--target={}-unknown-linux-musl", std::env::consts::ARCH);
    let shape = ["--edges=normal", "--prefix=none", "--format={p}", "--locked"];
    let said = cargo(&[&["tree", "--package", package, target.as_str()][..], &shape].concat())?;
    let lines = String::from_utf8(said)?;
    Ok(lines.lines().filter_map(|line| line.split(' ').next()).map(str::to_owned).collect())
}

#[test]
fn our_crates_use_each_other_one_way() -> Result<()> {
    let rules: BTreeMap<_, _> = MAY_USE.into_iter().collect();
    let packages = workspace()?;
    let ours: BTreeSet<_> = packages.iter().map(|package| package.name.clone()).collect();
    for Package { name, dependencies } in packages {
        let may_use = rules.get(name.as_str());
        let may_use = may_use.with_context(|| format!("say in MAY_USE what {name} may use"))?;
        let built = dependencies.into_iter().filter(|used| used.kind.as_deref() != Some("dev"));
        for used in built.filter(|used| ours.contains(&used.name)) {
            assert!(may_use.contains(&used.name.as_str()), "{name} must not use {}", used.name);
        }
    }
    Ok(())
}

#[test]
fn what_runs_once_per_user_links_no_kubernetes_client() -> Result<()> {
    for package in ["contract", "edge", "sidecar", "runtime"] {
        let linked = linked_into(package)?;
        for heavy in ["kube", "kube-client", "kube-core", "k8s-openapi"] {
            assert!(!linked.contains(heavy), "{package} links {heavy}");
        }
    }
    assert!(linked_into("spawner")?.contains("kube-client"), "this test would see it");
    Ok(())
}

#[test]
fn there_is_one_crypto_provider() -> Result<()> {
    for package in ["webhook", "sidecar", "spawner", "runtime"] {
        let linked = linked_into(package)?;
        for other in ["ring", "openssl", "openssl-sys", "native-tls"] {
            assert!(!linked.contains(other), "{package} links {other}");
        }
        assert!(linked.contains("aws-lc-rs"), "this test would see it");
    }
    Ok(())
}
