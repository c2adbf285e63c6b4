//! What the way through the spawner costs a request, beside the way through HAProxy and Envoy.
//!
//! All three verify a token and forward to the same upstream, none speaks TLS or writes an access log.
//! The spawner does it once more for browsers, whose token is in a sealed session cookie.

use std::net::SocketAddr;

use anyhow::{Context as _, Result};

use super::{
    Bench, browser,
    pods::Crowd,
    replica::Replica,
    report::{Goal, Report},
};
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

/// What the peers leave out.
const LESS: &str = "HAProxy and Envoy send every user to the one upstream that they know: they look up \
                    no pod by the user's identity, and unseal no session cookie. HAProxy remembers no \
                    verdict on a token.";

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
        report: &mut Report,
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
                    report.say(format!("{}: {}", kind.name(), peer.version));
                    this.peers.push(peer);
                }
                Err(error) => report.say(format!("{} was not measured: {error:#}", kind.name())),
            }
        }
        Ok(this)
    }

    /// Each program in turn, alone on a core; load and upstream have another.
    pub(super) async fn round(&mut self, bench: &Bench, report: &mut Report) -> Result<()> {
        cores::pin(self.cores.ours)?;
        let direct = self.direct(report).await?;
        cores::pin(self.cores.measured)?;
        let replica = Replica::start(&bench.setup, &["--access-log=false"]).await?;
        cores::pin(self.cores.ours)?;
        let (program, address) = (replica.program(), replica.address);
        let bearer = Target { address, requests: self.requests.clone() };
        measure("spawner", &bearer, program, &direct, report).await?;
        let mut fetches = Vec::new();
        for user in &self.users {
            fetches.push(browser::fetch(address, user, "/v1/models").await?);
        }
        let sessions = Target { address, requests: Requests::of(fetches.into_iter()) };
        measure("spawner, by session cookie", &sessions, program, &direct, report).await?;
        replica.stop().await?;
        for index in 0..self.peers.len() {
            let Some(peer) = self.peers.get_mut(index) else { continue };
            let running = peer.start(self.cores, &self.token).await?;
            let target = Target { address: peer.address, requests: self.requests.clone() };
            measure(peer.kind.name(), &target, running.program, &direct, report).await?;
            running.stop().await?;
        }
        Ok(())
    }

    /// The upstream without anything before it, which is what latency is added to.
    async fn direct(&self, report: &mut Report) -> Result<Latency> {
        let target = Target { address: self.upstream, requests: self.requests.clone() };
        let load = Closed::start(&target, CONNECTIONS).await?;
        load.during(WARM_UP).await;
        let rate = load.during(STRETCH).await.rate();
        load.stop().await?;
        report.note("load and upstream alone", "req/s", rate);
        paced(&target, CONNECTIONS, RATE, 2 * STRETCH).await
    }
}

async fn measure(
    name: &str,
    target: &Target,
    program: Program,
    direct: &Latency,
    report: &mut Report,
) -> Result<()> {
    let saturated = saturate(target, program).await.with_context(|| name.to_owned())?;
    let latency = paced(target, CONNECTIONS, RATE, 2 * STRETCH).await?;
    let added = |percent| (latency.percentile(percent) - direct.percentile(percent)) / 1e3;
    let ours = name.starts_with("spawner");
    let mut tell = |what: &str, unit, measured, goal: Goal| {
        let what = format!("{name}: {what}");
        if ours {
            report.goal(&what, unit, measured, goal);
        } else {
            report.note(&what, unit, measured);
        }
    };
    tell("one core", "req/s", saturated.rate, Goal::AtLeast(RATE_OF_ONE_CORE));
    tell("added at 1000 req/s, p99", "ms", added(99.0), Goal::AtMost(2.0));
    report.note(&format!("{name}: added at 1000 req/s, p50"), "ms", added(50.0));
    report.note(&format!("{name}: CPU of a request"), "us", saturated.cpu_us);
    report.note(&format!("{name}: share of its core"), "", saturated.core_share);
    Ok(())
}
