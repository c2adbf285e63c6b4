//! The command line.

use std::path::PathBuf;

use anyhow::Result;
use clap::{Args, Parser, Subcommand};

use crate::{down, environment, images, layout::Layout, mode::Mode, status, up};

/// A one-node Kubernetes cluster for development.
///
/// With a Docker engine: kind. Without, as root: the real control plane, containerd and kubelet in a
/// network namespace. With neither: etcd and kube-apiserver only (--control-plane-only).
#[derive(Debug, Parser)]
#[command(name = "cluster-dev", version, after_help = EXAMPLES)]
struct Cli {
    #[command(flatten)]
    folders: Folders,
    #[command(subcommand)]
    command: Command,
}

const EXAMPLES: &str = "Examples:
  cluster-dev up                        bring the cluster up; a second time changes nothing
  cluster-dev up --control-plane-only   etcd and kube-apiserver alone, without root
  cluster-dev load                      make images of our programs and give them to the cluster
  export $(cluster-dev env)             KUBECONFIG and the rest, for kubectl and the tests
  cluster-dev down                      end it and leave nothing behind but the cache";

#[derive(Debug, Args)]
struct Folders {
    /// Where the running cluster keeps its state [default: bp-openclaw/cluster in the user's state folder]
    #[arg(long, env = "CLUSTER_DEV_STATE", global = true)]
    state: Option<PathBuf>,
    /// Where built tools are kept between clusters [default: bp-openclaw in the user's cache folder]
    #[arg(long, env = "CLUSTER_DEV_CACHE", global = true)]
    cache: Option<PathBuf>,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Bring the cluster up; what already runs is left alone
    Up {
        /// Where it runs; by default the best that this machine can do
        #[arg(long, value_enum, env = "CLUSTER_DEV_MODE")]
        mode: Option<Mode>,
        /// Same as --mode control-plane-only: needs neither root nor Docker, runs no pods
        #[arg(long, conflicts_with = "mode")]
        control_plane_only: bool,
        /// Have the API server write down who asked it for what; not with kind
        #[arg(long, env = "CLUSTER_DEV_AUDIT")]
        audit: bool,
    },
    /// End the cluster: processes, mounts, namespaces, rules, state
    Down,
    /// Show each part, its process and its log
    Status,
    /// Print what scripts need, as KEY=VALUE lines
    Env,
    /// Make images of static binaries and give them to the cluster
    Load(images::LoadArgs),
    /// Make images of static binaries and push them to a registry of yours; needs no cluster
    Push(images::PushArgs),
}

/// Parses the command line and runs the command.
///
/// # Errors
/// Whatever stopped the command, with the part that failed and the way out.
pub(crate) fn run() -> Result<()> {
    let cli = Cli::parse();
    let layout = Layout::new(cli.folders.state, cli.folders.cache)?;
    match cli.command {
        Command::Up { mode, control_plane_only, audit } => {
            let mode = if control_plane_only { Some(Mode::ControlPlaneOnly) } else { mode };
            up::run(&layout, mode, audit)
        }
        Command::Down => down::run(&layout),
        Command::Status => status::run(&layout),
        Command::Env => environment::print(&layout),
        Command::Load(args) => images::load(&layout, &args),
        Command::Push(args) => images::push_elsewhere(&layout, &args),
    }
}
