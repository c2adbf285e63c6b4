//! One release from upgrade to upgrade, and over its uninstall.

use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use contract::secret;
use k8s_openapi::api::core::v1::Secret;
use kube::{Api, ResourceExt as _, api::DeleteParams};
use serde_json::{Value, json};
use tests::{
    install, patience,
    pods::{injected, labeled},
    release::{Release, Seen},
    requests::while_asking,
    stage::{SignedIn, Stage},
};

use crate::alone;

/// The Secret with everybody's token.
const SHARED: &str = "bp-openclaw-gateway";
/// A user whom Keycloak need not know: the pod is a dry run.
const NOBODY: &str = "eeeeeeee-2222-4333-8444-555555555555";

#[tokio::test]
async fn no_token_and_no_request_is_lost_from_upgrade_to_reinstall() -> Result<()> {
    let (_alone, stage, release) = alone().await?;
    let release = release.with(json!({"gateway": {"scope": "shared"}}));
    let grace = stage.sign_in("grace").await?;
    let pod = stage.start_pod_of(&grace).await?;
    let story = Story { stage: &stage, release: &release, own: secret::gateway(&grace.person.id) };
    story.forget_shared_token().await?;
    // On the heap: a debug build's futures, one in another, outgrow a test's stack.
    let (tokens, asked) = while_asking(&stage, &grace, Box::pin(story.upgrades())).await?;
    asked.expect_all_of(100)?;
    let tokens = Box::pin(story.deleted_secret(tokens)).await?;
    Box::pin(story.tried()).await?;
    Box::pin(story.uninstall(&tokens)).await?;
    release.upgrade(&stage.cluster, json!({})).await?;
    ensure!(story.tokens().await? == tokens, "another token after the reinstall");
    // Her pod was there all the time, and she is let in again.
    assert_eq!(stage.pods.named(&grace.pod).await?.uid(), pod.uid());
    story.answers(&grace).await
}

struct Story<'a> {
    stage: &'a Stage,
    release: &'a Release,
    /// The Secret with the user's own token.
    own: String,
}

/// The user's own token and everybody's. They are compared in silence: a failure prints no token.
type Tokens = (Seen, Seen);

impl Story<'_> {
    async fn forget_shared_token(&self) -> Result<()> {
        let secrets: Api<Secret> = Api::namespaced(self.stage.kube.clone(), install::TENANT);
        match secrets.delete(SHARED, &DeleteParams::default()).await {
            Err(kube::Error::Api(status)) if status.code == 404 => Ok(()),
            done => Ok(done.map(drop)?),
        }
    }

    async fn secret(&self, name: &str) -> Result<Option<Seen>> {
        self.release.gateway_secret(&self.stage.kube, name).await
    }

    async fn tokens(&self) -> Result<Tokens> {
        let own = self.secret(&self.own).await?.context("the user's token is gone")?;
        let shared = self.secret(SHARED).await?.context("everybody's token is gone")?;
        Ok((own, shared))
    }

    /// Five upgrades with other values each time, and back.
    async fn upgrades(&self) -> Result<Tokens> {
        let cluster = &self.stage.cluster;
        let own = self.secret(&self.own).await?.context("no token of the user's own")?;
        let notes = self.release.upgrade(cluster, json!({})).await?;
        ensure!(notes.contains(SHARED), "the notes do not name {SHARED}: {notes}");
        let tokens = self.tokens().await?;
        ensure!(tokens.0 == own, "another token after the upgrade to one for all");
        let before = self.release.revision(cluster).await?;
        let changes: [(&str, Value); 4] = [
            ("the log level", json!({"logging": {"level": "debug"}})),
            ("the webhook's patience", json!({"webhook": {"timeoutSeconds": 6}})),
            ("the users' pods", json!({"runtime": {"podLabels": {"team": "blue"}}})),
            ("the spawner's patience", json!({"spawner": {"startTimeout": "100s"}})),
        ];
        for (what, values) in changes {
            let notes = self.release.upgrade(cluster, values).await?;
            ensure!(!notes.contains("IS NOT THERE"), "the notes miss a Secret: {notes}");
            ensure!(self.tokens().await? == tokens, "another token after a change of {what}");
        }
        self.release.roll_back(cluster, before).await?;
        ensure!(self.tokens().await? == tokens, "another token after the rollback");
        Ok(tokens)
    }

    /// Somebody deletes the Secret: the upgrade says so, and there is a new one.
    async fn deleted_secret(&self, tokens: Tokens) -> Result<Tokens> {
        self.forget_shared_token().await?;
        // helm looks before the spawner does, unless the spawner was just about to.
        let notes = self.release.upgrade(&self.stage.cluster, json!({})).await?;
        let back = async || Ok(self.secret(SHARED).await?.is_some());
        patience::until(Duration::from_secs(90), back).await.context("there is no new token")?;
        let new = self.tokens().await?;
        ensure!(notes.contains("IS NOT THERE"), "the notes say nothing of the deletion: {notes}");
        ensure!(new.1 != tokens.1, "a deleted token is used again");
        ensure!(new.0 == tokens.0, "the user's own had nothing to do with it");
        Ok(new)
    }

    /// `helm test` tries both creators, the login and the issuer, and leaves nothing behind.
    async fn tried(&self) -> Result<()> {
        let before = self.release.objects(&self.stage.kube).await?;
        let said = self.release.test(&self.stage.cluster).await?;
        for line in [
            "ok    who may create a user's pod gets it, with its sidecar",
            "ok    who may not create a user's pod does not get it",
            "ok    the issuer's discovery document",
            "ok    the way in: the login page is ",
        ] {
            ensure!(said.contains(line), "expected {line:?} in {said}");
        }
        assert_eq!(self.release.objects(&self.stage.kube).await?, before);
        Ok(())
    }

    /// Nothing is left that stands in anybody's way, and what is kept is what the notes name.
    async fn uninstall(&self, tokens: &Tokens) -> Result<()> {
        let Stage { cluster, kube, pods, .. } = self.stage;
        self.release.uninstall(cluster, kube).await?;
        ensure!(self.tokens().await? == *tokens, "another token after the uninstall");
        let seen = pods.try_out(&labeled("p", NOBODY)?).await?;
        ensure!(injected(&seen).init_containers.is_empty(), "something still injects");
        let secrets: Api<Secret> = Api::namespaced(kube.clone(), install::SYSTEM);
        for kept in ["bp-openclaw-webhook-tls", "bp-openclaw-cookie-keys"] {
            secrets.get(kept).await.with_context(|| format!("{kept} is not kept"))?;
        }
        Ok(())
    }

    async fn answers(&self, user: &SignedIn) -> Result<()> {
        let user = self.stage.sign_in(&user.person.name).await?;
        let call = self.stage.spawner.get("/v1/models").bearer(&user.tokens.access);
        call.send().await?.expect(http::StatusCode::OK).await.map(drop)
    }
}
