//! The user's home on a real cluster, with real volumes: it lasts through sleep, only a purge ends it,
//! and what stands against it is told.

use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use contract::{label, object};
use futures::future::BoxFuture;
use http::StatusCode;
use k8s_openapi::api::core::v1::{PersistentVolumeClaim, Pod, ResourceQuota};
use kube::{
    Api, ResourceExt as _,
    api::{DeleteParams, LogParams},
    runtime::wait::{await_condition, conditions},
};
use serde_json::{Value, json};
use tests::{
    door::Answer,
    install::{self, TENANT},
    patience,
    stage::{SERVER, SignedIn, Stage},
};
use tokio::{sync::Mutex, time::timeout};

/// How long what the cluster does by itself may take.
const PATIENCE: Duration = Duration::from_secs(180);
/// The caller's own home, in the spawner's API.
const HOME: &str = "/-/api/v1/me/home";

/// One at a time: a quota is for all, and so is when the release lets workspaces sleep.
static TURN: Mutex<()> = Mutex::const_new(());

#[tokio::test]
async fn a_home_outlives_sleep_and_ends_with_a_purge() -> Result<()> {
    let _turn = TURN.lock().await;
    let stage = Stage::set().await?;
    let dave = stage.sign_in("dave").await?;
    sleep_after(&stage, "5s").await?;
    purge(&stage, &dave).await?;

    let first = stage.start_pod_of(&dave).await?;
    let home = claim(&stage, &dave).await?;
    let phase = home.status.as_ref().and_then(|status| status.phase.as_deref());
    assert_eq!(phase, Some("Bound"), "{home:?}");
    assert_eq!(home.metadata.owner_references, None, "the pod must not take it along");
    let written = "made /home/node/.openclaw/openclaw.json";
    let log = token_sync_log(&stage, &first).await?;
    assert!(log.contains(written), "an empty home is written to: {log}");

    stage.pods.gone(&first).await?;
    let asleep = server(&stage, &dave).await?;
    assert_eq!((text(&asleep, "/state"), text(&asleep, "/last_stop/reason")), ("Stopped", "idle"));
    let message = text(&asleep, "/message");
    assert!(message.contains("put to sleep because nobody used it"), "{message}");

    let second = stage.start_pod_of(&dave).await?;
    assert_ne!(second.uid(), first.uid());
    let log = token_sync_log(&stage, &second).await?;
    assert!(
        !log.contains(written) && log.contains("file unchanged"),
        "what it wrote is there: {log}"
    );
    assert_eq!(claim(&stage, &dave).await?.uid(), home.uid());
    let models = stage.spawner.get("/v1/models").bearer(&dave.tokens.access).send().await?;
    models.expect(StatusCode::OK).await?;

    purge(&stage, &dave).await?;
    assert!(stage.pods.api().get_opt(&dave.pod).await?.is_none(), "its pod was stopped");
    let third = stage.start_pod_of(&dave).await?;
    assert_ne!(claim(&stage, &dave).await?.uid(), home.uid(), "a new one");
    let log = token_sync_log(&stage, &third).await?;
    assert!(log.contains(written), "nothing of the old one is in it: {log}");
    sleep_after(&stage, "1h").await
}

#[tokio::test]
async fn a_home_that_cannot_be_had_is_told_in_words() -> Result<()> {
    let _turn = TURN.lock().await;
    let stage = Stage::set().await?;
    let erin = stage.sign_in("erin").await?;
    purge(&stage, &erin).await?;
    let quotas: Api<ResourceQuota> = Api::namespaced(stage.kube.clone(), TENANT);
    let quota =
        json!({"metadata": {"name": "homes"}, "spec": {"hard": {"persistentvolumeclaims": "0"}}});
    install::apply(&quotas, quota).await?;
    let refused = refused_by_quota(&stage, &erin, &quotas).await;
    quotas.delete("homes", &DeleteParams::default()).await?;
    refused?;
    assert!(stage.pods.api().get_opt(&erin.pod).await?.is_none(), "no pod without a home");

    // A claim that is there is taken as it is, and no class makes a volume for this one.
    let claim = json!({
        "metadata": {
            "name": object::home(&erin.person.id),
            "labels": { (label::USER): erin.person.id.as_str() },
        },
        "spec": {
            "accessModes": ["ReadWriteOnce"], "storageClassName": "no-such-class",
            "resources": {"requests": {"storage": "1Gi"}},
        },
    });
    install::apply(&claims(&stage), claim).await?;
    let start = stage.spawner.post(SERVER).bearer(&erin.tokens.access).send().await?;
    start.expect(StatusCode::ACCEPTED).await?;
    let told = || async { Ok(text(&server(&stage, &erin).await?, "/reason") == "volume") };
    patience::until(PATIENCE, told).await.context("the missing volume is told")?;
    let held_up = server(&stage, &erin).await?;
    let message = text(&held_up, "/message");
    assert!(message.contains("Your home has no volume yet"), "{message}");
    purge(&stage, &erin).await
}

/// Waits for the quota to count, and has it refuse.
async fn refused_by_quota(
    stage: &Stage,
    user: &SignedIn,
    quotas: &Api<ResourceQuota>,
) -> Result<()> {
    let counts = |quota: Option<&ResourceQuota>| {
        quota.and_then(|quota| quota.status.as_ref()?.used.as_ref()).is_some()
    };
    timeout(PATIENCE, await_condition(quotas.clone(), "homes", counts)).await??;
    let answer = stage.spawner.post(SERVER).bearer(&user.tokens.access).send().await?;
    let problem: Value = answer.expect(StatusCode::FORBIDDEN).await?.json().await?;
    let detail = text(&problem, "/detail");
    ensure!(text(&problem, "/reason") == "quota", "{problem}");
    ensure!(detail.contains("home") && detail.contains("persistentvolumeclaims=0"), "{detail}");
    Ok(())
}

/// Lets the release's workspaces sleep after that time. Boxed, as [`purge`] is: the steps of a test
/// would together be more than a test's stack holds.
fn sleep_after<'a>(stage: &'a Stage, time: &'a str) -> BoxFuture<'a, Result<()>> {
    Box::pin(set_sleep(stage, time))
}

async fn set_sleep(stage: &Stage, time: &str) -> Result<()> {
    let issuer = stage.keycloak.issuer();
    let mut values = install::values(&stage.cluster, &issuer, stage.new_api.base_url())?;
    let spawner = values.get_mut("spawner").and_then(Value::as_object_mut);
    let spawner = spawner.context("no values of the spawner")?;
    spawner.insert("sleep".to_owned(), json!({"idleTimeout": time}));
    install::chart(&stage.cluster, &stage.kube, &values).await
}

/// Has the user delete the home, which need not be there, and waits until it is gone.
fn purge<'a>(stage: &'a Stage, user: &'a SignedIn) -> BoxFuture<'a, Result<()>> {
    Box::pin(do_purge(stage, user))
}

async fn do_purge(stage: &Stage, user: &SignedIn) -> Result<()> {
    let claims = claims(stage);
    let name = object::home(&user.person.id);
    let before = claims.get_opt(&name).await?;
    let path = format!("{HOME}?confirm={}", user.person.id);
    let answer: Answer = stage.spawner.delete(&path).bearer(&user.tokens.access).send().await?;
    let Some(before) = before else {
        return answer.expect(StatusCode::NO_CONTENT).await.map(drop);
    };
    answer.expect(StatusCode::ACCEPTED).await?;
    let uid = before.uid().unwrap_or_default();
    let gone = await_condition(claims, &name, conditions::is_deleted(&uid));
    timeout(PATIENCE, gone).await.context("the home does not go")??;
    let home = stage.spawner.get(HOME).bearer(&user.tokens.access).send().await?;
    let home: Value = home.expect(StatusCode::OK).await?.json().await?;
    ensure!(text(&home, "/state") == "Missing", "{home}");
    Ok(())
}

fn claims(stage: &Stage) -> Api<PersistentVolumeClaim> {
    Api::namespaced(stage.kube.clone(), TENANT)
}

async fn claim(stage: &Stage, user: &SignedIn) -> Result<PersistentVolumeClaim> {
    let name = object::home(&user.person.id);
    claims(stage).get(&name).await.with_context(|| format!("expected a claim {name}"))
}

/// What the spawner says about the user's own server.
async fn server(stage: &Stage, user: &SignedIn) -> Result<Value> {
    let answer = stage.spawner.get(SERVER).bearer(&user.tokens.access).send().await?;
    answer.expect(StatusCode::OK).await?.json().await
}

/// The text there; empty if there is none.
fn text<'a>(value: &'a Value, pointer: &str) -> &'a str {
    value.pointer(pointer).and_then(Value::as_str).unwrap_or_default()
}

/// What the init step that writes to the home said.
async fn token_sync_log(stage: &Stage, pod: &Pod) -> Result<String> {
    let container = Some(contract::pod::TOKEN_SYNC.to_owned());
    let params = LogParams { container, ..LogParams::default() };
    Ok(stage.pods.api().logs(&pod.name_any(), &params).await?)
}
