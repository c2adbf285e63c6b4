use bench_results::Better;

use super::{KEPT, Subject};
use crate::measure::Memory;

/// What one round says about one program. Times in microseconds.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Sample {
    pub(crate) cpu_cached_us: f64,
    pub(crate) cpu_uncached_us: f64,
    pub(crate) added_p50_us: f64,
    pub(crate) added_p99_us: f64,
    pub(crate) requests_per_second: f64,
    pub(crate) requests_per_second_uncached: f64,
    /// How much of its core the program had meanwhile: below 1 something else was in its way.
    pub(crate) core_share: f64,
    pub(crate) idle: Memory,
    pub(crate) under_load: Memory,
    pub(crate) after: Memory,
}

/// A column of the table.
pub(super) struct Column {
    /// Two lines.
    pub(super) title: [&'static str; 2],
    pub(super) name: &'static str,
    pub(super) unit: &'static str,
    pub(super) of: fn(&Sample) -> f64,
    pub(super) decimals: usize,
    pub(super) better: Better,
    /// What ours must not exceed.
    pub(super) limit: Option<fn(&Subject) -> f64>,
    /// Whether ours has to be better than every peer.
    pub(super) must_lead: bool,
}

/// A number, which is the better the smaller it is.
const fn column(name: &'static str, unit: &'static str, of: fn(&Sample) -> f64) -> Column {
    Column {
        title: [""; 2],
        name,
        unit,
        of,
        decimals: 2,
        better: Better::Less,
        limit: None,
        must_lead: false,
    }
}

impl Column {
    /// One of the table, in which ours has to lead.
    const fn titled(self, title: [&'static str; 2], decimals: usize) -> Self {
        Self { title, decimals, must_lead: true, ..self }
    }

    const fn at_most(self, limit: fn(&Subject) -> f64) -> Self {
        Self { limit: Some(limit), ..self }
    }

    const fn more(self) -> Self {
        Self { better: Better::More, ..self }
    }
}

/// The columns of the table, in order.
pub(super) const COLUMNS: [Column; 8] = [
    column("CPU per request, verdict cached", "µs", |sample| sample.cpu_cached_us)
        .titled(["CPU us", "cached"], 1)
        .at_most(|_| 35.0),
    column("CPU per request, uncached", "µs", |sample| sample.cpu_uncached_us)
        .titled(["CPU us", "uncached"], 1)
        .at_most(|_| 65.0),
    column("added latency, p50", "µs", |sample| sample.added_p50_us).titled(["p50 us", "added"], 0),
    column("added latency, p99", "µs", |sample| sample.added_p99_us).titled(["p99 us", "added"], 0),
    column("requests on one core", "req/s", |sample| sample.requests_per_second)
        .titled(["req/s", "one core"], 0)
        .more(),
    column("RSS idle", "MB", |sample| sample.idle.rss)
        .titled(["RSS MB", "idle"], 2)
        .at_most(|_| 4.0),
    column("RSS under 400 connections", "MB", |sample| sample.under_load.rss)
        .titled(["RSS MB", "400 conns"], 2),
    column("RSS 30 s after the burst", "MB", |sample| sample.after.rss)
        .titled(["RSS MB", "30 s after"], 2)
        .at_most(|ours| ours.median(|sample| sample.idle.rss) + KEPT),
];

/// What the table has no room for.
pub(super) const FURTHER: [Column; 4] = [
    column("requests on one core, uncached", "req/s", |it| it.requests_per_second_uncached).more(),
    column("PSS idle", "MB", |sample| sample.idle.pss),
    column("PSS 30 s after the burst", "MB", |sample| sample.after.pss),
    column("share of its core", "", |sample| sample.core_share).more(),
];
