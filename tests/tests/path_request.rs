//! The second path, on a real cluster: client -> spawner -> sidecar -> runtime -> NewAPI, with real
//! tokens. Each test has a user of its own.

use anyhow::{Context as _, Result};
use contract::secret;
use futures::{SinkExt as _, StreamExt as _};
use http::{HeaderName, StatusCode};
use k8s_openapi::api::core::v1::Secret;
use kube::{Api, ResourceExt as _};
use serde_json::Value;
use tests::{
    chat, install,
    pods::restarts,
    stage::{SERVER, SignedIn, Stage},
};
use tokio_tungstenite::tungstenite::Message;

#[tokio::test]
async fn a_chat_is_streamed_with_the_users_own_key() -> Result<()> {
    let stage = Stage::set().await?;
    let alice = stage.sign_in("alice").await?;
    stage.start_pod_of(&alice).await?;
    let before = stage.new_api.last_number().await?;
    let question = chat::held_question("stand-in-1", "good morning", "path-request");
    let mut words = chat::ask(&stage.spawner, &alice.tokens.access, &question).await?;
    // NewAPI holds the rest back until this word has come all the way.
    assert_eq!(words.next().await?.as_deref(), Some("Hello "));
    stage.new_api.go_on("path-request").await?;
    let (rest, pieces) = words.rest().await?;
    assert_eq!(rest, "alice, stand-in-1 here. You said: good morning");
    assert!(pieces > 1, "{pieces}");
    let seen = stage.new_api.chats_since(before, &alice.person.newapi_key()).await?;
    assert_eq!(seen.len(), 1, "{seen:?}");
    Ok(())
}

#[tokio::test]
async fn two_users_at_one_address_reach_two_pods() -> Result<()> {
    let stage = Stage::set().await?;
    let (bob, judy) = (stage.sign_in("bob").await?, stage.sign_in("judy").await?);
    tokio::try_join!(stage.start_pod_of(&bob), stage.start_pod_of(&judy))?;
    for user in [&bob, &judy, &bob] {
        let question = chat::question("m", "hi");
        let answer =
            chat::ask(&stage.spawner, &user.tokens.access, &question).await?.rest().await?;
        assert_eq!(answer.0, format!("Hello {}, m here. You said: hi", user.person.name));
    }
    Ok(())
}

/// A pod trusts whoever names the user, so only the sidecar may; and NewAPI is nobody's business.
#[tokio::test]
async fn what_a_client_claims_about_itself_does_not_arrive() -> Result<()> {
    let stage = Stage::set().await?;
    let heidi = stage.sign_in("heidi").await?;
    stage.start_pod_of(&heidi).await?;
    let before = stage.new_api.last_number().await?;
    let mut call = stage.spawner.post(chat::COMPLETIONS).bearer(&heidi.tokens.access);
    for name in ["x-forwarded-user", "x-forwarded-for", "x-real-ip", "forwarded", "cookie"] {
        call = call.header(HeaderName::from_static(name), "planted=1");
    }
    call.json(&chat::question("m", "hi")).send().await?.expect(StatusCode::OK).await?;
    let seen = stage.new_api.chats_since(before, &heidi.person.newapi_key()).await?;
    let seen = seen.first().context("expected heidi's chat at NewAPI")?;
    let planted: Vec<_> =
        seen.headers.iter().filter(|(_, value)| value.contains("planted")).collect();
    assert!(planted.is_empty(), "{planted:?}");
    assert!(
        !format!("{seen:?}").contains(heidi.tokens.access.expose()),
        "her token went to NewAPI"
    );
    Ok(())
}

#[tokio::test]
async fn a_websocket_goes_through_both_ways() -> Result<()> {
    let stage = Stage::set().await?;
    let ivan = stage.sign_in("ivan").await?;
    stage.start_pod_of(&ivan).await?;
    let mut socket = stage.spawner.get("/ws").bearer(&ivan.tokens.access).websocket().await?;
    for text in ["first", "second"] {
        socket.send(Message::text(chat::question("m", text).to_string())).await?;
        let mut heard = String::new();
        loop {
            let message = socket.next().await.context("the socket was closed")??;
            match message.to_text()? {
                "[DONE]" => break,
                chunk => heard.push_str(&word(chunk)?),
            }
        }
        assert_eq!(heard, format!("Hello ivan, m here. You said: {text}"));
    }
    socket.close(None).await?;
    Ok(())
}

fn word(chunk: &str) -> Result<String> {
    let chunk: Value = serde_json::from_str(chunk)?;
    let text = chunk.pointer("/choices/0/delta/content").and_then(Value::as_str);
    Ok(text.unwrap_or_default().to_owned())
}

#[tokio::test]
async fn a_request_waits_for_the_pod_that_starts() -> Result<()> {
    let stage = Stage::set().await?;
    let kim = stage.sign_in("kim").await?;
    stage.pods.remove(&kim.pod).await?;
    stage.spawner.post(SERVER).bearer(&kim.tokens.access).send().await?;
    let answer = stage.spawner.get("/v1/models").bearer(&kim.tokens.access).send().await?;
    answer.expect(StatusCode::OK).await?;
    let pod = stage.pods.ready(&kim.pod).await?;
    assert!(restarts(&pod).values().all(|count| *count == 0), "{:?}", restarts(&pod));
    Ok(())
}

#[tokio::test]
async fn a_deleted_pod_comes_back_with_the_same_gateway_token() -> Result<()> {
    let stage = Stage::set().await?;
    let grace = stage.sign_in("grace").await?;
    let first = stage.start_pod_of(&grace).await?;
    let token = gateway_token(&stage, &grace).await?;
    let stopping = stage.spawner.delete(&format!("{SERVER}?wait=60"));
    let stopping = stopping.bearer(&grace.tokens.access).send().await?;
    stopping.expect(StatusCode::NO_CONTENT).await?;
    stage.pods.gone(&first).await?;
    let asleep = stage.spawner.get("/v1/models").bearer(&grace.tokens.access).send().await?;
    assert_eq!(asleep.status, StatusCode::SERVICE_UNAVAILABLE, "asleep, and says so");
    let second = stage.start_pod_of(&grace).await?;
    assert_ne!(second.uid(), first.uid());
    assert_eq!(gateway_token(&stage, &grace).await?, token);
    let answer = stage.spawner.get("/v1/models").bearer(&grace.tokens.access).send().await?;
    answer.expect(StatusCode::OK).await?;
    Ok(())
}

/// Uid and data of the user's gateway Secret.
async fn gateway_token(stage: &Stage, user: &SignedIn) -> Result<(Option<String>, Vec<u8>)> {
    let secrets: Api<Secret> = Api::namespaced(stage.kube.clone(), install::TENANT);
    let secret = secrets.get(&secret::gateway(&user.person.id)).await?;
    let data = secret.data.as_ref().and_then(|data| data.get(secret::GATEWAY_TOKEN_KEY));
    let token = data.context("no gateway token")?.0.clone();
    assert!(token.len() >= 32, "a gateway token of {} bytes", token.len());
    Ok((secret.uid(), token))
}
