//! Over TLS, beside what there is to compare with: the webhook that one would write in Go, and a server
//! that only says yes. All get the same load, in turn, and share two cores with it.

use std::path::PathBuf;

use base64::{Engine as _, prelude::BASE64_STANDARD};
use bench_results::{Better, Results};
use json_patch::Patch;
use serde_json::Value;

use crate::{Result, in_process::pod, load, subject::Subject};

/// Admissions of one comparison.
const COMPARED: usize = 20_000;
const ROUNDS: usize = 3;
const GO: &str = "Go webhook";
const YES: &str = "only says yes";

/// A server, and the peer's name if it is not ours.
struct Compared {
    peer: Option<&'static str>,
    subject: Subject,
}

/// Throughput, latency, time on the processor and memory of each.
pub(crate) async fn measure(report: &mut Results) -> Result<()> {
    let ours = Subject::with_files().await?;
    let mut peers = Vec::new();
    // The Makefile builds it and says where it is.
    match std::env::var_os("BENCH_GO_WEBHOOK").map(PathBuf::from) {
        Some(program) => {
            let go = Subject::go(&program).await?;
            same_injection(&load::answer(&ours).await?, &load::answer(&go).await?)?;
            report.program(
                GO,
                "controller-runtime's server, decoder and patch helper (bench/go-webhook)",
            );
            peers.push(Compared { peer: Some(GO), subject: go });
        }
        None => report.missing(GO, "BENCH_GO_WEBHOOK names no program"),
    }
    peers.push(Compared { peer: Some(YES), subject: Subject::baseline().await? });
    report
        .program(YES, "our server with a handler that reads the question and says yes: the floor");
    let all: Vec<_> =
        std::iter::once(Compared { peer: None, subject: ours }).chain(peers).collect();
    for Compared { peer, subject } in &all {
        tell(report, *peer, "over TLS: RSS idle", "MiB", subject.resident()?);
    }
    for _ in 0..ROUNDS {
        for Compared { peer, subject } in &all {
            let load = load::run(subject, COMPARED).await?;
            tell(report, *peer, "over TLS: CPU of an admission", "ms", load.cpu);
            tell(report, *peer, RATE, "/s", load.rate);
            tell(report, *peer, "over TLS: p50", "ms", load.p50);
            tell(report, *peer, "over TLS: p99", "ms", load.p99);
            tell(report, *peer, "over TLS: RSS after the load", "MiB", subject.resident()?);
        }
    }
    Ok(())
}

const RATE: &str = "over TLS: admissions a second";

fn tell(report: &mut Results, peer: Option<&str>, name: &str, unit: &str, measured: f64) {
    let measure = match peer {
        Some(peer) => report.peer(name, unit, peer, measured),
        None => report.note(name, unit, measured),
    };
    measure.better = if name == RATE { Better::More } else { Better::Less };
}

/// Fails if the two answers do not give a pod the same containers and variables, so that what is compared is
/// the same work.
fn same_injection(ours: &Value, theirs: &Value) -> Result<()> {
    let (ours, theirs) = (injected(ours)?, injected(theirs)?);
    if ours == theirs {
        return Ok(());
    }
    Err(format!("the webhooks do not inject the same: {ours:?} and {theirs:?}").into())
}

/// The names of containers, variables and volumes of the pod after the patch of this answer.
fn injected(answer: &Value) -> Result<Vec<String>> {
    let patch = answer.pointer("/response/patch").and_then(Value::as_str).ok_or("no patch")?;
    let patch: Patch = serde_json::from_slice(&BASE64_STANDARD.decode(patch)?)?;
    let mut pod = pod();
    json_patch::patch(&mut pod, &patch)?;
    let places =
        ["/spec/initContainers", "/spec/containers", "/spec/containers/0/env", "/spec/volumes"];
    let items = places.iter().filter_map(|place| pod.pointer(place)?.as_array()).flatten();
    Ok(items.filter_map(|item| Some(item.get("name")?.as_str()?.to_owned())).collect())
}
