//! `down`: nothing of the cluster is left but the cache, whatever state it was in.

use std::{
    fs,
    path::{Path, PathBuf},
    time::Duration,
};

use anyhow::{Context as _, Result};

use crate::{
    kind,
    layout::{Layout, NAME},
    mode::Mode,
    network,
    node::cgroup_roots,
    process, report,
};

/// Ends the cluster and removes its state.
pub(crate) fn run(layout: &Layout) -> Result<()> {
    let _lock = layout.lock()?;
    // Somebody may have removed the state by hand; the namespace then still tells of a cluster.
    let left_over = || network::belongs_to(layout).then_some(Mode::Namespace);
    let Some(mode) = Mode::recorded(layout)?.or_else(left_over) else {
        report::say("There is no cluster.");
        return Ok(());
    };
    if mode == Mode::Kind {
        report::step("kind cluster deleted", || kind::down(layout))?;
    }
    // The cgroup belongs to the one cluster with a node; another cluster's `down` must not reach into it.
    let in_pods = if mode == Mode::Namespace { contained } else { Vec::new };
    let ended = process::end_all(layout, in_pods)?;
    report::say(format!("✓ {ended} processes ended"));
    if mode == Mode::Namespace {
        report::step("cgroups, mounts and network namespace removed", || {
            remove_cgroups()?;
            network::down(layout)
        })?;
    }
    match fs::remove_dir_all(&layout.state) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            return Err(error).with_context(|| format!("cannot remove {}", layout.state.display()));
        }
        _ => {}
    }
    report::say("The cluster is gone; built tools stay in the cache.");
    Ok(())
}

/// Processes in the pods' containers: all that are in our cgroup.
fn contained() -> Vec<i32> {
    let mut pids = Vec::new();
    for group in our_cgroups() {
        let text = fs::read_to_string(group.join("cgroup.procs")).unwrap_or_default();
        pids.extend(text.lines().filter_map(|line| line.parse::<i32>().ok()));
    }
    pids.sort_unstable();
    pids.dedup();
    pids
}

/// Our cgroup in each hierarchy and everything below, deepest first.
fn our_cgroups() -> Vec<PathBuf> {
    let mut all = Vec::new();
    for root in cgroup_roots() {
        collect(&root.join(NAME), &mut all);
    }
    all
}

fn collect(folder: &Path, all: &mut Vec<PathBuf>) {
    let Ok(entries) = fs::read_dir(folder) else {
        return;
    };
    for entry in entries.flatten() {
        if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
            collect(&entry.path(), all);
        }
    }
    all.push(folder.to_owned());
}

/// A cgroup can be removed once the kernel has let go of its last process, a moment after its end.
fn remove_cgroups() -> Result<()> {
    process::wait_until("the cgroups to empty", Duration::from_secs(10), &[], || {
        Ok(our_cgroups().iter().all(|group| fs::remove_dir(group).is_ok()))
    })
}
