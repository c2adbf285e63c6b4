//! Where things are kept, and the addresses of the cluster.

use std::{
    fs::{self, File, OpenOptions},
    net::Ipv4Addr,
    path::{Path, PathBuf},
    time::Duration,
};

use anyhow::{Context as _, Result};

use crate::process;

/// The node's address in its network namespace; the API server is reached here too.
pub(crate) const NODE: Ipv4Addr = Ipv4Addr::new(172, 31, 255, 1);
/// The host's end of the link to the node: how pods reach programs on the host.
pub(crate) const HOST: Ipv4Addr = Ipv4Addr::new(172, 31, 255, 254);
/// The link between host and node.
pub(crate) const LINK_PREFIX: u8 = 24;
/// What the host routes to the node: pods, services and the link itself.
pub(crate) const CLUSTER_NET: &str = "172.31.240.0/20";
/// Pod addresses.
pub(crate) const POD_NET: &str = "172.31.240.0/22";
/// Service addresses.
pub(crate) const SERVICE_NET: &str = "172.31.248.0/22";
/// First service address: `kubernetes.default`.
pub(crate) const API_SERVICE: Ipv4Addr = Ipv4Addr::new(172, 31, 248, 1);
/// CoreDNS.
pub(crate) const DNS_SERVICE: Ipv4Addr = Ipv4Addr::new(172, 31, 248, 10);
/// The node's name.
pub(crate) const NODE_NAME: &str = "bp-openclaw";
/// Name of the network namespace, of the cgroup, and of the kind cluster.
pub(crate) const NAME: &str = "bp-openclaw";

/// Folders of one cluster.
#[derive(Debug, Clone)]
pub(crate) struct Layout {
    /// Everything that belongs to the running cluster; `down` removes it.
    pub(crate) state: PathBuf,
    /// What is slow to make and survives `down`.
    pub(crate) cache: PathBuf,
}

impl Layout {
    pub(crate) fn new(state: Option<PathBuf>, cache: Option<PathBuf>) -> Result<Self> {
        let state = match state {
            Some(folder) => folder,
            None => user_folder("XDG_STATE_HOME", ".local/state")?.join("bp-openclaw/cluster"),
        };
        let cache = match cache {
            Some(folder) => folder,
            None => user_folder("XDG_CACHE_HOME", ".cache")?.join("bp-openclaw"),
        };
        Ok(Self { state: std::path::absolute(state)?, cache: std::path::absolute(cache)? })
    }

    pub(crate) fn kubeconfig(&self) -> PathBuf {
        self.state.join("kubeconfig")
    }

    pub(crate) fn pki(&self) -> PathBuf {
        self.state.join("pki")
    }

    pub(crate) fn logs(&self) -> PathBuf {
        self.state.join("logs")
    }

    /// What the API server writes down with `up --audit`.
    pub(crate) fn audit_log(&self) -> PathBuf {
        self.logs().join("audit.jsonl")
    }

    pub(crate) fn pids(&self) -> PathBuf {
        self.state.join("pids")
    }

    /// Where the node's mount namespace is kept alive (see [`crate::network`]).
    pub(crate) fn namespaces(&self) -> PathBuf {
        self.state.join("namespaces")
    }

    /// A folder under the state, made when it is missing.
    pub(crate) fn folder(&self, name: &str) -> Result<PathBuf> {
        make_folder(&self.state.join(name))
    }

    /// Holds off a second `up` or `down` until the returned file is dropped.
    pub(crate) fn lock(&self) -> Result<File> {
        // Beside the state, not in it: `down` removes the state while it holds the lock.
        let path = self.state.with_extension("lock");
        make_folder(path.parent().context("the state folder has no parent")?)?;
        let file = OpenOptions::new().create(true).append(true).open(&path)?;
        // One that was interrupted lets go within moments.
        process::wait_until("another cluster-dev to finish", Duration::from_secs(10), &[], || {
            Ok(file.try_lock().is_ok())
        })
        .with_context(|| {
            format!("another cluster-dev is at work ({} is locked)", path.display())
        })?;
        Ok(file)
    }
}

/// Makes a folder and its parents.
pub(crate) fn make_folder(path: &Path) -> Result<PathBuf> {
    fs::create_dir_all(path)
        .with_context(|| format!("cannot make the folder {}", path.display()))?;
    Ok(path.to_owned())
}

fn user_folder(variable: &str, below_home: &str) -> Result<PathBuf> {
    if let Some(folder) = std::env::var_os(variable).filter(|folder| !folder.is_empty()) {
        return Ok(folder.into());
    }
    let home = std::env::var_os("HOME").context("HOME is not set; pass --state and --cache")?;
    Ok(PathBuf::from(home).join(below_home))
}
