//! The real OpenClaw in users' pods, where the machine has the memory for it.

use std::{fs, path::Path, time::Duration};

use anyhow::{Context as _, Result, ensure};
use contract::{object, secret};
use k8s_openapi::api::core::v1::{Pod, Secret};
use kube::{Api, api::LogParams};
use serde_json::{Map, Value, json};
use tokio::sync::OnceCell;

use crate::{
    install::{self, TENANT},
    patience,
    people::Person,
    stage::Stage,
};

/// Memory that two of them and a browser take, in KiB.
const ROOM: u64 = 4 * 1024 * 1024;

/// How long a spawner may take to end.
const ENDING: Duration = Duration::from_secs(120);

/// Where OpenClaw listens, on the pod's loopback.
pub const PORT: u16 = 18789;

/// The chart is upgraded by the first test of a program that asks for it.
static UPGRADED: OnceCell<()> = OnceCell::const_new();

/// Sets the stage with OpenClaw as the runtime. `None` is a machine without the memory, which is said;
/// in CI it is tried all the same. The next program that sets the stage has the other runtime again.
///
/// # Errors
/// The image was not loaded, or the chart cannot be upgraded.
pub async fn set() -> Result<Option<Stage>> {
    let free = free_memory()?;
    if free < ROOM && std::env::var_os("CI").is_none() {
        let free = free / 1024;
        patience::say(&format!("SKIPPED: the real OpenClaw needs 4096 MiB, {free} MiB are free"));
        return Ok(None);
    }
    // Boxed: all that together is more than a test's stack holds.
    let stage = Box::pin(Stage::set()).await?;
    let upgrade = Box::pin(async {
        let values = values(&stage)?;
        install::chart(&stage.cluster, &stage.kube, &values).await?;
        old_spawners_gone(&stage).await
    });
    UPGRADED.get_or_try_init(|| upgrade).await?;
    Ok(Some(stage))
}

/// One that ends still serves, and makes pods as it learnt to.
async fn old_spawners_gone(stage: &Stage) -> Result<()> {
    let pods: Api<Pod> = Api::namespaced(stage.kube.clone(), install::SYSTEM);
    patience::until(ENDING, || async {
        let spawners = pods.list(&install::of_component("spawner")).await?;
        Ok(spawners.iter().all(|pod| pod.metadata.deletion_timestamp.is_none()))
    })
    .await
}

/// The chart's values for this stage with OpenClaw's profile.
///
/// # Errors
/// The image was not loaded, or the profile cannot be read.
pub fn values(stage: &Stage) -> Result<Value> {
    let image = &stage.cluster.openclaw_image;
    ensure!(!image.is_empty(), "the image of OpenClaw is not loaded: `make openclaw`");
    let (repository, tag) = image.rsplit_once(':').context("an image without a tag")?;
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../chart/profiles/openclaw.yaml");
    let mut values: Value = serde_norway::from_str(&fs::read_to_string(path)?)?;
    let issuer = stage.keycloak.issuer();
    overlay(&mut values, install::values(&stage.cluster, &issuer, stage.new_api.base_url())?);
    let runtime = json!({"repository": repository, "tag": tag});
    let newapi = json!({"models": ["stand-in-1"]});
    overlay(&mut values, json!({"images": {"runtime": runtime}, "newapi": newapi}));
    Ok(values)
}

/// As helm puts one file of values over another.
fn overlay(base: &mut Value, over: Value) {
    match (base, over) {
        (Value::Object(base), Value::Object(over)) => merge(base, over),
        (base, over) => *base = over,
    }
}

fn merge(base: &mut Map<String, Value>, over: Map<String, Value>) {
    for (name, value) in over {
        overlay(base.entry(name).or_insert(Value::Null), value);
    }
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
