//! What the way through the spawner costs a request, beside the way through HAProxy and Envoy.
//!
//! All three verify a token and forward to the same upstream, none speaks TLS or writes an access log.
//! The spawner does it once more for browsers, whose token is in a sealed session cookie.

use std::net::SocketAddr;

use anyhow::{Context as _, Result};
use bench_results::{Better, Goal, Results};

use super::{Bench, browser, pods::Crowd, replica::Replica};
use crate::{
    cores::{self, Cores},
    load::{CONNECTIONS, Closed, Latency, Requests, STRETCH, Target, WARM_UP, paced, saturate},
    measure::Program,
    peer::{Kind, Peer},
};

/// Users whose requests come in turn, fewer than any program remembers tokens.
const USERS: usize = 200;
/// Requests a second while latency is measured.
const RATE: u32 = 1000;
/// Of the goal for two cores, what one has to do.
const RATE_OF_ONE_CORE: f64 = 15_000.0 / 2.0;

const ON_ONE_CORE: &str = "requests on one core";
const ADDED_P99: &str = "added at 1,000 req/s, p99";

/// What the peers leave out.
const LESS: &str = "HAProxy and Envoy send every user to the one upstream that they know: they look up \
                    no pod by the user's identity, and unseal no session cookie. HAProxy remembers no \
                    verdict on a token.";

/// Whose requests are measured.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Subject {
    /// The spawner, asked as programs ask.
    Bearer,
    /// The spawner, asked as browsers ask.
    Session,
    Peer(Kind),
}

/// The programs, and what all are asked.
pub(super) struct Proxying {
    cores: Cores,
    upstream: SocketAddr,
    users: Vec<String>,
    requests: Requests,
    token: String,
    peers: Vec<Peer>,
}

impl Proxying {
    pub(super) async fn prepare(
        bench: &Bench,
        crowd: &Crowd,
        upstream: SocketAddr,
        report: &mut Results,
    ) -> Result<Self> {
        let cores = Cores::choose()?;
        let users: Vec<_> = crowd.users().take(USERS).cloned().collect();
        let tokens: Vec<_> = users.iter().map(|user| bench.issuer.token_of(user)).collect();
        report.say(LESS);
        let token = tokens.first().context("nobody to ask")?.clone();
        let mut this = Self {
            cores,
            upstream,
            users,
            requests: Requests::with_tokens(&tokens),
            token,
            peers: Vec::new(),
        };
        for kind in [Kind::Haproxy, Kind::Envoy] {
            let sidecar = &bench.args.sidecar;
            match Peer::prepare(kind, sidecar, &bench.folder, upstream, &bench.issuer, None) {
                Ok(peer) => {
                    report.program(kind.name(), &peer.version);
                    this.peers.push(peer);
                }
                Err(error) => report.missing(kind.name(), &format!("{error:#}")),
            }
        }
        Ok(this)
    }

    /// Each program in turn, alone on a core; load and upstream have another.
    pub(super) async fn round(&mut self, bench: &Bench, report: &mut Results) -> Result<()> {
        cores::pin(self.cores.ours)?;
        let direct = self.direct(report).await?;
        cores::pin(self.cores.measured)?;
        let replica = Replica::start(&bench.setup, &["--access-log=false"]).await?;
        cores::pin(self.cores.ours)?;
        let (program, address) = (replica.program(), replica.address);
        let bearer = Target { address, requests: self.requests.clone() };
        measure(Subject::Bearer, &bearer, program, &direct, report).await?;
        let mut fetches = Vec::new();
        for user in &self.users {
            fetches.push(browser::fetch(address, user, "/v1/models").await?);
        }
        let sessions = Target { address, requests: Requests::of(fetches.into_iter()) };
        measure(Subject::Session, &sessions, program, &direct, report).await?;
        replica.stop().await?;
        for index in 0..self.peers.len() {
            let Some(peer) = self.peers.get_mut(index) else { continue };
            let running = peer.start(self.cores, &self.token).await?;
            let target = Target { address: peer.address, requests: self.requests.clone() };
            measure(Subject::Peer(peer.kind), &target, running.program, &direct, report).await?;
            running.stop().await?;
        }
        Ok(())
    }

    /// The upstream without anything before it, which is what latency is added to.
    async fn direct(&self, report: &mut Results) -> Result<Latency> {
        let target = Target { address: self.upstream, requests: self.requests.clone() };
        let load = Closed::start(&target, CONNECTIONS).await?;
        load.during(WARM_UP).await;
        let rate = load.during(STRETCH).await.rate();
        load.stop().await?;
        report.note("load and upstream alone", "req/s", rate).better = Better::More;
        paced(&target, CONNECTIONS, RATE, 2 * STRETCH).await
    }
}

async fn measure(
    subject: Subject,
    target: &Target,
    program: Program,
    direct: &Latency,
    report: &mut Results,
) -> Result<()> {
    let saturated = saturate(target, program).await.with_context(|| subject.name())?;
    let latency = paced(target, CONNECTIONS, RATE, 2 * STRETCH).await?;
    let added = |percent| (latency.percentile(percent) - direct.percentile(percent)) / 1e3;
    let mut tell = |what, unit, measured| {
        subject.tell(report, what, unit, measured);
    };
    tell(ON_ONE_CORE, "req/s", saturated.rate);
    tell(ADDED_P99, "ms", added(99.0));
    tell("added at 1,000 req/s, p50", "ms", added(50.0));
    tell("CPU of a request", "µs", saturated.cpu_us);
    tell("share of its core", "", saturated.core_share);
    Ok(())
}

impl Subject {
    fn name(self) -> &'static str {
        match self {
            Self::Bearer => "bearer token",
            Self::Session => "session cookie",
            Self::Peer(kind) => kind.name(),
        }
    }

    /// A number of this subject. Peers are beside the spawner that is asked as they are.
    fn tell(self, report: &mut Results, what: &str, unit: &str, measured: f64) {
        let ours = if self == Self::Session { self } else { Self::Bearer };
        let name = format!("proxying, {}: {what}", ours.name());
        let measure = match (self, goal(what)) {
            (Self::Peer(kind), _) => report.peer(&name, unit, kind.name(), measured),
            (_, Some(goal)) => report.goal(&name, unit, measured, goal),
            (_, None) => report.note(&name, unit, measured),
        };
        measure.better = if what == ON_ONE_CORE { Better::More } else { Better::Less };
    }
}

/// What ours should do.
fn goal(what: &str) -> Option<Goal> {
    match what {
        ON_ONE_CORE => Some(Goal::AtLeast(RATE_OF_ONE_CORE)),
        ADDED_P99 => Some(Goal::AtMost(2.0)),
        _ => None,
    }
}
