//! A release on a real cluster, from one upgrade to the next and over its uninstall: no token and no
//! request is lost, nothing is left behind that was not meant to be, and two do not see each other.

mod neighbours;
mod upgrades;

use anyhow::Result;
use tests::{install, release::Release, stage::Stage};
use tokio::sync::{Mutex, MutexGuard};

/// One test at a time: there is one release that both are about.
static ALONE: Mutex<()> = Mutex::const_new(());

async fn alone() -> Result<(MutexGuard<'static, ()>, Stage, Release)> {
    let alone = ALONE.lock().await;
    let stage = Stage::set().await?;
    let values =
        install::values(&stage.cluster, &stage.keycloak.issuer(), stage.new_api.base_url())?;
    Ok((alone, stage, Release::of_stage(values)))
}
