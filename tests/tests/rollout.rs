//! Both replicas of the spawner are replaced while people work: nobody notices who comes back when
//! told to.

use anyhow::{Context as _, Result, bail, ensure};
use futures::StreamExt as _;
use http::StatusCode;
use k8s_openapi::api::apps::v1::Deployment;
use kube::Api;
use serde_json::Value;
use tests::{
    install,
    load::meanwhile,
    stage::{SERVER, SignedIn, Stage},
};
use tokio_tungstenite::tungstenite::{Message, protocol::frame::coding::CloseCode};

const DEPLOYMENT: &str = "bp-openclaw-spawner";

#[tokio::test]
async fn a_rolling_restart_fails_no_request_and_closes_sockets_to_be_opened_again() -> Result<()> {
    let stage = Stage::set().await?;
    let (heidi, grace) = (stage.sign_in("heidi").await?, stage.sign_in("grace").await?);
    stage.start_pod_of(&heidi).await?;
    stage.pods.remove(&grace.pod).await?;
    let ask = async || {
        let answer = stage.spawner.get("/v1/models").bearer(&heidi.tokens.access).send().await?;
        answer.expect(StatusCode::OK).await?.text().await.map(drop)
    };
    let restart = async {
        let deployments: Api<Deployment> = Api::namespaced(stage.kube.clone(), install::SYSTEM);
        deployments.restart(DEPLOYMENT).await?;
        let rolled_out = install::rolled_out(&stage.kube, DEPLOYMENT);
        // On the heap: a debug build's futures, one in another, outgrow a test's stack.
        tokio::try_join!(
            Box::pin(rolled_out),
            Box::pin(closes_to_be_opened_again(&stage, &heidi)),
            Box::pin(starts(&stage, &grace)),
        )
        .map(drop)
    };
    let (_, tally) = meanwhile(1000, ask, restart).await?;
    tally.expect_all_of(1000)?;
    tells_how_the_pod_before_ended(&stage, &grace).await
}

/// A socket says 1012 when its replica ends, and opens again at once.
async fn closes_to_be_opened_again(stage: &Stage, user: &SignedIn) -> Result<()> {
    let mut socket = stage.spawner.get("/ws").bearer(&user.tokens.access).websocket().await?;
    let code = loop {
        match socket.next().await.context("the socket ended without a word")?? {
            Message::Close(Some(frame)) => break frame.code,
            Message::Close(None) => bail!("closed without a code"),
            _ => {}
        }
    };
    ensure!(code == CloseCode::Restart, "closed with {code}");
    let mut socket = stage.spawner.get("/ws").bearer(&user.tokens.access).websocket().await?;
    socket.close(None).await.context("the second socket")
}

/// A start that begins with one replica is waited for wherever the requests then go.
async fn starts(stage: &Stage, user: &SignedIn) -> Result<()> {
    let token = &user.tokens.access;
    let started = stage.spawner.post(SERVER).bearer(token).send().await?;
    started.expect(StatusCode::ACCEPTED).await?;
    let held = stage.spawner.get("/v1/models").bearer(token).send().await?;
    held.expect(StatusCode::OK).await.map(drop)
}

/// Every replica is newer than this stop's pod, and the next restart would forget what only memory
/// holds; so the answer comes from the cluster.
async fn tells_how_the_pod_before_ended(stage: &Stage, user: &SignedIn) -> Result<()> {
    let token = &user.tokens.access;
    let stopped = stage.spawner.delete(&format!("{SERVER}?wait=60")).bearer(token).send().await?;
    stopped.expect(StatusCode::NO_CONTENT).await?;
    let deployments: Api<Deployment> = Api::namespaced(stage.kube.clone(), install::SYSTEM);
    deployments.restart(DEPLOYMENT).await?;
    install::rolled_out(&stage.kube, DEPLOYMENT).await?;
    let server = stage.spawner.get(SERVER).bearer(token).send().await?;
    let server: Value = server.expect(StatusCode::OK).await?.json().await?;
    ensure!(server.pointer("/last_stop/reason") == Some(&"user".into()), "{server}");
    Ok(())
}
