//! A conversation in the Control UI, and what it lasts through.

use anyhow::{Result, ensure};
use contract::secret;
use http::StatusCode;
use k8s_openapi::api::core::v1::{Pod, Secret};
use kube::{
    Api, ResourceExt as _,
    api::{Patch, PatchParams},
};
use serde_json::{Value, json};
use tests::{
    browser::Browser,
    install::TENANT,
    openclaw,
    stage::{SERVER, SignedIn, Stage},
};

use crate::{drowsy, front, neighbour::home_is_tidy};

#[tokio::test]
async fn a_conversation_outlives_sleep_an_upgrade_and_a_new_gateway_token() -> Result<()> {
    let Some(stage) = openclaw::alone(drowsy()).await? else { return Ok(()) };
    let _front = front(&stage).await?;
    let alice = stage.sign_in("alice").await?;
    stage.pods.remove(&alice.pod).await?;
    let before = stage.new_api.last_number().await?;
    let mut browser = Browser::start("stays.mjs", &alice.person, &stage.keycloak.issuer(), &[])?;
    browser.saw("first").await?;
    let first = stage.pods.named(&alice.pod).await?;
    sleeps(&stage, &alice, &first).await?;
    home_is_tidy(&stage, &alice).await?;

    browser.go_on().await?;
    browser.saw("woken").await?;
    let second = stage.pods.named(&alice.pod).await?;
    ensure!(second.uid() != first.uid(), "another pod has the same home");
    // The page is open while both replicas of the spawner are replaced.
    openclaw::upgrade(&stage, changed()).await?;
    browser.go_on().await?;
    browser.saw("upgraded").await?;
    ensure!(stage.pods.named(&alice.pod).await?.uid() == second.uid(), "nobody disturbed it");

    rotate(&stage, &alice).await?;
    sleeps(&stage, &alice, &second).await?;
    browser.go_on().await?;
    browser.saw("rotated").await?;
    browser.end().await?;
    let third = stage.pods.named(&alice.pod).await?;
    sleeps(&stage, &alice, &third).await?;
    home_is_tidy(&stage, &alice).await?;
    let chats = stage.new_api.chats_since(before, &alice.person.newapi_key()).await?;
    ensure!(chats.len() >= 4, "asked with alice's own key: {chats:?}");
    Ok(())
}

/// Waits until the reaper has put this pod of the user to sleep, which nobody uses.
async fn sleeps(stage: &Stage, user: &SignedIn, pod: &Pod) -> Result<()> {
    stage.pods.gone(pod).await?;
    let user = stage.sign_in(&user.person.name).await?;
    let server = stage.spawner.get(SERVER).bearer(&user.tokens.access).send().await?;
    let server: Value = server.expect(StatusCode::OK).await?.json().await?;
    ensure!(server.pointer("/last_stop/reason") == Some(&json!("idle")), "{server}");
    Ok(())
}

/// The same rules of sleep, in spawners and pods that are not the same.
fn changed() -> Value {
    let mut values = drowsy();
    if let Some(values) = values.as_object_mut() {
        values.insert("logging".to_owned(), json!({"level": "debug"}));
        values.insert("runtime".to_owned(), json!({"podLabels": {"team": "blue"}}));
    }
    values
}

/// Gives the user another gateway token, as an operator would.
async fn rotate(stage: &Stage, user: &SignedIn) -> Result<()> {
    let old = openclaw::gateway_token(stage, &user.person).await?;
    let new: String = old.chars().rev().collect();
    ensure!(new != old, "a token that is the same from behind");
    let secrets: Api<Secret> = Api::namespaced(stage.kube.clone(), TENANT);
    let data = json!({"stringData": { (secret::GATEWAY_TOKEN_KEY): new }});
    let name = secret::gateway(&user.person.id);
    secrets.patch(&name, &PatchParams::default(), &Patch::Merge(&data)).await?;
    Ok(())
}
