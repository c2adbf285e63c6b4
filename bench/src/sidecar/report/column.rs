use serde::Serialize;

use crate::measure::Memory;

/// What one round says about one program. Times in microseconds.
#[derive(Clone, Copy, Debug, Default, Serialize)]
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
pub(crate) struct Column {
    /// Two lines.
    pub(crate) title: [&'static str; 2],
    pub(crate) of: fn(&Sample) -> f64,
    pub(crate) decimals: usize,
    /// Whether more is better.
    pub(crate) more: bool,
}

const fn column(title: [&'static str; 2], decimals: usize, of: fn(&Sample) -> f64) -> Column {
    Column { title, of, decimals, more: false }
}

/// The columns, in order.
pub(crate) const COLUMNS: [Column; 8] = [
    column(["CPU us", "cached"], 1, |sample| sample.cpu_cached_us),
    column(["CPU us", "uncached"], 1, |sample| sample.cpu_uncached_us),
    column(["p50 us", "added"], 0, |sample| sample.added_p50_us),
    column(["p99 us", "added"], 0, |sample| sample.added_p99_us),
    Column {
        title: ["req/s", "one core"],
        of: |sample| sample.requests_per_second,
        decimals: 0,
        more: true,
    },
    column(["RSS MB", "idle"], 2, |sample| sample.idle.rss),
    column(["RSS MB", "400 conns"], 2, |sample| sample.under_load.rss),
    column(["RSS MB", "30 s after"], 2, |sample| sample.after.rss),
];
