//! One admission from the bytes of the question to the bytes of the answer, without a network.

use bench_results::{Goal, Results};
use serde_json::{Value, json};
use tokio::time::{Duration, Instant};
use webhook::{config::Config, review};

use crate::Result;

/// The configuration of all benchmarks.
pub(crate) const CONFIG: &str = include_str!("../tests/webhook.yaml");

pub(crate) fn measure(report: &mut Results) -> Result<()> {
    let config: Config = CONFIG.parse()?;
    let Times { p50, p99, cpu } = time(&typical(), &config, 20_000)?;
    report.goal("typical pod: p50", "ms", p50, Goal::Below(0.5));
    report.goal("typical pod: p99", "ms", p99, Goal::Below(3.0));
    report.note("typical pod: on the processor", "ms", cpu);
    let Times { p50, p99, cpu } = time(&with_variables(2_000), &config, 500)?;
    report.note("2,000 variables: p50", "ms", p50);
    report.goal("2,000 variables: p99", "ms", p99, Goal::Below(10.0));
    report.note("2,000 variables: on the processor", "ms", cpu);
    let Times { p50, p99, cpu } = time(&of_size(3 << 20), &config, 100)?;
    report.note("3 MB: p50", "ms", p50);
    report.goal("3 MB: p99", "ms", p99, Goal::Below(60.0));
    report.note("3 MB: on the processor", "ms", cpu);
    Ok(())
}

/// Admissions of a typical pod, for `make bench-instructions` to count what they cost.
pub(crate) fn repeat(count: Option<String>) -> Result<()> {
    let count: usize = count.ok_or("admissions: how many?")?.parse()?;
    let (body, config) = (typical(), CONFIG.parse()?);
    for _ in 0..count {
        let answer = review::answer(&body, &config)?;
        std::hint::black_box(serde_json::to_vec(&answer.review)?);
    }
    Ok(())
}

/// Milliseconds.
struct Times {
    p50: f64,
    p99: f64,
    /// On the processor, on average: what a busy machine does not change.
    cpu: f64,
}

fn time(body: &[u8], config: &Config, count: usize) -> Result<Times> {
    let before = cpu()?;
    let mut times = Vec::with_capacity(count);
    for _ in 0..count / 10 + count {
        let began = Instant::now();
        let answer = review::answer(body, config)?;
        let bytes = serde_json::to_vec(&answer.review)?;
        times.push(began.elapsed());
        if !answer.verdict.is_allowed() || bytes.is_empty() {
            return Err(answer.verdict.message().into());
        }
    }
    let cpu = (cpu()? - before) / times.len() as f64;
    // The first tenth warms up.
    let (p50, p99) = percentiles(times.split_off(count / 10));
    Ok(Times { p50, p99, cpu })
}

/// Milliseconds that this thread has been on a processor (Documentation/scheduler/sched-stats.rst).
fn cpu() -> Result<f64> {
    let text = std::fs::read_to_string("/proc/thread-self/schedstat")?;
    Ok(text.split(' ').next().ok_or("an empty schedstat")?.parse::<f64>()? / 1e6)
}

/// Median and 99th percentile in milliseconds.
pub(crate) fn percentiles(mut times: Vec<Duration>) -> (f64, f64) {
    times.sort_unstable();
    let at = |percent: usize| {
        let index = times.len().saturating_sub(1) * percent / 100;
        times.get(index).copied().unwrap_or_default().as_secs_f64() * 1e3
    };
    (at(50), at(99))
}

/// An AdmissionReview of the pod that the spawner creates.
pub(crate) fn typical() -> Vec<u8> {
    question(&pod())
}

pub(crate) fn pod() -> Value {
    serde_norway::from_str(include_str!("../tests/corpus/openclaw.yaml")).unwrap_or_default()
}

fn with_variables(count: usize) -> Vec<u8> {
    let variable =
        |index| json!({"name": format!("VARIABLE_{index}"), "value": format!("{index}")});
    with_env((0..count).map(variable).collect())
}

/// As large as the API server takes, in many values.
fn of_size(bytes: usize) -> Vec<u8> {
    let value = "x".repeat(1_000);
    let variable = |index| json!({"name": format!("VARIABLE_{index}"), "value": value});
    with_env((0..bytes / 1_045).map(variable).collect())
}

fn with_env(env: Vec<Value>) -> Vec<u8> {
    let mut pod = pod();
    if let Some(place) = pod.pointer_mut("/spec/containers/0/env") {
        *place = env.into();
    }
    question(&pod)
}

fn question(pod: &Value) -> Vec<u8> {
    let review = json!({
        "apiVersion": "admission.k8s.io/v1",
        "kind": "AdmissionReview",
        "request": {
            "uid": "705ab4f5-6393-11e8-b7cc-42010a800002",
            "kind": {"group": "", "version": "v1", "kind": "Pod"},
            "resource": {"group": "", "version": "v1", "resource": "pods"},
            "name": "openclaw", "namespace": "tenant", "operation": "CREATE", "dryRun": false,
            "userInfo": {"username": "system:serviceaccount:tenant:spawner", "groups": ["a", "b"]},
            "object": pod, "oldObject": null,
            "options": {"kind": "CreateOptions", "apiVersion": "meta.k8s.io/v1"},
        },
    });
    review.to_string().into_bytes()
}
