//! A pod beside the users', with OpenClaw's image: what is seen from there, and what is in a home.

use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use contract::{annotation, object, secret};
use k8s_openapi::api::core::v1::Pod;
use kube::{ResourceExt as _, api::LogParams, runtime::wait::await_condition};
use serde_json::{Value, json};
use tests::{
    openclaw,
    pods::{labeled, plain},
    stage::{SignedIn, Stage},
};
use tokio::time::timeout;

const NAME: &str = "openclaw-neighbour";

/// What a script of Node.js with these variables says as JSON, in a pod that is nobody's.
pub(crate) async fn told(stage: &Stage, script: &str, variables: &[(&str, &str)]) -> Result<Value> {
    told_in(stage, plain(NAME)?, script, variables).await
}

async fn told_in(
    stage: &Stage,
    mut neighbour: Pod,
    script: &str,
    variables: &[(&str, &str)],
) -> Result<Value> {
    let spec = neighbour.spec.get_or_insert_default();
    spec.restart_policy = Some("Never".to_owned());
    let container = spec.containers.first_mut().context("no container")?;
    container.image = Some(stage.cluster.openclaw_image.clone());
    container.command = Some(["node", "-e", script].map(str::to_owned).to_vec());
    let variables = variables.iter().map(|(name, value)| json!({"name": name, "value": value}));
    container.env = serde_json::from_value(variables.collect())?;
    stage.pods.remove(NAME).await?;
    stage.pods.create(&neighbour).await?;
    let ended = |pod: Option<&Pod>| {
        let phase = pod.and_then(|pod| pod.status.as_ref()?.phase.as_deref());
        matches!(phase, Some("Succeeded" | "Failed"))
    };
    let waiting = await_condition(stage.pods.api().clone(), NAME, ended);
    timeout(Duration::from_secs(120), waiting).await??;
    let said = stage.pods.api().logs(NAME, &LogParams::default()).await?;
    stage.pods.remove(NAME).await?;
    serde_json::from_str(said.trim()).with_context(|| said.clone())
}

/// Fails if the user's home, which nothing may be using, holds a lock, or another gateway token than the
/// Secret's.
pub(crate) async fn home_is_tidy(stage: &Stage, user: &SignedIn) -> Result<()> {
    let script = "
        const { readdirSync, readFileSync } = require('node:fs');
        const home = '/home/node/.openclaw';
        const files = readdirSync(home, { recursive: true });
        const config = readFileSync(`${home}/openclaw.json`, 'utf8');
        console.log(JSON.stringify({
          sessions: files.some((file) => file.endsWith('.sqlite')),
          locks: files.filter((file) => file.endsWith('.lock')),
          token: config.includes(`\"${process.env.TOKEN}\"`),
        }));";
    let token = openclaw::gateway_token(stage, &user.person).await?;
    let seen = told_in(stage, with_home(user)?, script, &[("TOKEN", &token)]).await?;
    let expected = json!({"sessions": true, "locks": [], "token": true});
    ensure!(seen == expected, "{}: {seen}", secret::gateway(&user.person.id));
    Ok(())
}

/// A pod of the user's, because no other may use the home, that leaves the home as it is.
fn with_home(user: &SignedIn) -> Result<Pod> {
    let mut pod = labeled(NAME, user.person.id.as_str())?;
    pod.annotations_mut().extend([
        (annotation::TOKEN_SYNC.to_owned(), "disabled".to_owned()),
        (annotation::GATEWAY_AUTH.to_owned(), "none".to_owned()),
    ]);
    let claim = json!({"claimName": object::home(&user.person.id)});
    let volumes = json!([{"name": "home", "persistentVolumeClaim": claim}]);
    pod.spec.get_or_insert_default().volumes = serde_json::from_value(volumes)?;
    Ok(pod)
}
