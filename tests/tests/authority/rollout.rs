//! Pods come and go, and the CA changes, under load.

use anyhow::{Context as _, Result};
use kube::ResourceExt as _;
use serde_json::{Value, json};
use tests::{admissions::while_admitting, install, patience};

use crate::{USER, alone};

/// The claim of the whole webhook: a rolling restart of both replicas, and a new CA meanwhile.
#[tokio::test]
async fn a_thousand_admissions_survive_a_rolling_restart_and_a_new_ca() -> Result<()> {
    let (_alone, stage, trust) = alone().await?;
    let before = trust.secret().await?;
    let change = async {
        trust.ask_for_rotation().await?;
        tokio::try_join!(trust.restart_webhook(), trust.has_followed(&before)).map(drop)
    };
    let (_, tally) = while_admitting(&stage.pods, USER, 1000, change).await?;
    tally.expect_all_of(1000)?;
    let old = before.get("ca.crt").context("no CA before")?;
    let bundle = String::from_utf8(trust.bundle().await?)?;
    assert!(bundle.contains(std::str::from_utf8(&old.0)?.trim()), "its leaves may still be served");
    // And once more, so that every replica has moved on to the new CA.
    trust.restart_webhook().await
}

#[tokio::test]
async fn an_upgrade_leaves_the_ca_bundle_to_the_webhook() -> Result<()> {
    let (_alone, stage, trust) = alone().await?;
    let bundle = trust.bundle().await?;
    let values = |seconds: u32| {
        let mut values =
            install::values(&stage.cluster, &stage.keycloak.issuer(), stage.new_api.base_url())?;
        let webhook = values.get_mut("webhook").and_then(Value::as_object_mut);
        webhook
            .context("values of the webhook")?
            .insert("timeoutSeconds".to_owned(), json!(seconds));
        anyhow::Ok(values)
    };
    let upgrade = async {
        for seconds in [6, 5] {
            let values = values(seconds)?;
            // On the heap: a debug build's futures, one in another, outgrow a test's stack.
            Box::pin(install::chart(&stage.cluster, &stage.kube, &values)).await?;
            assert_eq!(trust.bundle().await?, bundle, "after an upgrade");
        }
        Ok(())
    };
    let upgrade = patience::during("two upgrades", Box::pin(upgrade));
    let (_, tally) = while_admitting(&stage.pods, USER, 100, upgrade).await?;
    tally.expect_all_of(100)?;
    let owners: Vec<_> = trust
        .configuration()
        .await?
        .managed_fields()
        .iter()
        .filter(|entry| json!(entry.fields_v1).to_string().contains("f:caBundle"))
        .filter_map(|entry| entry.manager.clone())
        .collect();
    assert_eq!(owners, ["openclaw-webhook-ca"]);
    Ok(())
}
