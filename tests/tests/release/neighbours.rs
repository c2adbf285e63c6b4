//! Two releases, each with a tenant of its own.

use anyhow::{Context as _, Result, ensure};
use http::StatusCode;
use k8s_openapi::api::core::v1::{Namespace, Pod, Secret};
use kube::{
    Api, Client,
    api::{DeleteParams, ListParams, PostParams},
};
use serde_json::json;
use tests::{
    door::Door,
    install,
    pods::{Pods, injected, labeled, plain},
    release::Release,
    stage::{SERVER, Stage},
};

use crate::alone;

/// Where the second one's spawner answers, on every node.
const NODE_PORT: u16 = 30081;
/// A user whom Keycloak need not know: the pod is a dry run.
const NOBODY: &str = "eeeeeeee-2222-4333-8444-555555555555";

#[tokio::test]
async fn two_releases_do_not_see_each_other() -> Result<()> {
    let (_alone, stage, first) = alone().await?;
    let second = second(&first);
    let alice = stage.sign_in("alice").await?;
    second.prepare(&stage.kube).await?;
    install::give_key_in(&stage.kube, second.tenant, &alice.person, &stage.new_api).await?;
    second.upgrade(&stage.cluster, json!({})).await?;
    stage.pods.remove(&alice.pod).await?;

    // A start at the second one's door makes one pod, in its own tenant, by its own webhook.
    let door =
        Door::at("the second spawner", &format!("{}:{NODE_PORT}", stage.cluster.node_address));
    let started = door.post(SERVER).bearer(&alice.tokens.access).send().await?;
    ensure!(started.status.is_success(), "it does not start: {}", started.status);
    let pods = Pods::of(stage.kube.clone(), second.tenant);
    let pod = pods.ready(&alice.pod).await?;
    ensure!(json!(pod.spec).to_string().contains("second-bp-openclaw-seed"), "by whose webhook?");
    ensure!(json!(pod.spec).to_string().contains("second-bp-openclaw-gateway"), "whose token?");
    ensure!(stage.pods.api().get_opt(&alice.pod).await?.is_none(), "a pod in the first tenant");
    let models = door.get("/v1/models").bearer(&alice.tokens.access).send().await?;
    models.expect(StatusCode::OK).await?;
    let asleep = stage.spawner.get(SERVER).bearer(&alice.tokens.access).send().await?;
    let said = asleep.text().await?;
    ensure!(!said.contains("Ready"), "the first spawner sees the second one's pod: {said}");

    Box::pin(strangers(&stage, &first, &second)).await?;
    Box::pin(strangers(&stage, &second, &first)).await?;

    // The end of one is not noticed by the other.
    second.uninstall(&stage.cluster, &stage.kube).await?;
    let seen = stage.pods.try_out(&labeled("p", NOBODY)?).await?;
    ensure!(injected(&seen).init_containers.len() == 2, "the first one injects no more");
    let namespaces: Api<Namespace> = Api::all(stage.kube.clone());
    for namespace in [second.namespace, second.tenant] {
        namespaces.delete(namespace, &DeleteParams::default()).await?;
    }
    Ok(())
}

fn second(first: &Release) -> Release {
    let (name, namespace, tenant) = ("second", "second", "beta");
    let second = Release { name, namespace, tenant, values: first.values.clone() };
    second.with(json!({
        "tenant": {"namespace": tenant},
        "gateway": {"scope": "shared"},
        "spawner": {"service": {"nodePort": NODE_PORT}},
    }))
}

/// In the tenant of `host` the programs of `guest` may do nothing.
async fn strangers(stage: &Stage, guest: &Release, host: &Release) -> Result<()> {
    let fullname = if guest.name.contains("bp-openclaw") {
        guest.name.to_owned()
    } else {
        format!("{}-bp-openclaw", guest.name)
    };
    for program in ["spawner", "webhook"] {
        let account = format!("system:serviceaccount:{}:{fullname}-{program}", guest.namespace);
        let client = stage.cluster.api_as(Some(&account)).await?;
        let refusals = refusals(&client, host.tenant).await?;
        ensure!(refusals == [403; 4], "{account} in {}: {refusals:?}", host.tenant);
    }
    Ok(())
}

/// What the API server says to each of the calls that would be a breach.
async fn refusals(client: &Client, namespace: &str) -> Result<[u16; 4]> {
    let pods: Api<Pod> = Api::namespaced(client.clone(), namespace);
    let secrets: Api<Secret> = Api::namespaced(client.clone(), namespace);
    let dry = PostParams { dry_run: true, ..PostParams::default() };
    let secret = Secret {
        metadata: kube::api::ObjectMeta { name: Some("planted".to_owned()), ..Default::default() },
        ..Secret::default()
    };
    Ok([
        code(pods.list(&ListParams::default()).await)?,
        code(pods.create(&dry, &plain("p")?).await)?,
        code(secrets.create(&dry, &secret).await)?,
        code(secrets.list(&ListParams::default()).await)?,
    ])
}

fn code<T>(answer: Result<T, kube::Error>) -> Result<u16> {
    match answer {
        Ok(_) => Ok(200),
        Err(kube::Error::Api(status)) => Ok(status.code),
        Err(error) => Err(error).context("no answer"),
    }
}
