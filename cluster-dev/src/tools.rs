//! Kubernetes' own programs, built from pinned Go modules and kept by the content of their pins.

use std::{
    fs,
    io::{BufRead as _, BufReader},
    path::{Path, PathBuf},
    process::{Command, Stdio},
    time::SystemTime,
};

use anyhow::{Context as _, Result, bail};
use sha2::{Digest as _, Sha256};

use crate::{
    layout::{Layout, make_folder},
    report,
};

/// Programs that are built together: one `go build` of one pinned module.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Tool {
    name: &'static str,
    go_mod: &'static str,
    go_sum: &'static str,
    packages: &'static [&'static str],
    tags: &'static str,
    /// What Go calls the binary and what everybody else calls it.
    renamed: Option<(&'static str, &'static str)>,
    /// About how long a first build takes on two cores, for people who wait.
    minutes: u8,
}

macro_rules! pinned {
    ($folder:literal) => {
        (
            include_str!(concat!("../../tests/tools/", $folder, "/go.mod")),
            include_str!(concat!("../../tests/tools/", $folder, "/go.sum")),
        )
    };
}

const KUBERNETES: (&str, &str) = pinned!("kubernetes");
const ETCD_PINS: (&str, &str) = pinned!("etcd");
const CONTAINERD_PINS: (&str, &str) = pinned!("containerd");
const COREDNS_PINS: (&str, &str) = pinned!("coredns");
const CRANE_PINS: (&str, &str) = pinned!("crane");
const HELM_PINS: (&str, &str) = pinned!("helm");
const KIND_PINS: (&str, &str) = pinned!("kind");

impl Tool {
    const fn new(
        name: &'static str,
        pins: (&'static str, &'static str),
        packages: &'static [&'static str],
    ) -> Self {
        Self { name, go_mod: pins.0, go_sum: pins.1, packages, tags: "", renamed: None, minutes: 1 }
    }

    const fn takes(self, minutes: u8) -> Self {
        Self { minutes, ..self }
    }

    pub(crate) const CRANE: Self =
        Self::new("crane", CRANE_PINS, &["github.com/google/go-containerregistry/cmd/crane"]);
    pub(crate) const ETCD: Self = Self {
        renamed: Some(("server", "etcd")),
        ..Self::new("etcd", ETCD_PINS, &["go.etcd.io/etcd/server/v3"])
    };
    pub(crate) const KUBECTL: Self =
        Self::new("kubectl", KUBERNETES, &["k8s.io/kubernetes/cmd/kubectl"]).takes(2);
    pub(crate) const API_SERVER: Self =
        Self::new("kube-apiserver", KUBERNETES, &["k8s.io/kubernetes/cmd/kube-apiserver"]).takes(4);
    pub(crate) const KUBERNETES_NODE: Self = Self::new(
        "kubernetes-node",
        KUBERNETES,
        &[
            "k8s.io/kubernetes/cmd/kube-controller-manager",
            "k8s.io/kubernetes/cmd/kube-proxy",
            "k8s.io/kubernetes/cmd/kube-scheduler",
            "k8s.io/kubernetes/cmd/kubelet",
        ],
    )
    .takes(3);
    pub(crate) const CONTAINERD: Self = Self {
        // Snapshotters that need libraries of the host; overlayfs is enough.
        tags: "no_aufs,no_btrfs,no_devmapper,no_zfs",
        ..Self::new(
            "containerd",
            CONTAINERD_PINS,
            &[
                "github.com/containerd/containerd/v2/cmd/containerd",
                "github.com/containerd/containerd/v2/cmd/containerd-shim-runc-v2",
                "github.com/containerd/containerd/v2/cmd/ctr",
            ],
        )
    };
    pub(crate) const COREDNS: Self =
        Self::new("coredns", COREDNS_PINS, &["github.com/coredns/coredns"]).takes(2);
    pub(crate) const HELM: Self = Self::new("helm", HELM_PINS, &["helm.sh/helm/v4/cmd/helm"]);
    pub(crate) const KIND: Self = Self::new("kind", KIND_PINS, &["sigs.k8s.io/kind"]);

    /// Kubernetes' programs learn their version at link time; without it they say v0.0.0, and a chart
    /// that asks for a minimum refuses them.
    fn linker_flags(&self) -> String {
        let pinned =
            self.go_mod.lines().find_map(|line| line.trim().strip_prefix("k8s.io/kubernetes v"));
        let Some(version) = pinned.and_then(|rest| rest.split_whitespace().next()) else {
            return "-s -w".to_owned();
        };
        let (major, rest) = version.split_once('.').unwrap_or((version, ""));
        let minor = rest.split('.').next().unwrap_or_default();
        let package = "k8s.io/component-base/version";
        format!(
            "-s -w -X {package}.gitVersion=v{version} -X {package}.gitMajor={major} -X {package}.gitMinor={minor}"
        )
    }

    /// Where this tool's binaries are, or will be.
    fn folder(&self, layout: &Layout) -> PathBuf {
        let mut hash = Sha256::new();
        for part in
            [self.go_mod, self.go_sum, self.tags, &self.linker_flags(), std::env::consts::ARCH]
        {
            hash.update(part);
        }
        self.packages.iter().for_each(|package| hash.update(package));
        let key: String =
            hash.finalize().iter().take(6).map(|byte| format!("{byte:02x}")).collect();
        layout.cache.join("tools").join(format!("{}-{key}", self.name))
    }
}

/// Builds what is missing in the cache, then links all of it into one folder, which is returned.
pub(crate) fn ensure(layout: &Layout, tools: &[Tool]) -> Result<PathBuf> {
    let missing: Vec<_> = tools.iter().filter(|tool| !tool.folder(layout).exists()).collect();
    if !missing.is_empty() {
        let minutes: u32 = missing.iter().map(|tool| u32::from(tool.minutes)).sum();
        report::say(format!(
            "Building {} pinned tools from Go modules into {}; once, about {minutes} minutes on two cores.",
            missing.len(),
            layout.cache.join("tools").display()
        ));
    }
    for tool in missing {
        report::step(format!("built {}", tool.name), || build(layout, tool))?;
    }
    let bin = bin(layout)?;
    for tool in tools {
        for entry in fs::read_dir(tool.folder(layout))? {
            let entry = entry?;
            link(&entry.path(), &bin.join(entry.file_name()))?;
        }
    }
    Ok(bin)
}

/// The folder with every tool of the running cluster.
pub(crate) fn bin(layout: &Layout) -> Result<PathBuf> {
    make_folder(&layout.cache.join("bin"))
}

/// The path of one tool's program.
pub(crate) fn program(layout: &Layout, name: &str) -> PathBuf {
    layout.cache.join("bin").join(name)
}

/// The unpacked source of the pinned Kubernetes module.
pub(crate) fn kubernetes_source(layout: &Layout) -> Result<PathBuf> {
    let work = tempfile::tempdir_in(make_folder(&layout.cache)?)?;
    fs::write(work.path().join("go.mod"), KUBERNETES.0)?;
    fs::write(work.path().join("go.sum"), KUBERNETES.1)?;
    let mut list = Command::new("go");
    list.args(["list", "-mod", "readonly", "-m", "-f", "{{.Dir}}", "k8s.io/kubernetes"]);
    let output =
        list.current_dir(work.path()).env("GOWORK", "off").output().context("cannot run go")?;
    let folder = String::from_utf8_lossy(&output.stdout).trim().to_owned();
    if folder.is_empty() {
        bail!(
            "go does not know where k8s.io/kubernetes is: {}",
            String::from_utf8_lossy(&output.stderr).trim()
        );
    }
    Ok(folder.into())
}

fn link(target: &Path, link: &Path) -> Result<()> {
    if fs::read_link(link).is_ok_and(|current| current == target) {
        return Ok(());
    }
    match fs::remove_file(link) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(error.into()),
        _ => {}
    }
    std::os::unix::fs::symlink(target, link)
        .with_context(|| format!("cannot link {}", link.display()))
}

fn build(layout: &Layout, tool: &Tool) -> Result<()> {
    let folder = tool.folder(layout);
    let parent = folder.parent().context("the cache has no tools folder")?;
    make_folder(parent)?;
    let work = tempfile::Builder::new().prefix(tool.name).tempdir_in(parent)?;
    let (source, output) =
        (make_folder(&work.path().join("src"))?, make_folder(&work.path().join("bin"))?);
    fs::write(source.join("go.mod"), tool.go_mod)?;
    fs::write(source.join("go.sum"), tool.go_sum)?;
    let total = count_packages(&source, tool)?;
    let mut go = go(&source, "build", tool);
    go.args(["-v", "-trimpath", "-ldflags", &tool.linker_flags(), "-o"])
        .arg(&output)
        .args(tool.packages);
    run_with_progress(&mut go, tool.name, total)?;
    if let Some((given, wanted)) = tool.renamed {
        fs::rename(output.join(given), output.join(wanted))?;
    }
    // Renamed as a whole, so that an interrupted build is never taken for a finished one.
    fs::rename(&output, &folder)
        .with_context(|| format!("cannot move the binaries to {}", folder.display()))
}

fn go(source: &Path, verb: &str, tool: &Tool) -> Command {
    let mut go = Command::new("go");
    go.arg(verb).current_dir(source).env("CGO_ENABLED", "0").env("GOWORK", "off");
    if !tool.tags.is_empty() {
        go.args(["-tags", tool.tags]);
    }
    go.args(["-mod", "readonly"]);
    go
}

/// Downloads the modules and counts the packages, which is the length of the way.
fn count_packages(source: &Path, tool: &Tool) -> Result<usize> {
    report::progress(format!("{}: downloading modules", tool.name));
    let output = go(source, "list", tool)
        .args(["-deps"])
        .args(tool.packages)
        .output()
        .context("cannot run go")?;
    if !output.status.success() {
        bail!(
            "go list failed for {}:\n{}",
            tool.name,
            String::from_utf8_lossy(&output.stderr).trim()
        );
    }
    Ok(output.stdout.split(|byte| *byte == b'\n').count())
}

fn run_with_progress(go: &mut Command, name: &str, total: usize) -> Result<()> {
    let started = SystemTime::now();
    let mut child =
        go.stderr(Stdio::piped()).stdout(Stdio::null()).spawn().context("cannot run go")?;
    let lines = BufReader::new(child.stderr.take().context("go has no stderr")?).lines();
    let (mut built, mut last, mut shown) = (0_usize, Vec::new(), 0);
    for line in lines {
        let line = line?;
        built += 1;
        let elapsed = report::since(started).as_secs();
        if elapsed / 10 > shown {
            shown = elapsed / 10;
            report::progress(format!("{name}: {built} of at most {total} packages, {elapsed} s"));
        }
        last.push(line);
        if last.len() > 40 {
            last.remove(0);
        }
    }
    if !child.wait()?.success() {
        bail!("go build failed for {name}; its last lines:\n    {}", last.join("\n    "));
    }
    Ok(())
}
