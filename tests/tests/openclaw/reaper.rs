//! OpenClaw has a word in its own sleep: at work it stays awake, idle it goes, and whoever comes in the
//! middle of the handshake is served.

use std::time::Duration;

use anyhow::Result;
use contract::{path, port};
use http::{Method, StatusCode};
use kube::ResourceExt as _;
use serde_json::{Value, json};
use tests::{
    chat,
    door::Door,
    openclaw, patience,
    stage::{SERVER, SignedIn, Stage},
};

use crate::{drowsy, operator::Operator};

/// How long the reaper may take to come by.
const PATIENCE: Duration = Duration::from_secs(120);

#[tokio::test]
async fn a_working_openclaw_stays_awake_and_an_idle_one_sleeps() -> Result<()> {
    let Some(stage) = openclaw::alone(drowsy()).await? else { return Ok(()) };
    let alice = stage.sign_in("alice").await?;
    stage.pods.remove(&alice.pod).await?;
    let pod = stage.start_pod_of(&alice).await?;
    let before = stage.new_api.last_number().await?;
    let mut operator = Operator::connect(&stage, &alice).await?;
    operator.say("hold=openclaw-works think about it").await?;
    let asked = || async {
        let chats = stage.new_api.chats_since(before, &alice.person.newapi_key()).await?;
        Ok(!chats.is_empty())
    };
    patience::until(PATIENCE, asked).await?;
    // From here on no client is there, and only OpenClaw knows that it is at work.
    operator.leave().await?;
    let shown = || async { Ok(blockers(&stage, &alice).await?.is_some()) };
    patience::until(PATIENCE, shown).await?;
    let shown = blockers(&stage, &alice).await?.unwrap_or_default();
    assert!(shown.contains("embedded-run"), "{shown}");
    assert_eq!(stage.pods.named(&alice.pod).await?.uid(), pod.uid(), "it stays");

    stage.new_api.go_on("openclaw-works").await?;
    stage.pods.gone(&pod).await?;
    let server = stage.spawner.get(SERVER).bearer(&alice.tokens.access).send().await?;
    let server: Value = server.expect(StatusCode::OK).await?.json().await?;
    assert_eq!(server.pointer("/last_stop/reason"), Some(&json!("idle")), "{server}");
    Ok(())
}

#[tokio::test]
async fn whoever_comes_in_the_middle_of_the_handshake_is_served() -> Result<()> {
    let Some(stage) = openclaw::alone(json!({})).await? else { return Ok(()) };
    let alice = stage.sign_in("alice").await?;
    stage.start_pod_of(&alice).await?;
    let admin = stage.pods.door(&alice.pod, port::SIDECAR_ADMIN, "the admin port of");
    let idle = || async { Ok(agreement(&admin).await? == json!({"status": "ready"})) };
    // One that has just started has work of its own.
    patience::until(PATIENCE, idle).await?;
    assert_eq!(readiness(&admin).await?, StatusCode::SERVICE_UNAVAILABLE, "nothing new begins");

    let question = chat::question("openclaw", "hold=openclaw-middle are you there");
    let mut words = chat::ask(&stage.sidecar_of(&alice), &alice.tokens.access, &question).await?;
    assert_eq!(words.next().await?.as_deref(), Some("Hello"));
    assert_eq!(readiness(&admin).await?, StatusCode::OK, "it goes on");
    let busy = agreement(&admin).await?;
    assert_eq!(busy["status"], "busy");
    assert!(busy["blockers"].as_array().is_some_and(|kinds| !kinds.is_empty()), "{busy}");
    stage.new_api.go_on("openclaw-middle").await?;
    assert!(words.rest().await?.0.contains("are you there"));

    // One that was told to go on is asked again, and agrees again.
    patience::until(PATIENCE, idle).await?;
    let answer = admin.call(Method::DELETE, path::SLEEP).send().await?;
    answer.expect(StatusCode::NO_CONTENT).await?;
    assert_eq!(readiness(&admin).await?, StatusCode::OK);
    Ok(())
}

/// The reaper's question, as it puts it.
async fn agreement(admin: &Door) -> Result<Value> {
    admin.post(path::SLEEP).send().await?.expect(StatusCode::OK).await?.json().await
}

/// What the kubelet is told about OpenClaw. No client, so nothing is told to go on for it.
async fn readiness(admin: &Door) -> Result<StatusCode> {
    Ok(admin.get("/probe/readiness").send().await?.status)
}

/// What the spawner's log shows of the work that keeps the user's pod awake.
async fn blockers(stage: &Stage, user: &SignedIn) -> Result<Option<String>> {
    let logs = openclaw::logs(stage, &user.person).await?;
    let shown = |line: &&str| {
        line.contains("its runtime is at work") && line.contains(user.person.id.as_str())
    };
    Ok(logs.lines().rev().find(shown).map(str::to_owned))
}
