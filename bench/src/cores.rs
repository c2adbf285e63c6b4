//! Who runs on which core. A child inherits the cores of the thread that starts it.

use anyhow::{Context as _, Result, bail};
use nix::{
    sched::{CpuSet, sched_getaffinity, sched_setaffinity},
    unistd::Pid,
};

/// The cores of this run.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Cores {
    /// Load, upstream and issuer.
    pub(crate) ours: usize,
    /// The program that is measured, and nothing else of ours.
    pub(crate) measured: usize,
}

impl Cores {
    /// The first and the last core that this process may use.
    ///
    /// # Errors
    /// With one core alone the load would be measured too.
    pub(crate) fn choose() -> Result<Self> {
        let allowed = sched_getaffinity(this_thread()).context("which cores there are")?;
        let usable = |core: &usize| allowed.is_set(*core).unwrap_or(false);
        let mut cores = (0..CpuSet::count()).filter(usable);
        match (cores.next(), cores.next_back()) {
            (Some(ours), Some(measured)) => Ok(Self { ours, measured }),
            _ => bail!("needs two cores: one for the measured program, one for the load"),
        }
    }
}

/// Keeps this thread, and what it starts from now on, on `core`.
pub(crate) fn pin(core: usize) -> Result<()> {
    let mut set = CpuSet::new();
    set.set(core)?;
    sched_setaffinity(this_thread(), &set).with_context(|| format!("cannot use core {core} alone"))
}

/// Runs `start` on `core`, then returns to `back`.
pub(crate) fn starting_on<T>(
    core: usize,
    back: usize,
    start: impl FnOnce() -> Result<T>,
) -> Result<T> {
    pin(core)?;
    let started = start();
    pin(back)?;
    started
}

fn this_thread() -> Pid {
    Pid::from_raw(0)
}
