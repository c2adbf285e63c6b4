//! What somebody broke is put back by the webhook itself.

use anyhow::Result;
use certs_dev::{Authority, Validity};
use k8s_openapi::ByteString;
use serde_json::{Value, json};
use tests::{
    admissions::while_admitting,
    patience,
    pods::labeled,
    trust::{Data, Trust},
};

use crate::{USER, alone};

#[tokio::test]
async fn a_deleted_secret_is_made_again_and_no_admission_is_lost() -> Result<()> {
    let (_alone, stage, trust) = alone().await?;
    let (secret, bundle) = (trust.secret().await?, trust.bundle().await?);
    let damage = async {
        trust.delete_secret().await?;
        trust.is_again(&secret, &bundle).await
    };
    while_admitting(&stage.pods, USER, 100, damage).await?.1.expect_all_of(100)
}

#[tokio::test]
async fn a_damaged_secret_is_put_right_and_no_admission_is_lost() -> Result<()> {
    let (_alone, stage, trust) = alone().await?;
    let (secret, bundle) = (trust.secret().await?, trust.bundle().await?);
    let damage = async {
        for damaged in damages()? {
            trust.change_secret(json!({"data": damaged})).await?;
            trust.is_again(&secret, &bundle).await?;
        }
        Ok(())
    };
    while_admitting(&stage.pods, USER, 100, damage).await?.1.expect_all_of(100)
}

/// Content that is no CA: nonsense, nothing, and a key of somebody else.
fn damages() -> Result<Vec<Value>> {
    let other = Authority::new("somebody else", Validity::days(1))?;
    let bytes = |text: &str| json!(ByteString(text.as_bytes().to_vec()));
    Ok(vec![
        json!({"ca.key": bytes("nonsense")}),
        json!({"ca.crt": bytes("")}),
        json!({"ca.key": bytes(&other.key_pem())}),
        json!({"ca.crt": bytes(other.certificate_pem())}),
        json!({"ca.crt": null, "ca.key": null, "note": bytes("a stranger was here")}),
    ])
}

#[tokio::test]
async fn a_ca_bundle_that_somebody_overwrote_is_put_back() -> Result<()> {
    let (_alone, stage, trust) = alone().await?;
    let (secret, bundle) = (trust.secret().await?, trust.bundle().await?);
    let other = Authority::new("somebody else", Validity::days(1))?;
    for written in [other.certificate_pem(), ""] {
        trust.overwrite_bundle(written.as_bytes()).await?;
        trust.is_again(&secret, &bundle).await?;
        admits_again(&stage, &trust, &secret).await?;
    }
    Ok(())
}

#[tokio::test]
async fn without_the_webhooks_configuration_a_labeled_pod_is_refused_until_it_is_back() -> Result<()>
{
    let (_alone, stage, trust) = alone().await?;
    let (secret, bundle) = (trust.secret().await?, trust.bundle().await?);
    let configuration = trust.delete_configuration().await?;
    // The API server learns of it in a moment, and till then the pod is injected and let in.
    let mut denial = String::new();
    let seen = patience::until(std::time::Duration::from_secs(60), || {
        let (pods, pod) = (stage.pods.clone(), labeled("p", USER));
        async move { Ok(pods.denial_of(&pod?).await.is_ok()) }
    });
    let seen = match seen.await {
        Ok(()) => stage.pods.denial_of(&labeled("p", USER)?).await.map(|said| denial = said),
        Err(error) => Err(error),
    };
    trust.restore(configuration).await?;
    trust.is_again(&secret, &bundle).await?;
    admits_again(&stage, &trust, &secret).await?;
    seen?;
    for part in [
        "has no auth sidecar",
        "the webhook did not inject it",
        "kubectl get mutatingwebhookconfiguration",
    ] {
        assert!(denial.contains(part), "{part} in: {denial}");
    }
    Ok(())
}

/// From now on every pod is admitted: the API server has seen what was put back.
async fn admits_again(stage: &tests::stage::Stage, trust: &Trust, secret: &Data) -> Result<()> {
    let works = || async { Ok(stage.pods.try_out(&labeled("p", USER)?).await.is_ok()) };
    patience::until(std::time::Duration::from_secs(60), works).await?;
    assert_eq!(trust.secret().await?.get("ca.key"), secret.get("ca.key"));
    let nothing = async { Ok(()) };
    while_admitting(&stage.pods, USER, 50, nothing).await?.1.expect_all_of(50)
}
