//! What the machine must have: looked for by the file that is needed, installed as Debian packages.

use std::{path::Path, process::Command};

use anyhow::{Context as _, Result, bail};

use crate::{
    mode::{Mode, is_root},
    report,
};

/// Something the machine must have.
struct Needed {
    /// A program in PATH, or an absolute path.
    file: &'static str,
    package: &'static str,
}

const fn needed(file: &'static str, package: &'static str) -> Needed {
    Needed { file, package }
}

/// Compilers for the images and for the pause program.
const BUILD: &[Needed] =
    &[needed("gcc", "gcc"), needed("musl-gcc", "musl-tools"), needed("tar", "tar")];

/// What containerd, the kubelet and kube-proxy call.
const NODE: &[Needed] = &[
    needed("/usr/lib/cni/bridge", "containernetworking-plugins"),
    needed("conntrack", "conntrack"),
    needed("ip", "iproute2"),
    needed("iptables", "iptables"),
    needed("nft", "nftables"),
    needed("nsenter", "util-linux"),
    needed("runc", "runc"),
    needed("setpriv", "util-linux"),
    needed("setsid", "util-linux"),
];

/// Makes sure that everything `mode` needs is there.
///
/// # Errors
/// When something is missing and this is not root, or the packages cannot be installed: the exact
/// command to run by hand.
pub(crate) fn ensure(mode: Mode) -> Result<()> {
    let lists: &[&[Needed]] = match mode {
        Mode::Namespace => &[BUILD, NODE],
        Mode::Kind | Mode::ControlPlaneOnly => &[],
    };
    let missing: Vec<_> =
        lists.iter().copied().flatten().filter(|needed| !is_there(needed.file)).collect();
    if !is_there("go") {
        bail!(
            "Go 1.26.6 or newer is needed to build Kubernetes' own programs; install it and put it in PATH"
        );
    }
    if missing.is_empty() {
        return Ok(());
    }
    let mut packages: Vec<_> = missing.iter().map(|needed| needed.package).collect();
    packages.sort_unstable();
    packages.dedup();
    let by_hand = format!(
        "apt-get update && apt-get install -y --no-install-recommends {}",
        packages.join(" ")
    );
    if !is_root() || !is_there("apt-get") {
        let files: Vec<_> = missing.iter().map(|needed| needed.file).collect();
        bail!("{} missing; install with:\n    {by_hand}", files.join(", "));
    }
    report::step(format!("installing {}", packages.join(" ")), || install(&packages, &by_hand))
}

fn install(packages: &[&str], by_hand: &str) -> Result<()> {
    apt_get(&["update"], by_hand)?;
    let mut arguments = vec!["install", "-y", "--no-install-recommends"];
    arguments.extend(packages);
    apt_get(&arguments, by_hand)
}

fn apt_get(arguments: &[&str], by_hand: &str) -> Result<()> {
    let output = Command::new("apt-get")
        .args(arguments)
        .env("DEBIAN_FRONTEND", "noninteractive")
        .output()
        .context("cannot run apt-get")?;
    if !output.status.success() {
        bail!(
            "apt-get {} failed: {}\ntry it by hand:\n    {by_hand}",
            arguments.join(" "),
            String::from_utf8_lossy(&output.stderr).trim()
        );
    }
    Ok(())
}

/// Whether `file` is an executable in PATH, or an absolute path that exists.
pub(crate) fn is_there(file: &str) -> bool {
    if file.starts_with('/') {
        return Path::new(file).exists();
    }
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path).any(|folder| folder.join(file).is_file())
}
