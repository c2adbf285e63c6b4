//! From the moment that the API server has taken a kubelet's `Ready` to the first byte of an answer
//! that a user waits for, through a real sidecar.

use std::{
    collections::HashMap,
    net::{Ipv4Addr, SocketAddr},
    path::PathBuf,
    process::Command,
    time::Duration,
};

use anyhow::{Context as _, Result, ensure};
use bench_results::{Goal, Results};
use contract::port;
use edge::oidc::testing::AUDIENCE;
use tokio::{
    task::JoinSet,
    time::{Instant, sleep},
};

use super::{
    Bench,
    replica::{Replica, server},
    user::{address, user},
};
use crate::{
    load::{Connection, Latency, get},
    peer::Running,
};

/// The network of the sidecars.
const NETWORK: u8 = 78;
/// The first number of the users, so that they are nobody else's.
const FIRST: usize = 1_000_000;
/// Time between two pods that become ready.
const APART: Duration = Duration::from_millis(50);
/// How long the sidecars may take to start, and requests until they wait.
const PATIENCE: Duration = Duration::from_secs(60);

/// Users with a sidecar each.
pub(super) struct Sleepers {
    all: Vec<Sleeper>,
}

struct Sleeper {
    user: String,
    token: String,
    address: Ipv4Addr,
    _sidecar: Running,
}

impl Sleepers {
    /// Starts a real sidecar for each, all in front of the same upstream.
    pub(super) async fn start(bench: &Bench, upstream: SocketAddr) -> Result<Self> {
        let mut all = Vec::new();
        for number in 0..bench.args.sleepers {
            let user = user(FIRST + number);
            let address = address(NETWORK, number + 1);
            let sidecar = sidecar(bench, &user, address, upstream)?;
            all.push(Sleeper {
                token: bench.issuer.token_of(&user),
                user,
                address,
                _sidecar: sidecar,
            });
        }
        let deadline = Instant::now() + PATIENCE;
        for sleeper in &all {
            let mut connection = Connection::new((sleeper.address, port::SIDECAR_DATA).into());
            let request = get("/", Some(&sleeper.token));
            while !connection.exchange(&request).await.is_ok_and(|answer| answer.status == 200) {
                ensure!(Instant::now() < deadline, "a sidecar does not start");
                sleep(Duration::from_millis(20)).await;
            }
        }
        Ok(Self { all })
    }

    /// Everybody asks, then one pod after the other becomes ready.
    pub(super) async fn round(&self, bench: &Bench, report: &mut Results) -> Result<()> {
        let replica = Replica::start(&bench.setup, &[]).await?;
        let mut waiting = JoinSet::new();
        for sleeper in &self.all {
            let (token, number) = (&sleeper.token, sleeper.user.clone());
            let answer = Connection::new(replica.address).exchange(&server("POST", token)).await?;
            ensure!(answer.status == 202, "a start is answered {}", answer.status);
            let (address, request) = (replica.address, get("/v1/models", Some(token)));
            waiting.spawn_local(async move {
                let answer = Connection::new(address).exchange(&request).await?;
                ensure!(answer.status == 200, "what waited is answered {}", answer.status);
                Ok((number, Instant::now()))
            });
        }
        let deadline = Instant::now() + PATIENCE;
        while replica.held().await? < self.all.len() {
            ensure!(Instant::now() < deadline, "requests do not wait");
            sleep(Duration::from_millis(20)).await;
        }
        let mut ready = HashMap::new();
        for sleeper in &self.all {
            bench.cluster.set_ready(&sleeper.user, sleeper.address).await?;
            ready.insert(sleeper.user.clone(), Instant::now());
            sleep(APART).await;
        }
        let mut times = Vec::new();
        while let Some(answered) = waiting.join_next().await {
            let (user, answered) = answered??;
            let ready = *ready.get(&user).context("nobody's answer")?;
            // The watch may be faster than the answer to the kubelet.
            times.push(answered.saturating_duration_since(ready).as_secs_f64() * 1e3);
        }
        let times = Latency::of(times);
        report.note("Ready to first byte, p50", "ms", times.percentile(50.0));
        let goal = Goal::AtMost(100.0);
        report.goal("Ready to first byte, p99", "ms", times.percentile(99.0), goal);
        replica.stop().await?;
        bench.cluster.remove_pods().await
    }
}

fn sidecar(bench: &Bench, user: &str, address: Ipv4Addr, upstream: SocketAddr) -> Result<Running> {
    let at = |port: u16| SocketAddr::from((address, port)).to_string();
    let mut command = Command::new(&bench.args.sidecar);
    command.env_clear();
    command.args(["proxy", "--listen", &at(port::SIDECAR_DATA)]);
    command.args(["--admin-listen", &at(port::SIDECAR_ADMIN)]);
    command.args(["--upstream", &format!("http://{upstream}"), "--gateway-auth", "none"]);
    command.args(["--issuer", &bench.issuer.url, "--audience", AUDIENCE, "--user", user]);
    command.arg("--jwks-file").arg(bench.folder.join("jwks.json"));
    let log: PathBuf = bench.folder.join("sidecar.log");
    Running::start(&mut command, &log).with_context(|| format!("a sidecar at {address}"))
}
