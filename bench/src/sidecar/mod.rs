//! The auth sidecar beside HAProxy, Envoy and Apache in one run. Each verifies the same tokens and
//! forwards to the same upstream, all on loopback.
//!
//! The measured program has one core. The load, the upstream and the issuer share another. Every round
//! measures every program, in turn, so that what else the machine does meanwhile meets all of them.

mod report;

use std::{net::SocketAddr, path::PathBuf, time::Duration};

use anyhow::{Context as _, Result};
use bench_results::load_average;
use edge::oidc::testing::ALICE;
use tokio::{
    task::LocalSet,
    time::{Instant, sleep, sleep_until},
};

use self::report::{Report, Sample, Subject};
use crate::{
    cores::{self, Cores},
    issuer::Issuer,
    load::{CONNECTIONS, Closed, Latency, Requests, STRETCH, Target, WARM_UP, paced, saturate},
    measure::{Memory, Program},
    peer::{Kind, Peer, Running},
    upstream,
};

/// The auth sidecar beside other programs that verify tokens
#[derive(Debug, clap::Parser)]
pub struct Args {
    /// The sidecar as it is shipped
    #[arg(long, env = "BENCH_SIDECAR", value_name = "FILE")]
    sidecar: PathBuf,

    /// Which programs
    #[arg(long, env = "BENCH_PEERS", value_name = "NAME", value_enum, value_delimiter = ',', default_values_t = Kind::ALL)]
    peers: Vec<Kind>,

    /// How often everything is measured; the medians are reported
    #[arg(long, env = "BENCH_ROUNDS", value_name = "COUNT", default_value_t = 3, value_parser = clap::value_parser!(u32).range(1..=20))]
    rounds: u32,

    /// Requests per second while latency is measured
    #[arg(long, env = "BENCH_RATE", value_name = "RATE", default_value_t = 2000, value_parser = clap::value_parser!(u32).range(100..=20_000))]
    rate: u32,

    /// Where the numbers go as JSON
    #[arg(
        long,
        env = "BENCH_OUT",
        value_name = "FILE",
        default_value = "target/bench/sidecar.json"
    )]
    out: PathBuf,
}

/// Different tokens in turn, more than any program remembers.
const TOKENS: usize = 4096;
/// Connections while memory is measured.
const BURST_CONNECTIONS: usize = 400;
/// How long the programs rest after their start before their memory counts as idle.
const SETTLE: Duration = Duration::from_secs(6);
/// How long the 400 connections are busy.
const BURST: Duration = Duration::from_secs(3);
/// How long a program may take to give memory back.
const REST: Duration = Duration::from_secs(30);

/// Everything that a run holds on to.
struct Bench {
    args: Args,
    cores: Cores,
    upstream: SocketAddr,
    token: String,
    cached: Requests,
    uncached: Requests,
}

/// A program between the two halves of a round.
struct Rested {
    running: Running,
    idle: Memory,
    under_load: Memory,
    since: Instant,
}

/// Measures everything, prints the table and writes the JSON.
///
/// # Errors
/// Something could not be measured.
pub fn run(args: Args) -> Result<()> {
    let cores = Cores::choose()?;
    cores::pin(cores.ours)?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    LocalSet::new().block_on(&runtime, measure(args, cores))
}

async fn measure(args: Args, cores: Cores) -> Result<()> {
    let folder = tempfile::tempdir()?;
    let issuer = Issuer::start().await?;
    let upstream = upstream::start().await?;
    eprintln!("… signing {TOKENS} tokens");
    let tokens = issuer.tokens(TOKENS);
    let token = tokens.first().context("no token")?.clone();
    let bench = Bench {
        cores,
        upstream,
        cached: Requests::with_tokens(std::slice::from_ref(&token)),
        uncached: Requests::with_tokens(&tokens),
        token,
        args,
    };
    let mut report = Report::new(bench.args.rate);
    let mut peers = Vec::new();
    for &kind in &bench.args.peers {
        match Peer::prepare(
            kind,
            &bench.args.sidecar,
            folder.path(),
            upstream,
            &issuer,
            Some(ALICE),
        ) {
            Ok(peer) => match bench.check(peer, &issuer).await {
                Ok(peer) => {
                    report.subjects.push(Subject::new(kind.name(), &peer.version));
                    peers.push(peer);
                }
                Err(error) => report.missing(kind.name(), &error),
            },
            Err(error) => report.missing(kind.name(), &error),
        }
    }
    for round in 1..=bench.args.rounds {
        eprintln!("… round {round} of {}, load {}", bench.args.rounds, load_average());
        bench.round(&mut peers, &mut report).await?;
    }
    report.publish(&bench.args.out)
}

impl Bench {
    /// Starts a peer once to see that it does its job.
    async fn check(&self, mut peer: Peer, issuer: &Issuer) -> Result<Peer> {
        let running = peer.start(self.cores, &self.token).await?;
        peer.check(issuer).await?;
        running.stop().await?;
        Ok(peer)
    }

    async fn round(&self, peers: &mut [Peer], report: &mut Report) -> Result<()> {
        let mut started = Vec::new();
        for peer in peers.iter_mut() {
            let running = peer.start(self.cores, &self.token).await;
            started.push(running.with_context(|| peer.kind.name())?);
        }
        sleep(SETTLE).await;
        let mut rested = Vec::new();
        for (peer, running) in peers.iter().zip(started) {
            let burst = self.burst(peer.address, running).await;
            rested.push(burst.with_context(|| peer.kind.name())?);
        }
        let mut halves = Vec::new();
        for Rested { running, idle, under_load, since } in rested {
            sleep_until(since + REST).await;
            let after = running.program.memory()?;
            halves.push((running, [idle, under_load, after]));
        }
        let direct = self.direct(report).await?;
        for (peer, (running, memory)) in peers.iter().zip(halves) {
            let sample = self.speed(peer.address, running.program, &direct, memory).await;
            let sample = sample.with_context(|| peer.kind.name())?;
            report.add(peer.kind.name(), sample);
            running.stop().await?;
        }
        Ok(())
    }

    /// Memory idle and with many connections. Every program starts anew for it.
    async fn burst(&self, address: SocketAddr, running: Running) -> Result<Rested> {
        let idle = running.program.memory()?;
        let target = Target { address, requests: self.cached.clone() };
        let load = Closed::start(&target, BURST_CONNECTIONS).await?;
        load.during(BURST).await;
        let under_load = running.program.memory()?;
        drop(load.stop().await?);
        Ok(Rested { running, idle, under_load, since: Instant::now() })
    }

    /// The upstream without anything before it, which is what latency is added to.
    async fn direct(&self, report: &mut Report) -> Result<Latency> {
        let target = Target { address: self.upstream, requests: self.cached.clone() };
        let load = Closed::start(&target, CONNECTIONS).await?;
        load.during(WARM_UP).await;
        report.direct_rates.push(load.during(STRETCH).await.rate());
        load.stop().await?;
        paced(&target, CONNECTIONS, self.args.rate, STRETCH).await
    }

    async fn speed(
        &self,
        address: SocketAddr,
        program: Program,
        direct: &Latency,
        [idle, under_load, after]: [Memory; 3],
    ) -> Result<Sample> {
        let at = |requests: &Requests| Target { address, requests: requests.clone() };
        let cached = saturate(&at(&self.cached), program).await?;
        let uncached = saturate(&at(&self.uncached), program).await?;
        let latency = paced(&at(&self.cached), CONNECTIONS, self.args.rate, STRETCH).await?;
        let added = |percent| latency.percentile(percent) - direct.percentile(percent);
        Ok(Sample {
            cpu_cached_us: cached.cpu_us,
            cpu_uncached_us: uncached.cpu_us,
            added_p50_us: added(50.0),
            added_p99_us: added(99.0),
            requests_per_second: cached.rate,
            requests_per_second_uncached: uncached.rate,
            core_share: cached.core_share,
            idle,
            under_load,
            after,
        })
    }
}
