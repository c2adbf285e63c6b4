//! Alice's pod: created, injected, Ready; deleted and back.

use anyhow::{Context as _, Result, ensure};
use contract::secret;
use http::StatusCode;
use k8s_openapi::api::core::v1::Secret;
use kube::{Api, ResourceExt as _};
use tokio::time::Instant;

use super::teller::{Teller, Told};
use crate::{
    install::TENANT,
    patience::seconds,
    pods::injected,
    stage::{SERVER, SignedIn, Stage},
};

pub(super) async fn is_created_and_injected(
    teller: &Teller,
    stage: &Stage,
    user: &SignedIn,
) -> Result<()> {
    // From the beginning, also in a second run.
    stop(stage, user).await?;
    teller
        .step("the spawner creates alice's pod and the webhook injects it", async {
            let call = stage.spawner.post(SERVER).bearer(&user.tokens.access);
            call.send().await?.expect(StatusCode::ACCEPTED).await?;
            let injected = injected(&stage.pods.named(&user.pod).await?);
            ensure!(injected.note.is_some(), "nothing was injected into pod {}", user.pod);
            let told = Told::line(format!("alice's pod {} is created and injected", user.pod));
            Ok(told.with(injected.lines()))
        })
        .await
}

pub(super) async fn becomes_ready(teller: &Teller, stage: &Stage, user: &SignedIn) -> Result<()> {
    teller
        .step("alice's pod becomes Ready", async {
            let waiting = Instant::now();
            let pod = stage.pods.ready(&user.pod).await?;
            let containers = pod.spec.map_or(0, |spec| {
                spec.containers.len() + spec.init_containers.map_or(0, |init| init.len())
            });
            let after = seconds(waiting.elapsed());
            Ok(Told::line(format!("Ready after {after}, {containers} containers")))
        })
        .await
}

pub(super) async fn comes_back(teller: &Teller, stage: &Stage, user: &SignedIn) -> Result<()> {
    teller
        .step("alice's pod is deleted and comes back with the same gateway token", async {
            let (pod, token) = (stage.pods.named(&user.pod).await?, gateway(stage, user).await?);
            stop(stage, user).await?;
            let back = stage.start_pod_of(user).await?;
            ensure!(back.uid() != pod.uid(), "the pod was not deleted");
            let now = gateway(stage, user).await?;
            let (uid, _) = &token;
            ensure!(
                now == token,
                "the gateway token is another: Secret uid was {uid}, is {}",
                now.0
            );
            Ok(Told::line("alice's pod is deleted and back, with the same gateway token").with([
                format!(
                    "pod uid {} -> {}",
                    pod.uid().unwrap_or_default(),
                    back.uid().unwrap_or_default()
                ),
                format!("gateway token unchanged, in the Secret with uid {uid}"),
            ]))
        })
        .await
}

async fn stop(stage: &Stage, user: &SignedIn) -> Result<()> {
    let call = stage.spawner.delete(&format!("{SERVER}?wait=60")).bearer(&user.tokens.access);
    call.send().await?.expect(StatusCode::NO_CONTENT).await.map(drop)
}

/// Uid and value of the user's gateway token.
async fn gateway(stage: &Stage, user: &SignedIn) -> Result<(String, String)> {
    let secrets: Api<Secret> = Api::namespaced(stage.kube.clone(), TENANT);
    let found = secrets.get(&secret::gateway(&user.person.id)).await?;
    let uid = found.uid().unwrap_or_default();
    let token = found.data.unwrap_or_default().remove(secret::GATEWAY_TOKEN_KEY);
    let token = token.context("the Secret has no gateway token")?;
    Ok((uid, String::from_utf8(token.0)?))
}

/// Enough of a secret to tell it from another one.
pub(super) fn mask(secret: &str) -> String {
    let shown: String = secret.chars().take(8).collect();
    format!("{shown}…")
}
