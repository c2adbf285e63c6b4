//! `make bench-webhook`: how long an admission takes in process and over TLS, and what the server
//! weighs, beside a webhook in Go and a server that only says yes.
//!
//! The server that is measured is the release binary as it goes into the image. Everything is on
//! loopback, bounded in count, and ends by itself.
#![expect(clippy::print_stdout, reason = "a benchmark prints its table")]

mod baseline;
mod cluster;
mod in_process;
mod load;
mod peers;
mod subject;

use std::{path::Path, process::ExitCode};

use bench_results::{Goal, Results};

use self::{cluster::Cluster, subject::Subject};

/// Any error: a benchmark that cannot run says why, and that is all it can do.
type Result<T> = std::result::Result<T, Box<dyn std::error::Error + Send + Sync>>;

/// Admissions after which memory is looked at again.
const MANY: usize = 100_000;

fn main() -> ExitCode {
    let mut args = std::env::args().skip(1);
    let ended = match args.next().as_deref() {
        Some("admissions") => in_process::repeat(args.next()),
        _ => start(),
    };
    match ended {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}

fn start() -> Result<()> {
    edge::program::install_crypto_provider();
    let runtime =
        tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    runtime.block_on(run())
}

async fn run() -> Result<()> {
    let mut args = std::env::args().skip(1);
    let part = args.next();
    if part.as_deref() == Some("baseline") {
        let folder = args.next().ok_or("baseline: which folder?")?;
        return baseline::serve(folder.as_ref()).await;
    }
    let mut report = Results::new("webhook");
    report.program("webhook", env!("CARGO_PKG_VERSION"));
    in_process::measure(&mut report)?;
    if part.as_deref() != Some("in-process") {
        peers::measure(&mut report).await?;
        weight(&mut report).await?;
    }
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../target/bench");
    report.write(&Path::new(folder).join("webhook.json"))?;
    println!("{}", report.table());
    Ok(())
}

/// Memory at rest and after many admissions.
async fn weight(report: &mut Results) -> Result<()> {
    let cluster = Cluster::connect().await?;
    let (mode, subject) = match &cluster {
        Some(cluster) => ("self", Subject::with_own_authority(cluster).await?),
        None => ("provided", Subject::with_files().await?),
    };
    let idle = subject.resident()?;
    report.goal(&format!("RSS idle, tls.mode {mode}"), "MiB", idle, Goal::Below(10.0));
    load::run(&subject, MANY).await?;
    let grown = subject.resident()? - idle;
    report.goal("RSS after 100,000 admissions, more than idle", "MiB", grown, Goal::Below(2.0));
    if cluster.is_none() {
        report
            .say("tls.mode self needs a cluster in BENCH_KUBECONFIG; measured with files instead");
    }
    Ok(())
}
