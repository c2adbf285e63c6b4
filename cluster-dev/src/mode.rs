//! Where the cluster runs: chosen once by `up`, then read from the state.

use std::{fmt, fs, process::Command};

use anyhow::{Context as _, Result, bail};
use clap::ValueEnum as _;

use crate::{
    layout::{Layout, make_folder},
    report,
};

/// Where the cluster runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Mode {
    /// kind, where a Docker engine answers
    Kind,
    /// The real control plane, containerd and kubelet in a network namespace; needs root
    Namespace,
    /// etcd and kube-apiserver on loopback; runs no pods
    ControlPlaneOnly,
}

impl fmt::Display for Mode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Kind => "kind",
            Self::Namespace => "namespace",
            Self::ControlPlaneOnly => "control-plane-only",
        })
    }
}

impl Mode {
    /// The mode of the cluster in `layout`, if `up` has ever chosen one.
    pub(crate) fn recorded(layout: &Layout) -> Result<Option<Self>> {
        let path = layout.state.join("mode");
        match fs::read_to_string(&path) {
            Ok(text) => Self::from_str(text.trim(), false).map(Some).map_err(|_| {
                anyhow::anyhow!(
                    "{} holds {text:?}, which is no mode; run `cluster-dev down`",
                    path.display()
                )
            }),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error).with_context(|| format!("cannot read {}", path.display())),
        }
    }

    /// The recorded mode, or words on how to get a cluster.
    pub(crate) fn of_running(layout: &Layout) -> Result<Self> {
        Self::recorded(layout)?.context("there is no cluster; start one with `cluster-dev up`")
    }

    /// Takes the asked-for mode, or the best this machine can do, and records it.
    pub(crate) fn choose(layout: &Layout, asked: Option<Self>) -> Result<Self> {
        let recorded = Self::recorded(layout)?;
        let mode = match (recorded, asked) {
            (Some(recorded), Some(asked)) if recorded != asked => bail!(
                "a cluster of mode {recorded} is there; end it with `cluster-dev down` before asking for {asked}"
            ),
            (Some(recorded), _) => return Ok(recorded),
            (None, Some(asked)) => asked,
            (None, None) => best()?,
        };
        if mode == Self::Namespace && !is_root() {
            bail!("mode namespace needs root; run this as root, or use --control-plane-only");
        }
        make_folder(&layout.state)?;
        fs::write(layout.state.join("mode"), mode.to_string())?;
        Ok(mode)
    }
}

fn best() -> Result<Mode> {
    if docker_answers() {
        report::say("A Docker engine answers: kind.");
        return Ok(Mode::Kind);
    }
    if is_root() {
        report::say(
            "No Docker engine: the real control plane, containerd and kubelet, in a network namespace.",
        );
        return Ok(Mode::Namespace);
    }
    bail!(
        "there is neither a Docker engine nor root here, and pods need one of them. Either start Docker, or run as \
         root, or use `cluster-dev up --control-plane-only`: etcd and kube-apiserver, on which every admission and \
         API test runs"
    )
}

/// Whether this process runs as root.
pub(crate) fn is_root() -> bool {
    nix::unistd::geteuid().is_root()
}

fn docker_answers() -> bool {
    Command::new("docker")
        .args(["info", "--format", "{{.ServerVersion}}"])
        .output()
        .is_ok_and(|output| output.status.success() && !output.stdout.trim_ascii().is_empty())
}
