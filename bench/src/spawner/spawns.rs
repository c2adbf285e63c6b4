//! Spawns at a fixed rate: how long until the API server has the pod, and what each costs it.

use std::{
    collections::HashMap,
    time::{Duration, SystemTime},
};

use anyhow::{Context as _, Result, ensure};
use bench_results::{Goal, Results};
use contract::object;
use jiff::Timestamp;
use tokio::{
    task::JoinSet,
    time::{Instant, sleep, sleep_until},
};

use super::{
    Bench,
    audit::{Call, by_kind},
    replica::{Replica, server},
    user::user,
};
use crate::load::{Connection, Latency};

/// How long the watch may take to show that everything is gone.
const GONE: Duration = Duration::from_secs(60);

/// A start that was asked for.
struct Asked {
    user: String,
    at: Timestamp,
    /// Until the answer, in milliseconds.
    answered: f64,
}

/// Every user of this round starts a server for the first time, and, when it is gone, once more.
pub(super) async fn round(bench: &Bench, number: usize, report: &mut Results) -> Result<()> {
    let replica = Replica::start(&bench.setup, &[]).await?;
    let count = bench.args.spawns;
    // No two rounds have the same users, or they would not be new.
    let users: Vec<_> = (number * count..(number + 1) * count).map(user).collect();
    let users: Vec<_> =
        users.into_iter().map(|user| (bench.issuer.token_of(&user), user)).collect();
    for who in ["first-time", "returning"] {
        let mark = bench.audit.mark()?;
        let asked = ask_all(&replica, &users, bench.args.spawn_rate).await?;
        let calls = bench.audit.since(mark)?;
        tell_times(who, &asked, &calls, report)?;
        tell_calls(who, count, &calls, report);
        bench.cluster.remove_pods().await?;
        until_gone(&replica, &users).await?;
    }
    replica.stop().await
}

/// Asks for a server for each user, `rate` a second, each on a connection of their own, whatever the
/// answers do.
async fn ask_all(replica: &Replica, users: &[(String, String)], rate: u32) -> Result<Vec<Asked>> {
    let mut asking = JoinSet::new();
    let mut due = Instant::now();
    for (token, user) in users {
        sleep_until(due).await;
        due += Duration::from_secs(1) / rate.max(1);
        let (request, user, address) = (server("POST", token), user.clone(), replica.address);
        asking.spawn_local(async move {
            let (at, begun) = (Timestamp::try_from(SystemTime::now())?, Instant::now());
            let answer = Connection::new(address).exchange(&request).await?;
            let text = String::from_utf8_lossy(&answer.body);
            ensure!(answer.status == 202, "a start is answered {}: {text}", answer.status);
            Ok(Asked { user, at, answered: begun.elapsed().as_secs_f64() * 1e3 })
        });
    }
    let mut asked = Vec::new();
    while let Some(one) = asking.join_next().await {
        asked.push(one??);
    }
    Ok(asked)
}

fn tell_times(who: &str, asked: &[Asked], calls: &[Call], report: &mut Results) -> Result<()> {
    let created: HashMap<_, _> = calls
        .iter()
        .filter(|call| call.is("create", "pods") && call.code() == 201)
        .filter_map(|call| Some((call.name()?, call.stage_timestamp)))
        .collect();
    let mut times = Vec::new();
    for Asked { user, at, .. } in asked {
        let name = object::pod(&user.parse()?);
        let created = created.get(name.as_str()).context("a pod that nobody created")?;
        times.push(created.duration_since(*at).as_secs_f64() * 1e3);
    }
    let inside = asked.iter().map(|asked| inside(&asked.user, calls)).collect();
    let inside = Latency::of(inside);
    let (times, answers) =
        (Latency::of(times), Latency::of(asked.iter().map(|asked| asked.answered).collect()));
    report.note(&format!("{who} spawn: request to pod, p50"), "ms", times.percentile(50.0));
    let what = format!("{who} spawn: request to pod, p99");
    report.goal(&what, "ms", times.percentile(99.0), Goal::AtMost(150.0));
    report.note(
        &format!("{who} spawn: of it inside the API server, p50"),
        "ms",
        inside.percentile(50.0),
    );
    report.note(
        &format!("{who} spawn: of it inside the API server, p99"),
        "ms",
        inside.percentile(99.0),
    );
    report.note(&format!("{who} spawn: request to answer, p99"), "ms", answers.percentile(99.0));
    Ok(())
}

/// For how long the API server itself had this user's pod in hand, in milliseconds: what comes before
/// it is written at once, so of that the slowest counts.
fn inside(user: &str, calls: &[Call]) -> f64 {
    let of_user = calls
        .iter()
        .filter(|call| call.is_write() && call.name().is_some_and(|name| name.contains(user)));
    let (pod, before): (Vec<_>, Vec<_>) = of_user.partition(|call| call.is("create", "pods"));
    let slowest = before.iter().map(|call| call.took()).fold(0.0, f64::max);
    slowest + pod.iter().map(|call| call.took()).sum::<f64>()
}

/// What the API server was asked for, for each spawn. A lease is renewed and a watch begun anew whether
/// anybody spawns or not.
fn tell_calls(who: &str, count: usize, calls: &[Call], report: &mut Results) {
    let of_spawns = |call: &&Call| call.resource() != "leases" && call.verb != "watch";
    #[expect(clippy::cast_precision_loss, reason = "some thousand")]
    let each = |calls: usize| calls as f64 / count as f64;
    let writes = calls.iter().filter(of_spawns).filter(|call| call.is_write()).count();
    let what = format!("{who} spawn: writes to the API server");
    if who == "returning" {
        report.goal(&what, "", each(writes), Goal::AtMost(3.0));
    } else {
        report.note(&what, "", each(writes));
    }
    for (kind, calls) in by_kind(calls) {
        report.note(&format!("{who} spawn: {kind}"), "", each(calls));
    }
}

/// Waits until the replica knows that nobody has a server any more.
async fn until_gone(replica: &Replica, users: &[(String, String)]) -> Result<()> {
    let deadline = Instant::now() + GONE;
    let mut connection = Connection::new(replica.address);
    for (token, user) in users {
        loop {
            let answer = connection.exchange(&server("GET", token)).await?;
            if String::from_utf8_lossy(&answer.body).contains("\"Stopped\"") {
                break;
            }
            ensure!(Instant::now() < deadline, "{user} still has a server");
            sleep(Duration::from_millis(5)).await;
        }
    }
    Ok(())
}
