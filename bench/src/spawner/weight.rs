//! What a replica weighs with many pods in its cache, how soon it is ready with them, and what it weighs
//! with many idle WebSockets on top.

use std::{net::SocketAddr, time::Duration};

use anyhow::{Context as _, Result, ensure};
use bench_results::{Goal, Results};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
    task::JoinSet,
    time::sleep,
};

use super::{
    Bench,
    audit::{Call, by_kind},
    pods::Crowd,
    replica::Replica,
};
use crate::load::HOST;

/// How long a replica rests before it is weighed.
const SETTLE: Duration = Duration::from_secs(3);
/// How long it is watched for lists: longer than one watch call lasts, so that a renewal is within it.
const WATCHED: Duration = Duration::from_secs(75);
/// WebSockets that are opened at once.
const AT_ONCE: usize = 32;

/// Starts a replica with all pods there, and weighs it.
pub(super) async fn round(bench: &Bench, crowd: &Crowd, report: &mut Results) -> Result<()> {
    let replica = Replica::start(&bench.setup, &[]).await?;
    let pods = crowd.len();
    let what = format!("start to ready with {pods} pods");
    report.goal(&what, "s", replica.boot.as_secs_f64(), Goal::AtMost(5.0));
    sleep(SETTLE).await;
    let memory = replica.program().memory()?;
    let what = format!("RSS with {pods} pods");
    report.goal(&what, "MB", memory.rss, Goal::AtMost(150.0));
    replica.stop().await
}

/// Opens WebSockets of many users through one replica with all pods there, and leaves them alone.
pub(super) async fn idle_web_sockets(
    bench: &Bench,
    crowd: &Crowd,
    report: &mut Results,
) -> Result<()> {
    let count = bench.args.web_sockets;
    // As many connections as its limit lets in by default would leave no room for anybody else.
    let most = (2 * count).max(10_000).to_string();
    let replica = Replica::start(&bench.setup, &["--max-connections", &most]).await?;
    let mark = bench.audit.mark()?;
    let mut opening = JoinSet::new();
    let mut open = Vec::with_capacity(count);
    let mut users = crowd.users().cycle();
    for number in 0..count {
        let user = users.next().context("nobody to open a WebSocket")?;
        let token = bench.issuer.token_of(user);
        opening.spawn_local(web_socket(replica.address, token));
        if opening.len() == AT_ONCE || number + 1 == count {
            open.push(opening.join_next().await.context("nothing opens")??.context("WebSocket")?);
        }
    }
    while let Some(opened) = opening.join_next().await {
        open.push(opened?.context("WebSocket")?);
    }
    ensure!(open.len() == count, "{} WebSockets are open", open.len());
    sleep(SETTLE).await;
    let memory = replica.program().memory()?;
    let what = format!("RSS with {} pods and {count} idle WebSockets", crowd.len());
    report.goal(&what, "MB", memory.rss, Goal::AtMost(400.0));
    sleep(WATCHED).await;
    let later = replica.program().memory()?;
    report.note(&format!("the same after {} s", WATCHED.as_secs()), "MB", later.rss);
    tell_calls(&bench.audit.since(mark)?, report);
    drop(open);
    replica.stop().await
}

/// What the replica asked the API server for since it was ready. The events about pods are listed once,
/// after the pods, and the leader looks through the network policies now and then.
fn tell_calls(calls: &[Call], report: &mut Results) {
    #[expect(clippy::cast_precision_loss, reason = "a handful")]
    let number = |count: usize| count as f64;
    let lists = calls.iter().filter(|call| call.is("list", "pods")).count();
    report.goal("after readiness: lists of pods", "", number(lists), Goal::AtMost(0.0));
    for (kind, count) in by_kind(calls) {
        report.note(&format!("after readiness: {kind}"), "", number(count));
    }
}

/// Opens a WebSocket through the spawner.
async fn web_socket(spawner: SocketAddr, token: String) -> Result<TcpStream> {
    let mut stream = TcpStream::connect(spawner).await?;
    let request = format!(
        "GET /ws HTTP/1.1\r\nHost: {HOST}\r\nAuthorization: Bearer {token}\r\n\
         Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n\
         Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
    );
    stream.write_all(request.as_bytes()).await?;
    let mut head = Vec::with_capacity(512);
    while !head.ends_with(b"\r\n\r\n") {
        ensure!(stream.read_buf(&mut head).await? > 0, "closed before it was open");
        ensure!(head.len() < 4096, "an endless answer");
    }
    let said = String::from_utf8_lossy(&head);
    ensure!(said.starts_with("HTTP/1.1 101 "), "the answer is {said}");
    Ok(stream)
}
