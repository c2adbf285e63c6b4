//! The spawner, as it is shipped, against a real API server: how fast it makes pods and wakes who waits
//! for them, what that costs the API server by its own account, what a request through it costs beside
//! HAProxy and Envoy, and what it weighs.

mod account;
mod audit;
mod browser;
mod cluster;
mod growth;
mod pods;
mod proxying;
mod replica;
mod spawns;
mod user;
mod wake;
mod weight;

use std::path::PathBuf;

use anyhow::{Context as _, Result};
use bench_results::Results;
use nix::sys::resource::{Resource, getrlimit, setrlimit};
use tokio::task::LocalSet;

use self::{
    audit::Audit,
    cluster::{Cluster, ClusterArgs},
    pods::Crowd,
    proxying::Proxying,
    replica::Setup,
    wake::Sleepers,
};
use crate::{issuer::Issuer, upstream};

/// The spawner against a real API server
#[derive(Debug, clap::Parser)]
pub struct Args {
    /// The spawner as it is shipped
    #[arg(long, env = "BENCH_SPAWNER", value_name = "FILE")]
    spawner: PathBuf,

    /// The sidecar as it is shipped
    #[arg(long, env = "BENCH_SIDECAR", value_name = "FILE")]
    sidecar: PathBuf,

    /// The webhook, which says what pods look like after admission
    #[arg(long, env = "BENCH_WEBHOOK", value_name = "FILE")]
    webhook: PathBuf,

    #[command(flatten)]
    cluster: ClusterArgs,

    /// What is measured
    #[arg(long, env = "BENCH_PARTS", value_name = "NAME", value_enum, value_delimiter = ',', default_values_t = Part::ALL)]
    parts: Vec<Part>,

    /// How often everything is measured; the medians are reported
    #[arg(long, env = "BENCH_ROUNDS", value_name = "COUNT", default_value_t = 3, value_parser = clap::value_parser!(u32).range(1..=20))]
    rounds: u32,

    /// Users who spawn in each round
    #[arg(long, env = "BENCH_SPAWNS", value_name = "COUNT", default_value_t = 400)]
    spawns: usize,

    /// Spawns a second
    #[arg(long, env = "BENCH_SPAWN_RATE", value_name = "RATE", default_value_t = 50, value_parser = clap::value_parser!(u32).range(1..=1000))]
    spawn_rate: u32,

    /// Users who wait for their pods to become ready, with a sidecar each
    #[arg(long, env = "BENCH_SLEEPERS", value_name = "COUNT", default_value_t = 100)]
    sleepers: usize,

    /// Pods in the cache
    #[arg(long, env = "BENCH_PODS", value_name = "COUNT", default_value_t = 10_000)]
    pods: usize,

    /// Numbers of users between which growth is measured
    #[arg(long, env = "BENCH_GROWTH", value_name = "COUNT", value_delimiter = ',', default_values_t = [100, 1_000, 10_000])]
    growth: Vec<usize>,

    /// Idle WebSockets
    #[arg(long, env = "BENCH_WEB_SOCKETS", value_name = "COUNT", default_value_t = 10_000)]
    web_sockets: usize,

    /// Where the numbers go as JSON
    #[arg(
        long,
        env = "BENCH_OUT",
        value_name = "FILE",
        default_value = "target/bench/spawner.json"
    )]
    out: PathBuf,
}

/// Files that are open besides: addresses of pods, sidecars' logs, the API server.
const SPARE_FILES: usize = 1000;

/// What can be measured by itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
enum Part {
    /// Spawns at a fixed rate, and what they cost the API server
    Spawns,
    /// From a pod's readiness to the first byte
    Wake,
    /// Memory with many pods and many WebSockets
    Weight,
    /// Requests to pods that are ready
    Proxying,
    /// What users cost as there are more of them
    Growth,
}

impl Part {
    const ALL: [Self; 5] = [Self::Spawns, Self::Wake, Self::Weight, Self::Proxying, Self::Growth];
}

/// Everything that a run holds on to.
struct Bench {
    args: Args,
    cluster: Cluster,
    audit: Audit,
    issuer: Issuer,
    setup: Setup,
    /// Files of this run.
    folder: PathBuf,
}

/// Measures everything, prints the table and writes the JSON.
///
/// # Errors
/// Something could not be measured.
pub fn run(mut args: Args) -> Result<()> {
    edge::program::install_crypto_provider();
    let asked = args.web_sockets;
    args.web_sockets = affordable(asked)?;
    let mut report = Results::new("spawner");
    report.program("spawner", "");
    if args.web_sockets < asked {
        report.say(format!(
            "{} WebSockets instead of {asked}: this process may not open more files",
            args.web_sockets
        ));
    }
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    LocalSet::new().block_on(&runtime, measure(args, report))
}

async fn measure(args: Args, mut report: Results) -> Result<()> {
    let folder = tempfile::tempdir()?;
    let bench = Bench::prepare(args, folder.path().to_owned()).await?;
    let upstream = upstream::start().await?;
    if bench.measures(Part::Spawns) {
        for round in bench.rounds("spawns") {
            spawns::round(&bench, round, &mut report).await?;
        }
    }
    if bench.measures(Part::Wake) {
        let sleepers = Sleepers::start(&bench, upstream).await?;
        for _ in bench.rounds("wake") {
            sleepers.round(&bench, &mut report).await?;
        }
    }
    if bench.measures(Part::Weight) || bench.measures(Part::Proxying) {
        let crowd = Crowd::create(&bench).await?;
        bench.with_crowd(&crowd, upstream, &mut report).await?;
        bench.cluster.remove_pods().await?;
    }
    if bench.measures(Part::Growth) {
        growth::measure(&bench, &mut report).await?;
    }
    crate::publish(&mut report, &bench.args.out)
}

impl Bench {
    async fn prepare(args: Args, folder: PathBuf) -> Result<Self> {
        let cluster = Cluster::connect(&args.cluster).await?;
        let installed = cluster.install(&args.cluster, &folder).await?;
        cluster.remove_pods().await?;
        let issuer = Issuer::start().await?;
        let setup = Setup::write(&args.spawner, &args.webhook, &folder, &installed, &issuer)?;
        let audit = Audit::of(&installed.user, args.cluster.audit_log.clone());
        Ok(Self { args, cluster, audit, issuer, setup, folder })
    }

    fn measures(&self, part: Part) -> bool {
        self.args.parts.contains(&part)
    }

    /// The rounds, from the first that is announced.
    fn rounds(&self, part: &'static str) -> impl Iterator<Item = usize> + use<> {
        let count = self.args.rounds as usize;
        (0..count).inspect(move |round| eprintln!("… {part}: round {} of {count}", round + 1))
    }

    /// What needs many pods.
    async fn with_crowd(
        &self,
        crowd: &Crowd,
        upstream: std::net::SocketAddr,
        report: &mut Results,
    ) -> Result<()> {
        if self.measures(Part::Weight) {
            for _ in self.rounds("weight") {
                weight::round(self, crowd, report).await?;
            }
            eprintln!("… weight: {} WebSockets", self.args.web_sockets);
            weight::idle_web_sockets(self, crowd, report).await?;
        }
        if self.measures(Part::Proxying) {
            let mut proxying = Proxying::prepare(self, crowd, upstream, report).await?;
            for _ in self.rounds("proxying") {
                proxying.round(self, report).await?;
            }
        }
        Ok(())
    }
}

/// As many WebSockets as asked for, or as files allow: both ends of each are files of this process, and
/// as many of the spawner, which inherits the limit.
fn affordable(web_sockets: usize) -> Result<usize> {
    let (_, most) = getrlimit(Resource::RLIMIT_NOFILE)?;
    let needed = most.max(u64::try_from(2 * web_sockets + SPARE_FILES)?);
    // A higher limit than the hard one needs CAP_SYS_RESOURCE.
    let files = if setrlimit(Resource::RLIMIT_NOFILE, needed, needed).is_ok() {
        needed
    } else {
        setrlimit(Resource::RLIMIT_NOFILE, most, most).context("cannot open more files")?;
        most
    };
    Ok(web_sockets.min(usize::try_from(files)?.saturating_sub(SPARE_FILES) / 2))
}
