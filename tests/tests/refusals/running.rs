//! Who is turned away at a running pod and at the spawner.

use anyhow::{Context as _, Result};
use contract::{label, port, secret};
use http::{StatusCode, header};
use k8s_openapi::api::{
    apps::v1::Deployment,
    core::v1::{Pod, Secret},
};
use kube::{
    Api, ResourceExt as _,
    api::{DeleteParams, Patch, PatchParams},
    runtime::wait::{await_condition, conditions},
};
use serde_json::json;
use tests::{
    chat,
    cluster::Mode,
    door::Door,
    install,
    keycloak::{CLIENT_OTHER, CLIENT_SHORT, Token},
    people::person,
    pods::labeled,
    stage::{SignedIn, Stage},
};
use tokio::net::TcpStream;

/// A user whom Keycloak need not know: nothing is started.
const USER: &str = "cccccccc-2222-4333-8444-555555555555";

/// Carol's pod runs; her key is what must not be used by anybody else.
async fn carols_pod() -> Result<(Stage, SignedIn)> {
    let stage = Stage::set().await?;
    let carol = stage.sign_in("carol").await?;
    stage.start_pod_of(&carol).await?;
    Ok((stage, carol))
}

/// Sends a chat, and expects this status and that NewAPI has seen nothing of it.
async fn refused(
    stage: &Stage,
    door: &Door,
    token: Option<&Token>,
    status: StatusCode,
) -> Result<String> {
    let before = stage.new_api.last_number().await?;
    let call = door.post(chat::COMPLETIONS).json(&chat::question("m", "let me in"));
    let call = match token {
        Some(token) => call.bearer(token),
        None => call,
    };
    let answer = call.send().await?.expect(status).await?;
    let challenge = answer.headers.get(header::WWW_AUTHENTICATE).cloned();
    let key = person("carol")?.newapi_key();
    assert_eq!(stage.new_api.chats_since(before, &key).await?, [], "it went to NewAPI");
    Ok(challenge.map_or_else(String::new, |value| String::from_utf8_lossy(value.as_bytes()).into()))
}

#[tokio::test]
async fn no_token_is_401_everywhere() -> Result<()> {
    let (stage, carol) = carols_pod().await?;
    for door in [&stage.sidecar_of(&carol), &stage.spawner] {
        let challenge = refused(&stage, door, None, StatusCode::UNAUTHORIZED).await?;
        assert!(challenge.starts_with("Bearer"), "{door}: {challenge:?}");
        assert!(!challenge.contains("error"), "who sent no token did nothing wrong: {challenge:?}");
    }
    Ok(())
}

#[tokio::test]
async fn another_users_token_is_403_at_the_pod() -> Result<()> {
    let (stage, carol) = carols_pod().await?;
    let dave = stage.sign_in("dave").await?;
    let sidecar = stage.sidecar_of(&carol);
    let challenge =
        refused(&stage, &sidecar, Some(&dave.tokens.access), StatusCode::FORBIDDEN).await?;
    assert!(challenge.contains("insufficient_scope"), "{challenge:?}");
    // The same token at the one address of all leads to dave's own pod, and he has none.
    let own = stage.spawner.get("/v1/models").bearer(&dave.tokens.access).send().await?;
    let own = own.expect(StatusCode::SERVICE_UNAVAILABLE).await?.text().await?;
    assert!(own.contains("\"stopped\""), "{own}");
    Ok(())
}

#[tokio::test]
async fn an_expired_token_is_401_everywhere() -> Result<()> {
    let stage = Stage::set().await?;
    let carol = stage.sign_in("carol").await?;
    let short = stage.keycloak.sign_in_at(CLIENT_SHORT, &carol.person).await?;
    // Good while it lived: it is the time alone that is refused.
    stage.start_pod_of(&carol).await?;
    short.access.ended().await?;
    for door in [&stage.sidecar_of(&carol), &stage.spawner] {
        let challenge =
            refused(&stage, door, Some(&short.access), StatusCode::UNAUTHORIZED).await?;
        assert!(challenge.contains("invalid_token"), "{door}: {challenge:?}");
    }
    Ok(())
}

#[tokio::test]
async fn carols_own_tokens_for_other_purposes_are_401_everywhere() -> Result<()> {
    let (stage, carol) = carols_pod().await?;
    let elsewhere = stage.keycloak.sign_in_at(CLIENT_OTHER, &carol.person).await?;
    let (text, signature) =
        carol.tokens.access.expose().rsplit_once('.').context("a token of three parts")?;
    let forged: String = signature.chars().rev().collect();
    for (what, token) in [
        ("an ID token", carol.tokens.id.clone()),
        ("for another client", elsewhere.access),
        ("without its signature", Token::new(format!("{text}."))),
        ("with another signature", Token::new(format!("{text}.{forged}"))),
    ] {
        for door in [&stage.sidecar_of(&carol), &stage.spawner] {
            let refused = refused(&stage, door, Some(&token), StatusCode::UNAUTHORIZED).await;
            refused.with_context(|| what.to_owned())?;
        }
    }
    Ok(())
}

/// The sidecar is the pod's only way in: the runtime listens on loopback.
#[tokio::test]
async fn the_runtime_is_not_reached_past_the_sidecar() -> Result<()> {
    let (stage, carol) = carols_pod().await?;
    if stage.cluster.mode != Mode::Namespace {
        eprintln!("left out: this host has no route to pods");
        return Ok(());
    }
    let pod = stage.pods.named(&carol.pod).await?;
    let address = pod.status.and_then(|status| status.pod_ip).context("a pod without address")?;
    TcpStream::connect((address.as_str(), port::SIDECAR_DATA)).await.context("the sidecar")?;
    let runtime = TcpStream::connect((address.as_str(), port::RUNTIME)).await;
    assert!(runtime.is_err(), "the runtime answers at {address}");
    Ok(())
}

#[tokio::test]
async fn the_label_of_a_running_pod_cannot_be_changed() -> Result<()> {
    let (stage, carol) = carols_pod().await?;
    let patch = json!({"metadata": {"labels": {label::USER: USER}}});
    let params = PatchParams::default();
    let changed = stage.pods.api().patch(&carol.pod, &params, &Patch::Merge(patch)).await;
    let denial = changed.expect_err("a change of the label").to_string();
    assert!(denial.contains("cannot be added, changed or removed"), "{denial}");
    Ok(())
}

/// A Deployment is no way around: it is its controller that would create the pod.
#[tokio::test]
async fn a_deployment_makes_no_labeled_pod() -> Result<()> {
    let stage = Stage::set().await?;
    let deployments: Api<Deployment> = Api::namespaced(stage.kube.clone(), install::TENANT);
    let name = "way-around";
    let pod: Pod = labeled("", USER)?;
    let deployment = json!({"metadata": {"name": name}, "spec": {
        "replicas": 1,
        "selector": {"matchLabels": {label::USER: USER}},
        "template": {"metadata": {"labels": pod.labels()}, "spec": pod.spec},
    }});
    let made = install::apply(&deployments, deployment).await?;
    let told = |seen: Option<&Deployment>| refusal_told_by(seen).is_some();
    let seen = await_condition(deployments.clone(), name, told).await?;
    let message = refusal_told_by(seen.as_ref()).unwrap_or_default();
    assert!(message.contains("needs the verb 'use'"), "{message}");
    assert!(message.contains("replicaset-controller"), "{message}");
    deployments.delete(name, &DeleteParams::background()).await?;
    let uid = made.uid().unwrap_or_default();
    await_condition(deployments, name, conditions::is_deleted(&uid)).await?;
    Ok(())
}

/// What the Deployment says of the pods that it cannot have.
fn refusal_told_by(deployment: Option<&Deployment>) -> Option<String> {
    let conditions = deployment?.status.as_ref()?.conditions.as_ref()?;
    conditions.iter().find(|seen| seen.type_ == "ReplicaFailure")?.message.clone()
}

#[tokio::test]
async fn the_spawner_itself_cannot_read_keys() -> Result<()> {
    let stage = Stage::set().await?;
    let carol = stage.sign_in("carol").await?;
    let pods: Api<Pod> = Api::namespaced(stage.kube.clone(), install::SYSTEM);
    let spawner = pods.list(&install::of_component("spawner")).await?;
    let account =
        spawner.items.first().and_then(|pod| pod.spec.as_ref()?.service_account_name.clone());
    let account = account.context("a spawner with an account")?;
    let who = format!("system:serviceaccount:{}:{account}", install::SYSTEM);
    let client = stage.cluster.api_as(Some(&who)).await?;
    let secrets = Api::<Secret>::namespaced(client, install::TENANT);
    let read = secrets.get(&secret::newapi_key(&carol.person.id)).await;
    let denial = read.expect_err("the spawner reads a key").to_string();
    assert!(denial.contains("forbidden") && denial.contains(&who), "{denial}");
    Ok(())
}
