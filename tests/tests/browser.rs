//! The whole way as a user goes it: a real browser, a real Keycloak, a real cluster.

use anyhow::{Context as _, Result};
use serde_json::Value;
use tests::{
    browser::{Browser, Front},
    install,
    stage::Stage,
};
use tokio::sync::Mutex;

/// There is one public address on this host.
static ADDRESS: Mutex<()> = Mutex::const_new(());

async fn front() -> Result<Front> {
    let cluster = tests::cluster::Cluster::running()?;
    let spawner = format!("{}:{}", cluster.node_address, install::SPAWNER_NODE_PORT);
    Front::before(spawner).await
}

#[tokio::test]
async fn from_the_address_to_a_chat_and_out_again() -> Result<()> {
    let stage = Stage::set().await?;
    let _alone = ADDRESS.lock().await;
    let _front = front().await?;
    let erin = stage.sign_in("erin").await?;
    stage.pods.remove(&erin.pod).await?;
    let issuer = stage.keycloak.issuer();
    let mut browser = Browser::start("journey.mjs", &erin.person, &issuer, &[])?;
    let answer = browser.saw("answer").await?;
    let text = answer["text"].as_str().context("no text")?;
    assert!(text.starts_with("Hello erin, ") && text.ends_with("You said: good morning"), "{text}");
    browser.saw("a page of the pod gets at nothing of ours").await?;
    browser.saw("the identity provider asks again").await?;
    browser.saw("the socket ended with the session").await?;
    browser.end().await
}

#[tokio::test]
async fn a_missing_key_is_shown_and_the_page_goes_on_when_it_comes() -> Result<()> {
    let stage = Stage::set().await?;
    let _alone = ADDRESS.lock().await;
    let _front = front().await?;
    let frank = stage.sign_in("frank").await?;
    stage.pods.remove(&frank.pod).await?;
    install::take_key(&stage.kube, &frank.person).await?;
    let secret = contract::secret::newapi_key(&frank.person.id);
    let more = [("NOTICE", secret.as_str()), ("PICTURE", "failure")];
    let issuer = stage.keycloak.issuer();
    let mut browser = Browser::start("trouble.mjs", &frank.person, &issuer, &more)?;
    let notice = browser.saw("notice").await?;
    assert!(notice["text"].as_str().is_some_and(|text| text.contains(&secret)), "{notice}");
    browser.saw("waiting").await?;
    install::give_key(&stage.kube, &frank.person, &stage.new_api).await?;
    browser.go_on().await?;
    let seen = browser.saw("workspace").await?;
    assert_ne!(seen, Value::Null);
    browser.end().await
}

#[tokio::test]
async fn two_users_in_two_browsers_never_meet() -> Result<()> {
    let stage = Stage::set().await?;
    let _alone = ADDRESS.lock().await;
    let _front = front().await?;
    let (liam, mona) = (stage.sign_in("liam").await?, stage.sign_in("mona").await?);
    let password = mona.person.password();
    let more = [("OTHER", mona.person.name.as_str()), ("OTHER_PASSWORD", &password)];
    let mut browser = Browser::start("two.mjs", &liam.person, &stage.keycloak.issuer(), &more)?;
    browser.saw("two users").await?;
    browser.end().await
}

#[tokio::test]
async fn an_operator_finds_a_workspace_and_restarts_it() -> Result<()> {
    let stage = Stage::set().await?;
    let _alone = ADDRESS.lock().await;
    let _front = front().await?;
    let (olga, nina) = (stage.sign_in("olga").await?, stage.sign_in("nina").await?);
    let before = stage.start_pod_of(&nina).await?;
    let more = [("OTHER_ID", nina.person.id.as_str())];
    let mut browser =
        Browser::start("operator.mjs", &olga.person, &stage.keycloak.issuer(), &more)?;
    browser.saw("restarted").await?;
    browser.end().await?;
    // The old one goes, and the spawner starts a new one without being asked again.
    stage.pods.gone(&before).await?;
    stage.pods.ready(&nina.pod).await?;
    Ok(())
}
