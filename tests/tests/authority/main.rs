//! The webhook's own certificates on the real API server, while admissions go on: damage is put right,
//! a new CA follows the old one, pods are replaced, and no admission is lost.

mod damage;
mod rollout;

use anyhow::Result;
use tests::{stage::Stage, trust::Trust};
use tokio::sync::{Mutex, MutexGuard};

/// A user whom Keycloak need not know: every pod is a dry run.
const USER: &str = "dddddddd-2222-4333-8444-555555555555";

/// One test at a time: what one damages, another would notice.
static ALONE: Mutex<()> = Mutex::const_new(());

async fn alone() -> Result<(MutexGuard<'static, ()>, Stage, Trust)> {
    let alone = ALONE.lock().await;
    let stage = Stage::set().await?;
    let trust = Trust::of(&stage.kube);
    Ok((alone, stage, trust))
}
