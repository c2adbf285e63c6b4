//! The first path, on the real API server: pod create -> webhook -> patch -> policies.
//!
//! Everything here is a dry run: all of admission, and nothing is kept.

use std::collections::BTreeMap;

use anyhow::{Context as _, Result};
use contract::{annotation, env, label, pod as names, secret};
use k8s_openapi::api::core::v1::{Container, Pod};
use kube::ResourceExt as _;
use serde_json::json;
use tests::{
    pods::{injected, labeled, plain, variable},
    stage::Admission,
};

/// A user whom Keycloak need not know: nothing is started.
const USER: &str = "cccccccc-2222-4333-8444-555555555555";

fn init_containers(pod: &Pod) -> Vec<&Container> {
    pod.spec.iter().flat_map(|spec| spec.init_containers.iter().flatten()).collect()
}

#[tokio::test]
async fn a_labeled_pod_gets_token_sync_and_then_the_sidecar() -> Result<()> {
    let pods = Admission::set().await?.pods;
    let seen = pods.try_out(&labeled("p", USER)?).await?;
    let init = init_containers(&seen);
    let order: Vec<_> = init.iter().map(|container| container.name.as_str()).collect();
    assert_eq!(order, [names::TOKEN_SYNC, names::AUTH_SIDECAR]);
    assert_eq!(init[0].restart_policy, None, "token-sync runs to its end");
    assert_eq!(init[1].restart_policy.as_deref(), Some("Always"), "a native sidecar");
    assert!(init[1].startup_probe.is_some(), "the runtime waits for its door");
    assert!(seen.annotations().contains_key(annotation::INJECTED));
    Ok(())
}

#[tokio::test]
async fn the_runtime_alone_gets_the_key_and_by_reference_only() -> Result<()> {
    let pods = Admission::set().await?.pods;
    let seen = pods.try_out(&labeled("p", USER)?).await?;
    let user = USER.parse()?;
    for (name, secret, key) in [
        (env::NEWAPI_KEY, secret::newapi_key(&user), secret::NEWAPI_KEY_KEY),
        (env::NEWAPI_BASE_URL, secret::newapi_key(&user), secret::NEWAPI_BASE_URL_KEY),
        (env::OPENCLAW_GATEWAY_TOKEN, secret::gateway(&user), secret::GATEWAY_TOKEN_KEY),
    ] {
        let found = variable(&seen, "main", name).with_context(|| format!("no {name}"))?;
        let from = found.value_from.as_ref().and_then(|from| from.secret_key_ref.as_ref());
        let from = from.with_context(|| format!("{name} is no reference"))?;
        assert_eq!((from.name.as_str(), from.key.as_str()), (secret.as_str(), key), "{name}");
        assert_eq!(from.optional, Some(false), "{name}");
    }
    for container in [names::TOKEN_SYNC, names::AUTH_SIDECAR] {
        assert!(variable(&seen, container, env::NEWAPI_KEY).is_none(), "{container}");
    }
    Ok(())
}

#[tokio::test]
async fn an_unlabeled_pod_is_untouched() -> Result<()> {
    let pods = Admission::set().await?.pods;
    let sent = plain("p")?;
    let mut seen = pods.try_out(&sent).await?;
    let spec = seen.spec.as_mut().context("a pod without a spec")?;
    let main = spec.containers.pop().context("a pod without containers")?;
    assert!(spec.containers.is_empty() && spec.init_containers.is_none(), "{spec:?}");
    assert_eq!(main.env, sent.spec.context("sent")?.containers[0].env);
    assert_eq!(seen.annotations(), &BTreeMap::new());
    Ok(())
}

#[tokio::test]
async fn a_pod_that_was_injected_stays_as_it_is() -> Result<()> {
    let pods = Admission::set().await?.pods;
    let once = pods.try_out(&labeled("p", USER)?).await?;
    let mut again = once.clone();
    again.metadata.managed_fields = None;
    again.metadata.uid = None;
    again.metadata.resource_version = None;
    again.status = None;
    let twice = pods.try_out(&again).await?;
    assert_eq!(twice.spec, once.spec);
    assert_eq!(twice.annotations(), once.annotations());
    Ok(())
}

#[tokio::test]
async fn a_pod_named_by_the_api_server_is_injected_too() -> Result<()> {
    let pods = Admission::set().await?.pods;
    let mut pod = labeled("", USER)?;
    pod.metadata.name = None;
    pod.metadata.generate_name = Some("p-".to_owned());
    let seen = pods.try_out(&pod).await?;
    assert_eq!(injected(&seen).init_containers, [names::TOKEN_SYNC, names::AUTH_SIDECAR]);
    Ok(())
}

#[tokio::test]
async fn a_probe_of_the_runtime_goes_through_the_sidecar() -> Result<()> {
    let pods = Admission::set().await?.pods;
    let mut pod = labeled("p", USER)?;
    let main = &mut pod.spec.as_mut().context("a spec")?.containers[0];
    let port = contract::port::RUNTIME;
    let probe = json!({"httpGet": {"path": "/readyz", "port": port}, "periodSeconds": 7});
    main.readiness_probe = Some(serde_json::from_value(probe)?);
    let seen = pods.try_out(&pod).await?;
    let main = &seen.spec.as_ref().context("a spec")?.containers[0];
    let probe = main.readiness_probe.as_ref().context("a probe")?;
    let get = probe.http_get.as_ref().context("an httpGet probe")?;
    assert_eq!(get.path.as_deref(), Some("/probe/readiness"));
    assert_eq!(json!(get.port), json!(contract::port::SIDECAR_ADMIN));
    assert_eq!(probe.period_seconds, Some(7));
    Ok(())
}

#[tokio::test]
async fn a_label_that_is_no_user_id_is_denied_in_words() -> Result<()> {
    let pods = Admission::set().await?.pods;
    for user in
        ["alice", "CCCCCCCC-2222-4333-8444-555555555555", "cccccccc222243338444555555555555"]
    {
        let denial = pods.denial_of(&labeled("p", user)?).await?;
        assert!(denial.contains(user) && denial.contains("lowercase UUID"), "{denial}");
        assert!(denial.contains(label::USER), "{denial}");
    }
    Ok(())
}

#[tokio::test]
async fn all_mistakes_in_annotations_come_in_one_denial() -> Result<()> {
    let pods = Admission::set().await?.pods;
    let mut pod = labeled("p", USER)?;
    pod.annotations_mut().extend([
        (annotation::UPSTREAM_PORT.to_owned(), "http".to_owned()),
        (annotation::GATEWAY_AUTH.to_owned(), "basic".to_owned()),
        (format!("{}tokensync", annotation::PREFIX), "enabled".to_owned()),
    ]);
    let denial = pods.denial_of(&pod).await?;
    for part in [annotation::UPSTREAM_PORT, "http", annotation::GATEWAY_AUTH, "basic", "tokensync"]
    {
        assert!(denial.contains(part), "{part} in: {denial}");
    }
    Ok(())
}

/// That restricted is enforced at all: what we inject satisfies it, as every other test shows.
#[tokio::test]
async fn only_restricted_pods_run_in_the_tenants_namespace() -> Result<()> {
    let pods = Admission::set().await?.pods;
    let mut pod = labeled("p", USER)?;
    let main = &mut pod.spec.as_mut().context("a spec")?.containers[0];
    main.security_context.as_mut().context("a security context")?.capabilities = None;
    let denial = pods.denial_of(&pod).await?;
    assert!(denial.contains("PodSecurity") && denial.contains("\"main\""), "{denial}");
    assert!(!denial.contains(names::AUTH_SIDECAR), "{denial}");
    Ok(())
}
