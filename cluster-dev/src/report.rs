//! What a person sees: one line a step, with its time, and what is being waited for.

use std::{
    fmt::Display,
    io::{IsTerminal as _, Write as _},
    time::{Duration, SystemTime},
};

use anyhow::Result;

/// Runs one step and prints its name and the time it took.
pub(crate) fn step<T>(name: impl Display, work: impl FnOnce() -> Result<T>) -> Result<T> {
    let started = SystemTime::now();
    let result = work();
    let mark = if result.is_ok() { "✓" } else { "✗" };
    clear_line();
    eprintln!("{mark} {name}  ({})", seconds(started));
    result
}

/// Says in one line what is going on; on a terminal the next line replaces it.
pub(crate) fn progress(text: impl Display) {
    if std::io::stderr().is_terminal() {
        clear_line();
        eprint!("… {text}");
        // A progress line that cannot be shown is no reason to stop.
        drop(std::io::stderr().flush());
    } else {
        eprintln!("… {text}");
    }
}

/// A line that stays.
pub(crate) fn say(text: impl Display) {
    clear_line();
    eprintln!("{text}");
}

/// The error and its causes, one a line.
pub(crate) fn failure(error: &anyhow::Error) {
    clear_line();
    eprintln!("error: {error}");
    for cause in error.chain().skip(1) {
        eprintln!("  because: {cause}");
    }
}

/// Seconds since `started`, for people.
pub(crate) fn seconds(started: SystemTime) -> String {
    format!("{:.1} s", since(started).as_secs_f64())
}

/// Time since `started`; zero if the clock went back.
pub(crate) fn since(started: SystemTime) -> Duration {
    started.elapsed().unwrap_or_default()
}

fn clear_line() {
    if std::io::stderr().is_terminal() {
        eprint!("\r\x1b[2K");
    }
}
