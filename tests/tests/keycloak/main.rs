//! The sidecar beside a real Keycloak: its tokens of every kind, its keys when they change, its
//! logouts, and its outages. On a Keycloak of its own, which it may stop.

mod keys;
mod logout;
mod outage;
mod sidecar;
mod tokens;

use anyhow::Result;
use tests::{
    cluster::Cluster,
    keycloak::{Keycloak, Realm},
};
use tokio::sync::{Mutex, RwLock, RwLockReadGuard, RwLockWriteGuard};

/// Who needs Keycloak holds it; who stops it has it alone.
static RUNNING: RwLock<()> = RwLock::const_new(());

/// A realm of a test's own.
async fn realm(name: &str) -> Result<(Realm, RwLockReadGuard<'static, ()>)> {
    let held = RUNNING.read().await;
    // One starts Keycloak, the others find it; and it makes one realm at a time.
    static STARTING: Mutex<()> = Mutex::const_new(());
    let _starting = STARTING.lock().await;
    let keycloak = Keycloak::of_its_own(&Cluster::running()?).await?;
    Ok((keycloak.realm_of_its_own(name).await?, held))
}

async fn alone() -> RwLockWriteGuard<'static, ()> {
    RUNNING.write().await
}
