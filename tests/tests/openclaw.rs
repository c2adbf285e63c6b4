//! The real OpenClaw under the real kubelet: its Control UI in a browser, its API, and who does not get
//! in. One user's pod at a time.

use std::time::Duration;

use anyhow::{Context as _, Result};
use http::StatusCode;
use k8s_openapi::api::core::v1::Pod;
use kube::{api::LogParams, runtime::wait::await_condition};
use serde_json::{Value, json};
use tests::{
    browser::{Browser, Front},
    chat, install,
    openclaw::{self, PORT},
    pods::{plain, restarts},
    stage::Stage,
};
use tokio::{sync::Mutex, time::timeout};

/// There is one public address on this host, and memory for one of these at a time.
static ALONE: Mutex<()> = Mutex::const_new(());

async fn front(stage: &Stage) -> Result<Front> {
    let spawner = format!("{}:{}", stage.cluster.node_address, install::SPAWNER_NODE_PORT);
    Front::before(spawner).await
}

#[tokio::test]
async fn the_control_ui_chats_without_a_prompt_and_without_the_gateway_token() -> Result<()> {
    let Some(stage) = openclaw::set().await? else { return Ok(()) };
    let _alone = ALONE.lock().await;
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
    let Some(stage) = openclaw::set().await? else { return Ok(()) };
    let _alone = ALONE.lock().await;
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

#[tokio::test]
async fn only_the_sidecar_answers_and_only_to_its_user() -> Result<()> {
    let Some(stage) = openclaw::set().await? else { return Ok(()) };
    let _alone = ALONE.lock().await;
    let (alice, bob) = (stage.sign_in("alice").await?, stage.sign_in("bob").await?);
    let pod = stage.start_pod_of(&alice).await?;
    for path in ["/", "/v1/models", "/api/v1/admin/rpc"] {
        let answer = stage.sidecar_of(&alice).get(path).bearer(&bob.tokens.access).send().await?;
        answer.expect(StatusCode::FORBIDDEN).await?;
        let answer = stage.sidecar_of(&alice).get(path).send().await?;
        answer.expect(StatusCode::UNAUTHORIZED).await?;
    }
    let seen = seen_from_another_pod(&stage, &pod).await?;
    assert_eq!(seen, json!({"4180": "connected", PORT.to_string(): "ECONNREFUSED"}));
    Ok(())
}

/// What a pod that is nobody's finds at alice's pod.
async fn seen_from_another_pod(stage: &Stage, pod: &Pod) -> Result<Value> {
    let address = pod.status.as_ref().and_then(|status| status.pod_ip.clone());
    let address = address.context("alice's pod has no address")?;
    let script = format!(
        "const seen = {{}}; const look = (port) => new Promise((done) => {{
           const socket = require('node:net').connect(port, '{address}');
           socket.on('connect', () => {{ seen[port] = 'connected'; socket.destroy(); done(); }});
           socket.on('error', (error) => {{ seen[port] = error.code; done(); }});
         }});
         Promise.all([look(4180), look({PORT})]).then(() => console.log(JSON.stringify(seen)));"
    );
    let name = "openclaw-neighbour";
    let mut neighbour = plain(name)?;
    let spec = neighbour.spec.get_or_insert_default();
    spec.restart_policy = Some("Never".to_owned());
    let container = spec.containers.first_mut().context("no container")?;
    container.image = Some(stage.cluster.openclaw_image.clone());
    container.command = Some(["node", "-e", &script].map(str::to_owned).to_vec());
    stage.pods.remove(name).await?;
    stage.pods.create(&neighbour).await?;
    let ended = |pod: Option<&Pod>| {
        let phase = pod.and_then(|pod| pod.status.as_ref()?.phase.as_deref());
        matches!(phase, Some("Succeeded" | "Failed"))
    };
    let waiting = await_condition(stage.pods.api().clone(), name, ended);
    timeout(Duration::from_secs(120), waiting).await??;
    let said = stage.pods.api().logs(name, &LogParams::default()).await?;
    stage.pods.remove(name).await?;
    serde_json::from_str(said.trim()).with_context(|| said.clone())
}
