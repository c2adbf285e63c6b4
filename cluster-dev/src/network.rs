//! The node's namespaces: a network of its own, linked to the host and routed there, and mounts of its
//! own, so that whatever containerd and the kubelet mount goes away with them.

use std::{
    fs,
    path::Path,
    process::{Command, Stdio},
};

use anyhow::{Context as _, Result, bail};

use crate::layout::{CLUSTER_NET, HOST, LINK_PREFIX, Layout, NAME, NODE};

/// Where kube-controller-manager makes volumes (`pkg/volume/hostpath`).
const VOLUMES: &str = "/tmp/hostpath_pv";

/// The host's end of the link. Interface names have at most 15 characters.
const HOST_LINK: &str = "bp-openclaw";
/// The node's end of the link.
const NODE_LINK: &str = "uplink";

/// Makes both namespaces, as far as they are missing.
pub(crate) fn up(layout: &Layout) -> Result<()> {
    if !exists() {
        refuse_taken_network()?;
        ip(&format!("netns add {NAME}"))?;
    }
    link(layout)?;
    private_mounts(layout)?;
    run(inside(layout, "sysctl").args(["-qw", "net.ipv4.ip_forward=1"]))
}

/// Links the node to the host. The owner is written last, so that a half-made link is made again.
fn link(layout: &Layout) -> Result<()> {
    match owner() {
        Some(_) if belongs_to(layout) => return Ok(()),
        Some(owner) if !owner.is_empty() => {
            bail!(
                "a cluster with its state in {owner} runs on this machine, and there can be only one"
            )
        }
        Some(_) => ip(&format!("link delete {HOST_LINK}"))?,
        None => {}
    }
    ip(&format!("link add {HOST_LINK} type veth peer name {NODE_LINK} netns {NAME}"))?;
    ip(&format!("address add {HOST}/{LINK_PREFIX} dev {HOST_LINK}"))?;
    ip(&format!("link set {HOST_LINK} up"))?;
    ip(&format!("-n {NAME} link set lo up"))?;
    ip(&format!("-n {NAME} address add {NODE}/{LINK_PREFIX} dev {NODE_LINK}"))?;
    ip(&format!("-n {NAME} link set {NODE_LINK} up"))?;
    ip(&format!("-n {NAME} route add default via {HOST}"))?;
    // The link's own /24 is more specific; this is for pods and services.
    ip(&format!("route add {CLUSTER_NET} via {NODE}"))?;
    run(Command::new("ip").args(["link", "set", HOST_LINK, "alias"]).arg(&layout.state))
}

/// A mount namespace, kept by a bind mount of its file on a private mount (mount_namespaces(7)).
fn private_mounts(layout: &Layout) -> Result<()> {
    let folder = layout.folder("namespaces")?;
    let file = folder.join("mount");
    if !is_mount_point(&folder)? {
        run(Command::new("mount").arg("--bind").args([&folder, &folder]))?;
        run(Command::new("mount").arg("--make-private").arg(&folder))?;
    }
    if !is_mount_point(&file)? {
        fs::write(&file, "")?;
        let mut option = std::ffi::OsString::from("--mount=");
        option.push(&file);
        run(Command::new("unshare").arg(option).args(["--propagation", "slave", "true"]))?;
        // Pods share mounts with the kubelet; containerd's sockets, the containers' logs and the pods'
        // volumes are ours alone.
        run(inside(layout, "mount").args(["--make-rshared", "/"]))?;
        run(inside(layout, "mount").args(["-t", "tmpfs", "tmpfs", "/run"]))?;
        fs::create_dir_all(VOLUMES).with_context(|| format!("cannot make {VOLUMES}"))?;
        for (ours, seen_as) in [("var-log", "/var/log"), ("volumes", VOLUMES)] {
            run(inside(layout, "mount").arg("--bind").arg(layout.folder(ours)?).arg(seen_as))?;
        }
    }
    Ok(())
}

/// Removes both namespaces and the link. Their processes must have ended.
pub(crate) fn down(layout: &Layout) -> Result<()> {
    let folder = layout.namespaces();
    for mounted in [folder.join("mount"), folder.clone()] {
        while is_mount_point(&mounted)? {
            run(Command::new("umount").arg(&mounted))?;
        }
    }
    // The link first: the end of the namespace takes it along, some moments later.
    if owner().is_some() {
        ip(&format!("link delete {HOST_LINK}"))?;
    }
    if exists() {
        ip(&format!("netns delete {NAME}"))?;
    }
    // The place where they were mounted; what was in them goes with the state.
    match fs::remove_dir(VOLUMES) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            Err(error).with_context(|| format!("cannot remove {VOLUMES}"))
        }
        _ => Ok(()),
    }
}

/// A command that runs on the node: in its network and its mounts.
///
/// Not `ip netns exec`: that remounts /sys and hides the cgroups from the kubelet.
pub(crate) fn inside(layout: &Layout, program: impl AsRef<std::ffi::OsStr>) -> Command {
    let mut command = Command::new("nsenter");
    let mut mount = std::ffi::OsString::from("--mount=");
    mount.push(layout.namespaces().join("mount"));
    command.arg(mount).arg(format!("--net={}", namespace_file().display())).arg(program);
    command
}

/// Whether the network on this machine is that of the cluster in `layout`: the host's end of the link
/// carries the path of its state.
pub(crate) fn belongs_to(layout: &Layout) -> bool {
    owner().is_some_and(|owner| owner == layout.state.display().to_string())
}

fn owner() -> Option<String> {
    let alias =
        fs::read_to_string(Path::new("/sys/class/net").join(HOST_LINK).join("ifalias")).ok()?;
    Some(alias.trim().to_owned())
}

fn exists() -> bool {
    namespace_file().exists()
}

fn namespace_file() -> std::path::PathBuf {
    Path::new("/run/netns").join(NAME)
}

/// Refuses to take addresses that something else on this machine uses.
fn refuse_taken_network() -> Result<()> {
    let output =
        Command::new("ip").args(["-4", "route", "show", "to", "root", CLUSTER_NET]).output()?;
    let routes = String::from_utf8_lossy(&output.stdout);
    if routes.trim().is_empty() {
        return Ok(());
    }
    bail!(
        "this machine already routes part of {CLUSTER_NET}, which the cluster needs: {}",
        routes.trim()
    )
}

/// Whether something is mounted exactly there (`/proc/self/mountinfo`, proc(5)).
fn is_mount_point(path: &Path) -> Result<bool> {
    let mounts = fs::read_to_string("/proc/self/mountinfo").context("cannot read the mounts")?;
    // Spaces stand as octal escapes in that file.
    let wanted = path.display().to_string().replace(' ', "\\040");
    Ok(mounts.lines().any(|line| line.split(' ').nth(4) == Some(wanted.as_str())))
}

fn ip(arguments: &str) -> Result<()> {
    run(Command::new("ip").args(arguments.split(' ')))
}

/// Runs a short command; its words on stderr become the error.
pub(crate) fn run(command: &mut Command) -> Result<()> {
    output(command).map(drop)
}

/// What a command prints that has to succeed.
pub(crate) fn output(command: &mut Command) -> Result<String> {
    let output =
        command.stdin(Stdio::null()).output().with_context(|| format!("cannot run {command:?}"))?;
    if !output.status.success() {
        bail!("{command:?} failed: {}", String::from_utf8_lossy(&output.stderr).trim());
    }
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}
