//! A chat in the Control UI and one over the API.

use anyhow::{Context as _, Result};
use serde_json::json;
use tests::{browser::Browser, chat, openclaw, pods::restarts};

use crate::front;

#[tokio::test]
async fn the_control_ui_chats_without_a_prompt_and_without_the_gateway_token() -> Result<()> {
    let Some(stage) = openclaw::alone(json!({})).await? else { return Ok(()) };
    let _front = front(&stage).await?;
    let alice = stage.sign_in("alice").await?;
    stage.pods.remove(&alice.pod).await?;
    let before = stage.new_api.last_number().await?;
    let folder = tempfile::tempdir()?;
    let kept = folder.path().join("seen");
    let more = [("SEEN", kept.to_str().context("a path that is no text")?)];
    let issuer = stage.keycloak.issuer();
    let mut browser = Browser::start("openclaw.mjs", &alice.person, &issuer, &more)?;
    browser.saw("the composer").await?;
    for said in ["answer", "answer after a reload"] {
        let answer = browser.saw(said).await?;
        let text = answer["text"].as_str().context("no text")?;
        assert!(text.contains("Hello alice, stand-in-1 here."), "{text}");
    }
    let login = browser.saw("the login").await?;
    let url = login["url"].as_str().context("no address")?;
    assert!(
        url.starts_with(&issuer),
        "a page whose session is over is led to the login, not {url}"
    );
    browser.end().await?;
    let chats = stage.new_api.chats_since(before, &alice.person.newapi_key()).await?;
    assert!(chats.len() >= 2, "asked with alice's own key: {chats:?}");

    let token = openclaw::gateway_token(&stage, &alice.person).await?;
    let seen = std::fs::read_to_string(&kept)?;
    for what in ["frame sent", "frame received", "request GET", "hello-ok"] {
        assert!(seen.contains(what), "the browser saw no {what}");
    }
    assert!(!seen.contains(&token), "the gateway token was in the browser");
    let logs = openclaw::logs(&stage, &alice.person).await?;
    assert!(logs.contains("webchat connected"), "{logs}");
    assert!(!logs.contains(&token), "the gateway token is in a log");
    assert!(!logs.contains("pairing required"), "{logs}");
    let pod = stage.pods.named(&alice.pod).await?;
    assert!(restarts(&pod).values().all(|count| *count == 0), "{:?}", restarts(&pod));
    Ok(())
}

#[tokio::test]
async fn an_answer_is_streamed_through_openclaw_with_the_users_own_key() -> Result<()> {
    let Some(stage) = openclaw::alone(json!({})).await? else { return Ok(()) };
    let alice = stage.sign_in("alice").await?;
    stage.start_pod_of(&alice).await?;
    let before = stage.new_api.last_number().await?;
    let question = chat::question("openclaw", "hold=openclaw-api good morning");
    let mut words = chat::ask(&stage.spawner, &alice.tokens.access, &question).await?;
    // NewAPI holds the rest back until this word has come all the way.
    // OpenClaw keeps the space after it for the next one.
    assert_eq!(words.next().await?.as_deref(), Some("Hello"));
    stage.new_api.go_on("openclaw-api").await?;
    let (rest, _) = words.rest().await?;
    assert!(rest.starts_with(" alice, stand-in-1 here."), "{rest}");
    assert!(rest.contains("good morning"), "{rest}");
    let chats = stage.new_api.chats_since(before, &alice.person.newapi_key()).await?;
    assert_eq!(chats.len(), 1, "{chats:?}");
    Ok(())
}
