//! `bench-path`: from the request to the first byte of the runtime, on the real cluster with the image
//! there: through spawner, webhook and sidecar, and the same pod without any of them.

use std::{collections::BTreeMap, path::Path};

use anyhow::{Context as _, Result};
use bench_results::Results;
use contract::{env, port, secret};
use http::StatusCode;
use k8s_openapi::{
    ByteString,
    api::core::v1::{Pod, Secret},
};
use kube::{Api, ResourceExt as _};
use serde_json::{Value, json};
use tokio::time::Instant;

use crate::{
    install,
    stage::{SERVER, SignedIn, Stage},
};

/// The user, who has nothing else to do.
const USER: &str = "alice";
/// The pod that nobody injects into.
const BARE: &str = "bench-bare";
/// What the runtime answers, asked for as a user's program would.
const PATH: &str = "/v1/models";
const FIRST_BYTE: &str = "from the request to the first byte";
const READY: &str = "from the request until the pod is Ready";
const NAME_OF_BARE: &str = "the same pod without injection";

/// Measures `rounds` times each, in turn, and writes the results to `out`.
///
/// # Errors
/// A part cannot be brought up, or does not answer.
pub async fn measure(rounds: u32, out: &Path) -> Result<()> {
    let stage = Stage::set().await?;
    let user = stage.sign_in(USER).await?;
    let mut report = Results::new("path");
    report.program("ours", "spawner, webhook, token-sync and sidecar");
    report.program(NAME_OF_BARE, "created by hand, reached by the API server's port-forward");
    stage.pods.remove(BARE).await?;
    // The first start is for the images, and for the pod to be read off.
    let pod = stage.start_pod_of(&user).await?;
    let secrets: Api<Secret> = Api::namespaced(stage.kube.clone(), install::TENANT);
    let key = secrets.get(&secret::newapi_key(&user.person.id)).await?;
    let bare = bare(&pod, &key.data.unwrap_or_default())?;
    for round in 1..=rounds {
        eprintln!("… round {round} of {rounds}");
        stage.pods.remove(&user.pod).await?;
        through_us(&stage, &user, &mut report).await?;
        stage.pods.remove(&user.pod).await?;
        by_hand(&stage, &bare, &mut report).await?;
        stage.pods.remove(BARE).await?;
    }
    report.say("The image is on the node, and nothing else waits for the kubelet.");
    report.say(
        "Without injection the home is an emptyDir: a user's claim is for that user's pod alone.",
    );
    report.write(out)
}

/// A start is asked for, then the runtime, whose answer waits until the pod is there.
async fn through_us(stage: &Stage, user: &SignedIn, report: &mut Results) -> Result<()> {
    let begun = Instant::now();
    let start = stage.spawner.post(SERVER).bearer(&user.tokens.access).send().await?;
    start.expect(StatusCode::ACCEPTED).await?;
    let answer = stage.spawner.get(PATH).bearer(&user.tokens.access).send();
    let ready = async {
        stage.pods.ready(&user.pod).await?;
        Ok(since(begun))
    };
    let (answered, ready) = tokio::try_join!(
        async {
            answer.await?.expect(StatusCode::OK).await?;
            Ok::<_, anyhow::Error>(since(begun))
        },
        ready
    )?;
    report.note(FIRST_BYTE, "ms", answered);
    report.note(READY, "ms", ready);
    Ok(())
}

/// The pod is created, waited for, and asked.
async fn by_hand(stage: &Stage, bare: &Pod, report: &mut Results) -> Result<()> {
    let begun = Instant::now();
    stage.pods.create(bare).await?;
    stage.pods.ready(BARE).await?;
    report.peer(READY, "ms", NAME_OF_BARE, since(begun));
    let door = stage.pods.door(BARE, port::RUNTIME, "the runtime of");
    door.get(PATH).send().await?.expect(StatusCode::OK).await?;
    report.peer(FIRST_BYTE, "ms", NAME_OF_BARE, since(begun));
    Ok(())
}

fn since(begun: Instant) -> f64 {
    begun.elapsed().as_secs_f64() * 1e3
}

/// The pod as it would be without us: nothing injected, the key written out, and the runtime open to the
/// kubelet's probes.
fn bare(pod: &Pod, key: &BTreeMap<String, ByteString>) -> Result<Pod> {
    let name = pod.name_any();
    let mut pod = serde_json::to_value(pod)?;
    webhook::uninject::uninject(&mut pod);
    let mut spec = pod.get("spec").cloned().with_context(|| format!("pod {name} has no spec"))?;
    let fields = spec.as_object_mut().context("a spec that is no object")?;
    // Where the scheduler put that one.
    fields.remove("nodeName");
    for volume in fields.get_mut("volumes").and_then(Value::as_array_mut).into_iter().flatten() {
        // A home is for its user's pod alone.
        if volume.get("persistentVolumeClaim").is_some() {
            *volume = json!({"name": volume.get("name"), "emptyDir": {}});
        }
    }
    let container = fields.get_mut("containers").and_then(|all| all.get_mut(0));
    let container = container.and_then(Value::as_object_mut).context("no container")?;
    let variables = container.entry("env").or_insert_with(|| json!([]));
    let variables = variables.as_array_mut().context("an env that is no list")?;
    let listen = format!("0.0.0.0:{}", port::RUNTIME);
    variables.push(json!({"name": "LISTEN", "value": listen}));
    let parts = [
        (env::NEWAPI_KEY, secret::NEWAPI_KEY_KEY),
        (env::NEWAPI_BASE_URL, secret::NEWAPI_BASE_URL_KEY),
    ];
    for (name, part) in parts {
        let value = key.get(part).map(|value| String::from_utf8_lossy(&value.0));
        variables.push(json!({"name": name, "value": value}));
    }
    Ok(serde_json::from_value(json!({"metadata": {"name": BARE}, "spec": spec}))?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bare_pod_has_nothing_of_ours() {
        let pod: Pod = serde_json::from_value(json!({
            "metadata": {
                "name": "openclaw-a", "uid": "1",
                "labels": {"catalyst.openova.io/openclaw-user": "a"},
            },
            "spec": {"nodeName": "node", "volumes": [
                {"name": "home", "persistentVolumeClaim": {"claimName": "openclaw-home-a"}},
            ], "containers": [{"name": "runtime", "image": "r"}]},
        }))
        .unwrap();
        let bare = bare(&pod, &BTreeMap::new()).unwrap();
        assert_eq!((bare.name_any().as_str(), bare.labels().len()), (BARE, 0));
        let spec = bare.spec.unwrap();
        assert_eq!(spec.node_name, None);
        assert!(spec.volumes.unwrap()[0].empty_dir.is_some());
        let env = spec.containers[0].env.as_ref().unwrap();
        assert_eq!(env[0].value.as_deref(), Some("0.0.0.0:18789"));
    }
}
