use std::time::Duration;

use anyhow::{Result, ensure};

use super::{Closed, Target};
use crate::measure::Program;

/// Connections while speed is measured.
pub(crate) const CONNECTIONS: usize = 32;
/// Load before each measurement, so that pools and caches are filled.
pub(crate) const WARM_UP: Duration = Duration::from_millis(400);
/// One measurement of speed or latency.
pub(crate) const STRETCH: Duration = Duration::from_millis(2600);

/// A program that does all it can.
pub(crate) struct Saturated {
    pub(crate) cpu_us: f64,
    pub(crate) rate: f64,
    /// How much of one core it had.
    pub(crate) core_share: f64,
}

/// Loads `program` with as much as it can take.
pub(crate) async fn saturate(target: &Target, program: Program) -> Result<Saturated> {
    let load = Closed::start(target, CONNECTIONS).await?;
    load.during(WARM_UP).await;
    let before = program.cpu()?;
    let burst = load.during(STRETCH).await;
    let cpu = program.cpu()?.saturating_sub(before).as_secs_f64();
    load.stop().await?;
    ensure!(burst.requests > 0, "no request was answered");
    Ok(Saturated {
        cpu_us: cpu * 1e6 / burst.count(),
        rate: burst.rate(),
        core_share: cpu / burst.took.as_secs_f64(),
    })
}
