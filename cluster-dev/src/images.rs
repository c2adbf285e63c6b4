//! Images without Docker: a static binary in a tar is a layer, and crane makes an image of it.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context as _, Result, bail};
use clap::Args;
use sha2::{Digest as _, Sha256};

use crate::{
    kind,
    layout::Layout,
    mode::Mode,
    network::{inside, output, run},
    packaged, process, report,
    tools::{self, Tool},
};

/// The registry's address on the node's loopback.
pub(crate) const REGISTRY: &str = "127.0.0.1:5000";
/// The sandbox image that containerd is configured with.
pub(crate) const PAUSE: &str = "127.0.0.1:5000/bp-openclaw/pause:pinned";
/// Our programs, and their images' names.
pub(crate) const PROGRAMS: [&str; 4] = ["webhook", "sidecar", "spawner", "runtime"];
/// The unprivileged user of our images; the one that distroless images call `nonroot`.
const NONROOT: u32 = 65532;
/// Where the tag of the last load is kept, in the state folder.
const TAG_FILE: &str = "image-tag";

/// What goes into an image: one static program, which is its entry point.
pub(crate) struct Image<'a> {
    pub(crate) name: &'a str,
    pub(crate) program: &'a Path,
    pub(crate) user: u32,
    pub(crate) arguments: &'a [&'a str],
}

/// How an image's process is started.
pub(crate) struct Config<'a> {
    pub(crate) user: u32,
    /// Program and fixed arguments, separated by commas.
    pub(crate) entrypoint: String,
    pub(crate) arguments: &'a [&'a str],
    /// Each as `NAME=value`.
    pub(crate) environment: &'a [&'a str],
}

/// Arguments of `cluster-dev load`.
#[derive(Debug, Args)]
pub(crate) struct LoadArgs {
    /// Folder with the static binaries webhook, sidecar, spawner and runtime (`make binaries` makes them)
    #[arg(
        long,
        default_value = "target/x86_64-unknown-linux-musl/image",
        env = "CLUSTER_DEV_BINARIES"
    )]
    binaries: PathBuf,
    /// The real OpenClaw and Node-RED too, made of their registry packages (needs npm)
    #[arg(long)]
    openclaw: bool,
}

/// Arguments of `cluster-dev push`.
#[derive(Debug, Args)]
pub(crate) struct PushArgs {
    /// Where the images go; crane's login is used, and loopback is spoken to without TLS
    #[arg(long, value_name = "HOST/PATH")]
    to: String,
    /// The images' tag
    #[arg(long)]
    tag: String,
    /// Folder with the static binaries webhook, sidecar, spawner and runtime (`make binaries` makes them)
    #[arg(
        long,
        default_value = "target/x86_64-unknown-linux-musl/image",
        env = "CLUSTER_DEV_BINARIES"
    )]
    binaries: PathBuf,
}

/// Makes the images of our programs, pushes them to any registry and prints each with its digest, which
/// is the same for the same programs.
#[expect(clippy::print_stdout, reason = "what scripts read")]
pub(crate) fn push_elsewhere(layout: &Layout, args: &PushArgs) -> Result<()> {
    tools::ensure(layout, &[Tool::CRANE])?;
    for name in PROGRAMS {
        let reference = format!("{}/{name}:{}", args.to, args.tag);
        let program = args.binaries.join(name);
        let image = Image { name, program: &program, user: NONROOT, arguments: &[] };
        push(layout, &image, &reference)?;
        let digest = output(crane(layout).args(["digest", &reference]))?;
        println!("{reference}@{}", digest.trim());
    }
    Ok(())
}

/// Makes the images of our programs and gives them to the cluster. The tag is a hash of the content,
/// so that the same programs are the same images and a changed one is rolled out.
pub(crate) fn load(layout: &Layout, args: &LoadArgs) -> Result<()> {
    let mode = Mode::of_running(layout)?;
    let programs = PROGRAMS.map(|name| (name, args.binaries.join(name)));
    let tag = tag_of(&programs)?;
    if args.openclaw {
        // The slow part first: it needs no cluster.
        packaged::ALL.iter().try_for_each(|image| image.layer(layout).map(drop))?;
    }
    match mode {
        Mode::ControlPlaneOnly => {
            bail!("a control plane alone runs no pods, so it needs no images")
        }
        Mode::Kind => report::step(format!("images {tag} loaded into kind"), || {
            kind::load(layout, || push_all(layout, &programs, &tag, args.openclaw))
        })?,
        Mode::Namespace => report::step(format!("images {tag} pushed to {REGISTRY}"), || {
            if process::find(layout, "registry")?.is_none() {
                bail!("the registry does not run; `cluster-dev up` starts it");
            }
            push_all(layout, &programs, &tag, args.openclaw).map(drop)
        })?,
    }
    fs::write(layout.state.join(TAG_FILE), tag)?;
    if args.openclaw {
        packaged::ALL.iter().try_for_each(|image| image.remember(layout))?;
    }
    Ok(())
}

/// The tag of the last load, empty before the first.
pub(crate) fn loaded_tag(layout: &Layout) -> String {
    fs::read_to_string(layout.state.join(TAG_FILE)).unwrap_or_default()
}

/// How the image of that name is called in the registry.
pub(crate) fn reference(name: &str, tag: &str) -> String {
    format!("{REGISTRY}/bp-openclaw/{name}:{tag}")
}

/// Pushes what the registry does not have yet; the names of all, with their references.
fn push_all(
    layout: &Layout,
    programs: &[(&'static str, PathBuf)],
    tag: &str,
    openclaw: bool,
) -> Result<Vec<(&'static str, String)>> {
    let mut pushed = Vec::new();
    for (name, program) in programs {
        let reference = reference(name, tag);
        if !is_pushed(layout, &reference) {
            push(layout, &Image { name, program, user: NONROOT, arguments: &[] }, &reference)?;
        }
        pushed.push((*name, reference));
    }
    if openclaw {
        for image in packaged::ALL {
            pushed.push(image.push(layout)?);
        }
    }
    Ok(pushed)
}

fn tag_of(programs: &[(&str, PathBuf)]) -> Result<String> {
    let mut hash = Sha256::new();
    for (name, path) in programs {
        let program = fs::read(path).with_context(|| {
            format!(
                "there is no {}; build the static binaries with `make binaries`",
                path.display()
            )
        })?;
        hash.update(name);
        hash.update(program);
    }
    Ok(hash.finalize().iter().take(6).map(|byte| format!("{byte:02x}")).collect())
}

/// Whether the registry has that image.
pub(crate) fn is_pushed(layout: &Layout, reference: &str) -> bool {
    crane(layout).args(["digest", reference]).output().is_ok_and(|output| output.status.success())
}

/// Makes an image of one program and pushes it.
pub(crate) fn push(layout: &Layout, image: &Image<'_>, reference: &str) -> Result<()> {
    let work = tempfile::tempdir_in(layout.folder("images")?)?;
    let layer = layer(work.path(), image)?;
    let config = Config {
        user: image.user,
        entrypoint: format!("/{}", image.name),
        arguments: image.arguments,
        environment: &[],
    };
    publish(layout, &layer, &config, reference)
}

/// Pushes an image of one layer.
pub(crate) fn publish(
    layout: &Layout,
    layer: &Path,
    config: &Config<'_>,
    reference: &str,
) -> Result<()> {
    run(crane(layout).args(["append", "--oci-empty-base", "-t", reference, "-f"]).arg(layer))?;
    let mut mutate = crane(layout);
    // Without a platform containerd filters the image out.
    mutate.args([
        "mutate",
        reference,
        "-t",
        reference,
        "--set-platform",
        &format!("linux/{}", architecture()),
    ]);
    mutate.args(["--user", &config.user.to_string(), "--entrypoint", &config.entrypoint]);
    for argument in config.arguments {
        mutate.args(["--cmd", argument]);
    }
    for variable in config.environment {
        mutate.args(["--env", variable]);
    }
    run(&mut mutate)
}

/// A tar with the program alone, the same bytes for the same program.
fn layer(work: &Path, image: &Image<'_>) -> Result<PathBuf> {
    let root = work.join("root");
    fs::create_dir(&root)?;
    let copy = root.join(image.name);
    fs::copy(image.program, &copy)
        .with_context(|| format!("cannot copy {}", image.program.display()))?;
    fs::set_permissions(&copy, std::os::unix::fs::PermissionsExt::from_mode(0o755))?;
    let layer = work.join("layer.tar");
    let mut tar = Command::new("tar");
    tar.args(["--sort=name", "--mtime=@0", "--owner=0", "--group=0", "--numeric-owner", "-cf"])
        .arg(&layer);
    run(tar.arg("-C").arg(&root).arg(image.name))?;
    Ok(layer)
}

/// crane where it reaches the registry: on the node, or on the host for kind.
fn crane(layout: &Layout) -> Command {
    let program = tools::program(layout, "crane");
    if layout.namespaces().exists() { inside(layout, program) } else { Command::new(program) }
}

/// The machine's architecture in the words of OCI images.
fn architecture() -> &'static str {
    match std::env::consts::ARCH {
        "x86_64" => "amd64",
        "aarch64" => "arm64",
        other => other,
    }
}
