//! The cluster in kind, for machines with Docker.

use std::{path::Path, process::Command, time::Duration};

use anyhow::{Context as _, Result, bail};

use crate::{
    images::REGISTRY,
    layout::{Layout, NAME},
    network::run,
    process, report, tools,
};

/// The same file that people give to `kind create cluster --config`.
const CONFIG: &str = include_str!("../../kind-config.yaml");

/// Creates the kind cluster, unless it is there.
pub(crate) fn up(layout: &Layout) -> Result<()> {
    if exists(layout)? {
        return Ok(());
    }
    let config = layout.state.join("kind-config.yaml");
    std::fs::write(&config, CONFIG)?;
    report::step("kind cluster", || {
        let mut create = kind(layout);
        create
            .args(["create", "cluster", "--name", NAME, "--wait", "120s", "--config"])
            .arg(&config);
        run(create.arg("--kubeconfig").arg(layout.kubeconfig()))
    })
}

/// Deletes the kind cluster, if it is there.
pub(crate) fn down(layout: &Layout) -> Result<()> {
    if !exists(layout)? {
        return Ok(());
    }
    run(kind(layout)
        .args(["delete", "cluster", "--name", NAME])
        .arg("--kubeconfig")
        .arg(layout.kubeconfig()))
}

/// Loads images as archives: made in a registry on loopback that lives as long as the load.
pub(crate) fn load(
    layout: &Layout,
    push: impl FnOnce() -> Result<Vec<(&'static str, String)>>,
) -> Result<()> {
    let mut command = Command::new(tools::program(layout, "crane"));
    command.args(["registry", "serve", "--address", REGISTRY]);
    let registry = process::start(layout, "registry", &command)?;
    process::wait_until("the registry", Duration::from_secs(30), &[&registry], || {
        Ok(std::net::TcpStream::connect(REGISTRY).is_ok())
    })?;
    let loaded = push().and_then(|images| {
        images.iter().try_for_each(|(name, reference)| load_archive(layout, name, reference))
    });
    process::end(&registry)?;
    loaded
}

fn load_archive(layout: &Layout, name: &str, reference: &str) -> Result<()> {
    let archive: &Path = &layout.folder("images")?.join(format!("{name}.tar"));
    run(Command::new(tools::program(layout, "crane")).args(["pull", reference]).arg(archive))?;
    run(kind(layout).args(["load", "image-archive", "--name", NAME]).arg(archive))
}

/// The address at which pods reach this host: the gateway of kind's Docker network.
pub(crate) fn host_address() -> Result<String> {
    network("{{range .IPAM.Config}}{{.Gateway}} {{end}}", &["network", "inspect", "kind"])
}

/// The node's address in kind's Docker network.
pub(crate) fn node_address() -> Result<String> {
    let node = format!("{NAME}-control-plane");
    network("{{range .NetworkSettings.Networks}}{{.IPAddress}} {{end}}", &["inspect", &node])
}

/// The first IPv4 address that `docker` prints for a template.
fn network(template: &str, arguments: &[&str]) -> Result<String> {
    let output = Command::new("docker").args(arguments).args(["--format", template]).output()?;
    let text = String::from_utf8_lossy(&output.stdout);
    let address = text.split_whitespace().find(|address| address.contains('.'));
    address
        .map(str::to_owned)
        .with_context(|| format!("docker {} names no IPv4 address", arguments.join(" ")))
}

fn exists(layout: &Layout) -> Result<bool> {
    let output = kind(layout).args(["get", "clusters"]).output().context("cannot run kind")?;
    if !output.status.success() {
        bail!("kind get clusters failed: {}", String::from_utf8_lossy(&output.stderr).trim());
    }
    Ok(String::from_utf8_lossy(&output.stdout).lines().any(|name| name == NAME))
}

fn kind(layout: &Layout) -> Command {
    Command::new(tools::program(layout, "kind"))
}
