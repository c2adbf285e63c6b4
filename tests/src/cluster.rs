//! The development cluster: what `cluster-dev env` says about it.

use std::{
    collections::BTreeMap,
    fmt,
    path::{Path, PathBuf},
    process::Command,
    str::FromStr,
};

use anyhow::{Context as _, Result, bail};
use kube::config::{KubeConfigOptions, Kubeconfig};

use crate::process::built;

/// How the cluster runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// The real control plane, containerd and kubelet on this host, in a network namespace.
    Namespace,
    /// A kind cluster in Docker.
    Kind,
    /// etcd and kube-apiserver: everything but running pods.
    ControlPlaneOnly,
}

/// A running development cluster.
#[derive(Clone, Debug)]
pub struct Cluster {
    /// How it runs.
    pub mode: Mode,
    /// The way in, as cluster-admin.
    pub kubeconfig: PathBuf,
    /// This host, as pods see it.
    pub host_address: String,
    /// The node: where NodePorts answer.
    pub node_address: String,
    /// Where the images are, without a trailing slash.
    pub registry: String,
    /// The tag of the images that were loaded last.
    pub image_tag: String,
    /// The image of the real OpenClaw; empty where it was not loaded.
    pub openclaw_image: String,
    /// The image of Node-RED; empty where it was not loaded.
    pub node_red_image: String,
    /// Folder with kubectl, helm and the others.
    pub tools: PathBuf,
    /// Where this cluster keeps its state; `cluster-dev down` removes it.
    pub state: PathBuf,
    /// What is kept for the next cluster too, such as the layers of images.
    pub cache: PathBuf,
}

impl Cluster {
    /// The cluster that is running, from the environment or else from `cluster-dev env`.
    ///
    /// # Errors
    /// None is running; the message says how to start one.
    pub fn running() -> Result<Self> {
        let set = |name: &str| std::env::var(name).ok().filter(|value| !value.is_empty());
        if set("CLUSTER_MODE").is_some() {
            return Self::described_by(set);
        }
        let asked = Command::new(built("cluster-dev")?).arg("env").output()?;
        if !asked.status.success() {
            let said = String::from_utf8_lossy(&asked.stderr);
            bail!("no development cluster is running: start one with `make up`\n{}", said.trim());
        }
        let lines = parse(&String::from_utf8_lossy(&asked.stdout));
        Self::described_by(|name| lines.get(name).cloned())
    }

    fn described_by(value: impl Fn(&str) -> Option<String>) -> Result<Self> {
        let required =
            |name: &str| value(name).with_context(|| format!("`cluster-dev env` prints no {name}"));
        Ok(Self {
            mode: required("CLUSTER_MODE")?.parse()?,
            kubeconfig: required("KUBECONFIG")?.into(),
            host_address: required("HOST_ADDRESS")?,
            node_address: required("NODE_ADDRESS")?,
            registry: required("REGISTRY")?.trim_end_matches('/').to_owned(),
            // Empty before the first `cluster-dev load`.
            image_tag: value("IMAGE_TAG").unwrap_or_default(),
            openclaw_image: value("OPENCLAW_IMAGE").unwrap_or_default(),
            node_red_image: value("NODE_RED_IMAGE").unwrap_or_default(),
            tools: required("TOOLS")?.into(),
            state: required("STATE_DIR")?.into(),
            cache: required("CACHE_DIR")?.into(),
        })
    }

    /// Whether pods really run.
    #[must_use]
    pub fn runs_pods(&self) -> bool {
        self.mode != Mode::ControlPlaneOnly
    }

    /// One of the cluster's tools, set up to talk to it.
    #[must_use]
    pub fn tool(&self, name: &str) -> Command {
        let pinned = self.tools.join(name);
        let program = if pinned.exists() { pinned.as_path() } else { Path::new(name) };
        let mut command = Command::new(program);
        command.env("KUBECONFIG", &self.kubeconfig);
        command
    }

    /// A folder for what is about this cluster, made when it is missing.
    ///
    /// # Errors
    /// It cannot be made.
    pub fn folder(&self, name: &str) -> Result<PathBuf> {
        let folder = self.state.join(name);
        std::fs::create_dir_all(&folder)
            .with_context(|| format!("cannot make the folder {}", folder.display()))?;
        Ok(folder)
    }

    /// The Kubernetes API, as cluster-admin.
    ///
    /// # Errors
    /// The kubeconfig cannot be used.
    pub async fn api(&self) -> Result<kube::Client> {
        self.api_as(None).await
    }

    /// The Kubernetes API as somebody else: impersonated, so that RBAC decides as it would for them.
    ///
    /// # Errors
    /// The kubeconfig cannot be used.
    pub async fn api_as(&self, somebody: Option<&str>) -> Result<kube::Client> {
        // The first call wins; a later one finds the same provider.
        drop(rustls::crypto::aws_lc_rs::default_provider().install_default());
        let file = Kubeconfig::read_from(&self.kubeconfig)?;
        let options = KubeConfigOptions::default();
        let mut config = kube::Config::from_custom_kubeconfig(file, &options).await?;
        config.auth_info.impersonate = somebody.map(str::to_owned);
        Ok(kube::Client::try_from(config)?)
    }
}

impl FromStr for Mode {
    type Err = anyhow::Error;

    fn from_str(text: &str) -> Result<Self> {
        Ok(match text {
            "namespace" => Self::Namespace,
            "kind" => Self::Kind,
            "control-plane-only" => Self::ControlPlaneOnly,
            _ => bail!("CLUSTER_MODE is {text:?}; known are namespace, kind, control-plane-only"),
        })
    }
}

impl fmt::Display for Mode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Namespace => "real kubelet and containerd on this host",
            Self::Kind => "kind",
            Self::ControlPlaneOnly => "control plane only",
        })
    }
}

/// Lines of KEY=VALUE, with or without `export` and quotes.
fn parse(text: &str) -> BTreeMap<String, String> {
    let pairs = text.lines().filter_map(|line| {
        let line = line.trim();
        let (key, value) = line.strip_prefix("export ").unwrap_or(line).split_once('=')?;
        Some((key.to_owned(), value.trim_matches(['"', '\'']).to_owned()))
    });
    pairs.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const PRINTED: &str = "CLUSTER_MODE=namespace\nKUBECONFIG=/s/kubeconfig\nHOST_ADDRESS=10.0.0.254\n\
        NODE_ADDRESS=10.0.0.1\nexport REGISTRY='127.0.0.1:5000/'\nIMAGE_TAG=abc\nTOOLS=/t\nSTATE_DIR=/s\nCACHE_DIR=/c\n";

    #[test]
    fn a_cluster_is_read_from_what_cluster_dev_prints() {
        let lines = parse(PRINTED);
        let cluster = Cluster::described_by(|name| lines.get(name).cloned()).unwrap();
        assert_eq!(cluster.mode, Mode::Namespace);
        assert_eq!(cluster.registry, "127.0.0.1:5000");
        assert!(cluster.runs_pods());
    }

    #[test]
    fn what_is_missing_or_unknown_is_named() {
        let lines = parse(&PRINTED.replace("TOOLS", "TOOL"));
        let error = Cluster::described_by(|name| lines.get(name).cloned()).unwrap_err();
        assert!(error.to_string().contains("TOOLS"), "{error}");
        let error = "docker".parse::<Mode>().unwrap_err();
        assert!(error.to_string().contains("\"docker\""), "{error}");
    }
}
