//! `up` and `down` on the control plane alone, which can be had beside any other cluster.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on says where")]

use std::{
    fs,
    path::{Path, PathBuf},
    process::{Command, Output, Stdio},
    time::{Duration, SystemTime},
};

/// A cluster of the test's own; its end is the end of the cluster.
struct OwnCluster {
    folder: tempfile::TempDir,
}

impl OwnCluster {
    fn new() -> Self {
        Self { folder: tempfile::tempdir().unwrap() }
    }

    fn state(&self) -> PathBuf {
        self.folder.path().join("state")
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_cluster-dev"));
        command
            .args(arguments)
            .env("CLUSTER_DEV_STATE", self.state())
            .env_remove("CLUSTER_DEV_MODE");
        command
    }

    fn run(&self, arguments: &[&str]) -> Output {
        self.command(arguments).output().unwrap()
    }

    fn succeeds(&self, arguments: &[&str]) -> String {
        let output = self.run(arguments);
        let (stdout, stderr) = (text(&output.stdout), text(&output.stderr));
        assert!(output.status.success(), "cluster-dev {arguments:?}: {stdout}{stderr}");
        stdout + &stderr
    }

    /// Process ids that carry this cluster's mark in their environment.
    fn processes(&self) -> Vec<u32> {
        let mark = format!("BP_OPENCLAW_CLUSTER={}", self.state().display());
        let pids = fs::read_dir("/proc").unwrap().flatten();
        let pids = pids.filter_map(|entry| entry.file_name().to_str()?.parse().ok());
        pids.filter(|pid: &u32| {
            let environment = fs::read(format!("/proc/{pid}/environ")).unwrap_or_default();
            environment.split(|byte| *byte == 0).any(|variable| variable == mark.as_bytes())
        })
        .collect()
    }
}

impl Drop for OwnCluster {
    fn drop(&mut self) {
        drop(self.run(&["down"]));
    }
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

fn wait_for_file(path: &Path) {
    let started = SystemTime::now();
    while !path.exists() {
        assert!(
            started.elapsed().unwrap() < Duration::from_secs(120),
            "{} never appears",
            path.display()
        );
        std::thread::yield_now();
    }
}

#[test]
fn up_twice_changes_nothing_and_down_ends_all_of_it() {
    let cluster = OwnCluster::new();
    cluster.succeeds(&["up", "--control-plane-only"]);
    let first = cluster.processes();
    assert_eq!(first.len(), 2, "etcd and kube-apiserver");
    cluster.succeeds(&["up"]);
    assert_eq!(cluster.processes(), first);
    assert!(cluster.succeeds(&["env"]).contains("CLUSTER_MODE=control-plane-only"));

    cluster.succeeds(&["down"]);
    assert_eq!(cluster.processes(), Vec::<u32>::new());
    assert!(!cluster.state().exists());
    assert!(cluster.succeeds(&["down"]).contains("There is no cluster"));
}

#[test]
fn down_cleans_up_after_an_up_that_was_killed() {
    let cluster = OwnCluster::new();
    let mut up =
        cluster.command(&["up", "--control-plane-only"]).stderr(Stdio::null()).spawn().unwrap();
    wait_for_file(&cluster.state().join("pids/etcd.pid"));
    up.kill().unwrap();
    up.wait().unwrap();
    cluster.succeeds(&["down"]);
    assert_eq!(cluster.processes(), Vec::<u32>::new());
    assert!(!cluster.state().exists());
}

#[test]
fn a_part_that_fails_is_named_with_its_log() {
    let cluster = OwnCluster::new();
    // etcd refuses a data folder that is a file.
    fs::create_dir_all(cluster.state().join("etcd/member")).unwrap();
    fs::write(cluster.state().join("etcd/member/snap"), "not a folder").unwrap();
    let output = cluster.run(&["up", "--control-plane-only"]);
    let said = text(&output.stderr);
    assert!(!output.status.success(), "{said}");
    for words in ["etcd ended", "etcd.log", "cluster-dev down"] {
        assert!(said.contains(words), "{words:?} is missing in: {said}");
    }
}

#[test]
fn another_mode_than_the_running_one_is_refused() {
    let cluster = OwnCluster::new();
    fs::create_dir_all(cluster.state()).unwrap();
    fs::write(cluster.state().join("mode"), "control-plane-only").unwrap();
    let said = text(&cluster.run(&["up", "--mode", "kind"]).stderr);
    assert!(said.contains("control-plane-only") && said.contains("cluster-dev down"), "{said}");
}
