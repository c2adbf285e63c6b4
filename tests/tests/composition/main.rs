//! The webhook beside others: another webhook after it, server-side apply, and controllers that stamp
//! out pods.

#[cfg(feature = "pods")]
mod stamped;

use std::{process::Stdio, time::Duration};

use anyhow::{Context as _, Result, ensure};
use contract::{annotation, env, pod as names};
use k8s_openapi::api::core::v1::Pod;
use kube::ResourceExt as _;
use serde_json::{Value, json};
use tests::{
    install::{TENANT, apply},
    late_webhook::{self, LateWebhook},
    patience,
    pods::{injected, labeled, variable},
    stage::Admission,
};
use tokio::io::AsyncWriteExt as _;

/// A user whom Keycloak need not know: no pod of theirs runs.
const USER: &str = "abababab-2222-4333-8444-555555555555";

/// How long the API server may take to learn of a webhook, and controllers to try again.
const LEARNING: Duration = Duration::from_secs(60);

#[tokio::test]
async fn another_webhooks_container_is_kept_and_ours_is_called_again() -> Result<()> {
    let admission = Admission::set().await?;
    let late = LateWebhook::start(&admission.cluster, &admission.kube).await?;
    let mut pod = labeled("p", USER)?;
    pod.labels_mut().insert(late_webhook::LABEL.to_owned(), "yes".to_owned());
    let has_late = |pod: &Pod| {
        pod.spec.iter().flat_map(|spec| &spec.containers).any(|c| c.name == late_webhook::CONTAINER)
    };
    let learnt =
        patience::until(LEARNING, || async { Ok(has_late(&admission.pods.try_out(&pod).await?)) });
    let learnt = learnt.await;
    let seen = admission.pods.try_out(&pod).await;
    late.stop().await?;
    learnt.context("the other webhook is not called")?;
    let seen = seen?;
    let containers: Vec<_> =
        seen.spec.iter().flat_map(|spec| &spec.containers).map(|c| c.name.as_str()).collect();
    assert_eq!(containers, [late_webhook::CONTAINER, "main"], "where the other webhook put it");
    assert_eq!(injected(&seen).init_containers, [names::TOKEN_SYNC, names::AUTH_SIDECAR]);
    // The other webhook took it away: only a second call can have put it back.
    assert!(seen.annotations().contains_key(annotation::INJECTED), "called again");
    assert!(variable(&seen, "main", env::NEWAPI_KEY).is_some(), "the runtime is still the runtime");
    assert!(variable(&seen, late_webhook::CONTAINER, env::NEWAPI_KEY).is_none());
    Ok(())
}

/// A pod that no scheduler looks at, as somebody keeps it in a repository.
fn kept() -> Result<Value> {
    let mut pod = labeled("kept", USER)?;
    pod.spec.as_mut().context("a spec")?.scheduler_name = Some("nobody".to_owned());
    Ok(json!(pod))
}

#[tokio::test]
async fn applied_twice_nothing_changes_and_nothing_differs() -> Result<()> {
    let admission = Admission::set().await?;
    let pods = admission.pods.api();
    admission.pods.remove("kept").await?;
    let first = apply(pods, kept()?).await?;
    assert_eq!(injected(&first).init_containers, [names::TOKEN_SYNC, names::AUTH_SIDECAR]);
    let second = apply(pods, kept()?).await?;
    let mut manifest = kept()?;
    let fields = manifest.as_object_mut().context("an object")?;
    fields.extend([("apiVersion".to_owned(), "v1".into()), ("kind".to_owned(), "Pod".into())]);
    let differs = diff(&admission, &manifest).await;
    admission.pods.remove("kept").await?;
    assert_eq!(second.metadata.resource_version, first.metadata.resource_version);
    assert_eq!(second.metadata.managed_fields, first.metadata.managed_fields);
    assert_eq!(second.spec, first.spec);
    differs
}

/// `kubectl diff` finds nothing: it exits with 1 when it does.
async fn diff(admission: &Admission, manifest: &Value) -> Result<()> {
    let mut kubectl = tokio::process::Command::from(admission.cluster.tool("kubectl"));
    kubectl.args(["diff", "--server-side", "--field-manager=bp-openclaw-tests", "--filename=-"]);
    kubectl.arg(format!("--namespace={TENANT}"));
    kubectl.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = kubectl.spawn().context("cannot start kubectl")?;
    let mut input = child.stdin.take().context("stdin")?;
    input.write_all(manifest.to_string().as_bytes()).await?;
    drop(input);
    let ended = child.wait_with_output().await?;
    let said = [ended.stdout, ended.stderr].concat();
    ensure!(ended.status.success(), "{}: {}", ended.status, String::from_utf8_lossy(&said));
    Ok(())
}
