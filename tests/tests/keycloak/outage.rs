//! Keycloak is down, and nobody who is in has to notice.

use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use http::StatusCode;
use tests::{cluster::Cluster, keycloak::Keycloak, patience};

use crate::{alone, sidecar::Sidecar};

/// As many as there are in a minute: the pauses between them are 1, 2, 4, 8, 16 and 30 s.
const FAILURES: u64 = 7;

const PATIENCE: Duration = Duration::from_secs(240);

#[tokio::test]
async fn keycloak_is_stopped_for_a_minute_and_valid_tokens_stay_good() -> Result<()> {
    let _alone = alone().await;
    let cluster = Cluster::running()?;
    let keycloak = Keycloak::of_its_own(&cluster).await?;
    let realm = keycloak.realm_of_its_own("outage").await?;
    let alice = realm.person("alice")?;
    let sidecar = Sidecar::start(&realm, &alice, &["--jwks-refresh=1s"]).await?;
    let tokens = realm.sign_in(&alice).await?;
    assert_eq!(sidecar.status(&tokens.access).await?, StatusCode::OK);
    // Not remembered: its signature is checked during the outage.
    let unseen = realm.refresh(&tokens).await?;

    Keycloak::stop_its_own(&cluster).await?;
    let through_it = patience::until(PATIENCE, || async {
        let status = sidecar.status(&tokens.access).await?;
        ensure!(status == StatusCode::OK, "a false refusal: {status}");
        let failed = sidecar.metric("openclaw_jwks_fetch_total{result=\"failed\"}").await?;
        Ok(failed >= FAILURES)
    });
    let through_it = patience::during("Keycloak is down", through_it).await;
    through_it.context("during the outage")?;
    assert_eq!(sidecar.status(&unseen.access).await?, StatusCode::OK);
    let ready = sidecar.admin.get("/readyz").send().await?;
    ready.expect(StatusCode::OK).await.context("known keys keep it ready")?;

    // It kept nothing: its keys are others now, and so are they in the sidecar at the next token.
    let keycloak = Keycloak::of_its_own(&cluster).await?;
    let realm = keycloak.realm_of_its_own("outage").await?;
    let tokens = realm.sign_in(&alice).await?;
    assert_ne!(tokens.access.key_id()?, unseen.access.key_id()?);
    assert_eq!(sidecar.status(&tokens.access).await?, StatusCode::OK, "after the outage");
    sidecar.refuses(&unseen.access).await.context("signed with a key that is gone")
}
