//! The real OpenClaw in users' pods, where the machine has the memory for it.

use std::{fs, ops::Deref, time::Duration};

use anyhow::{Context as _, Result};
use contract::{label, object, secret};
use k8s_openapi::api::core::v1::{PersistentVolumeClaim, Pod, Secret};
use kube::{
    Api, ResourceExt as _,
    api::{DeleteParams, ListParams, LogParams},
    runtime::wait::{await_condition, conditions},
};
use serde_json::Value;
use tokio::{
    sync::{Mutex, MutexGuard, OnceCell},
    time::timeout,
};

use crate::{
    install::{self, TENANT},
    patience,
    people::Person,
    profile,
    stage::Stage,
};

/// Memory that two of them and a browser take, in KiB.
const ROOM: u64 = 4 * 1024 * 1024;

/// How long a home may take to go.
const ENDING: Duration = Duration::from_secs(120);

/// Where OpenClaw listens, on the pod's loopback.
pub const PORT: u16 = 18789;

/// There is one public address on this host, one release, and memory for one OpenClaw at a time.
static TURN: Mutex<()> = Mutex::const_new(());

/// Homes are made new for the first test of a program.
static HOMES: OnceCell<()> = OnceCell::const_new();

/// The stage with OpenClaw as the runtime, for one test of a program at a time.
#[expect(missing_debug_implementations, reason = "Stage has none")]
pub struct Alone {
    stage: Stage,
    _turn: MutexGuard<'static, ()>,
}

impl Deref for Alone {
    type Target = Stage;

    fn deref(&self) -> &Stage {
        &self.stage
    }
}

/// Sets the stage with OpenClaw as the runtime, and with these values of the chart. `None` is a machine
/// without the memory, which is said; in CI it is tried all the same. The next program that sets the
/// stage has the other runtime again.
///
/// # Errors
/// The image was not loaded, or the chart cannot be upgraded.
pub async fn alone(values: Value) -> Result<Option<Alone>> {
    let free = free_memory()?;
    if free < ROOM && std::env::var_os("CI").is_none() {
        let free = free / 1024;
        patience::say(&format!("SKIPPED: the real OpenClaw needs 4096 MiB, {free} MiB are free"));
        return Ok(None);
    }
    let turn = TURN.lock().await;
    // Boxed: all that together is more than a test's stack holds.
    let stage = Box::pin(Stage::set()).await?;
    HOMES.get_or_try_init(|| Box::pin(remove_homes(&stage))).await?;
    Box::pin(upgrade(&stage, values)).await?;
    Ok(Some(Alone { stage, _turn: turn }))
}

/// What is in a home was seeded by the release of its day, with the models that it had.
async fn remove_homes(stage: &Stage) -> Result<()> {
    stage.pods.remove_all_of_users().await?;
    let claims: Api<PersistentVolumeClaim> = Api::namespaced(stage.kube.clone(), TENANT);
    let of_users = ListParams::default().labels(label::USER);
    for claim in claims.list(&of_users).await? {
        let name = claim.name_any();
        claims.delete(&name, &DeleteParams::default()).await?;
        let uid = claim.uid().unwrap_or_default();
        let gone = await_condition(claims.clone(), &name, conditions::is_deleted(&uid));
        timeout(ENDING, gone).await.with_context(|| format!("{name} does not go"))??;
    }
    Ok(())
}

/// Upgrades the release to these values over OpenClaw's.
///
/// # Errors
/// The image was not loaded, or the chart cannot be upgraded.
pub async fn upgrade(stage: &Stage, over: Value) -> Result<()> {
    profile::install(stage, "openclaw", &stage.cluster.openclaw_image, over).await
}

/// The user's gateway token, which nobody but the pod's own containers may know.
///
/// # Errors
/// There is none.
pub async fn gateway_token(stage: &Stage, person: &Person) -> Result<String> {
    let secrets: Api<Secret> = Api::namespaced(stage.kube.clone(), TENANT);
    let secret = secrets.get(&secret::gateway(&person.id)).await?;
    let token = secret.data.as_ref().and_then(|data| data.get(secret::GATEWAY_TOKEN_KEY));
    Ok(String::from_utf8(token.context("no gateway token")?.0.clone())?)
}

/// All that the containers of the user's pod, and the spawner, have logged.
///
/// # Errors
/// The API server refuses.
pub async fn logs(stage: &Stage, person: &Person) -> Result<String> {
    let mut text = logs_of(stage.pods.api(), &object::pod(&person.id)).await?;
    let system: Api<Pod> = Api::namespaced(stage.kube.clone(), install::SYSTEM);
    for pod in system.list(&install::of_component("spawner")).await? {
        text += &logs_of(&system, pod.metadata.name.as_deref().unwrap_or_default()).await?;
    }
    Ok(text)
}

async fn logs_of(pods: &Api<Pod>, name: &str) -> Result<String> {
    let spec = pods.get(name).await?.spec.context("a pod without a spec")?;
    let mut text = String::new();
    for container in spec.init_containers.iter().flatten().chain(&spec.containers) {
        let params = LogParams { container: Some(container.name.clone()), ..LogParams::default() };
        text += &pods.logs(name, &params).await?;
    }
    Ok(text)
}

/// In KiB, what Linux could give to new programs.
fn free_memory() -> Result<u64> {
    let text = fs::read_to_string("/proc/meminfo")?;
    let line = text.lines().find_map(|line| line.strip_prefix("MemAvailable:"));
    let number = line.and_then(|line| line.split_whitespace().next());
    Ok(number.context("no MemAvailable in /proc/meminfo")?.parse()?)
}
