//! Another program than OpenClaw in users' pods, by its image and a profile: Node-RED, which knows nothing
//! of us, behind the same login, with the same key and the same home.

use anyhow::Result;
use http::StatusCode;
use serde_json::{Value, json};
use tests::{
    pods::injected,
    profile,
    stage::{SERVER, SignedIn, Stage},
};

#[tokio::test]
async fn a_program_that_is_not_openclaw_has_its_users_login_key_and_home() -> Result<()> {
    let stage = Stage::set().await?;
    profile::install(&stage, "node-red", &stage.cluster.node_red_image, json!({})).await?;
    let (carol, bob) = (stage.sign_in("carol").await?, stage.sign_in("bob").await?);
    stage.pods.remove(&carol.pod).await?;
    let pod = stage.start_pod_of(&carol).await?;
    assert_eq!(injected(&pod).init_containers, [contract::pod::AUTH_SIDECAR], "no token-sync");

    let deploy = stage.spawner.post("/flows").bearer(&carol.tokens.access).json(&flow());
    deploy.send().await?.expect(StatusCode::NO_CONTENT).await?;
    let before = stage.new_api.last_number().await?;
    assert_eq!(ask(&stage, &carol).await?, "Hello carol, stand-in-1 here. You said: hi");
    let chats = stage.new_api.chats_since(before, &carol.person.newapi_key()).await?;
    assert_eq!(chats.len(), 1, "asked with carol's own key: {chats:?}");

    // Its editor, and the socket of that.
    let editor = stage.spawner.get("/").bearer(&carol.tokens.access).send().await?;
    let editor = editor.expect(StatusCode::OK).await?.text().await?;
    assert!(editor.contains("<title>Node-RED</title>"), "{editor}");
    let socket = stage.spawner.get("/comms").bearer(&carol.tokens.access).websocket().await?;
    drop(socket);
    let refused = stage.sidecar_of(&carol).get("/ask").bearer(&bob.tokens.access).send().await?;
    refused.expect(StatusCode::FORBIDDEN).await?;

    let stop = stage.spawner.delete(&format!("{SERVER}?wait=60")).bearer(&carol.tokens.access);
    stop.send().await?.expect(StatusCode::NO_CONTENT).await?;
    stage.start_pod_of(&carol).await?;
    assert_eq!(ask(&stage, &carol).await?, "Hello carol, stand-in-1 here. You said: hi");
    Ok(())
}

async fn ask(stage: &Stage, user: &SignedIn) -> Result<String> {
    let answer = stage.spawner.get("/ask?q=hi").bearer(&user.tokens.access).send().await?;
    answer.expect(StatusCode::OK).await?.text().await
}

/// What carol draws: whatever is asked at `/ask` goes to NewAPI, with the key in the environment.
fn flow() -> Value {
    let question = "
        const base = env.get('NEWAPI_BASE_URL').replace(/[/]*(v1)?[/]*$/, '');
        msg.method = 'POST';
        msg.url = `${base}/v1/chat/completions`;
        msg.headers = { authorization: `Bearer ${env.get('NEWAPI_KEY')}` };
        msg.payload = { model: 'stand-in-1', messages: [{ role: 'user', content: msg.payload.q }] };
        return msg;";
    let answer = "
        msg.payload = msg.payload.choices[0].message.content;
        delete msg.headers;
        return msg;";
    json!([
        {"id": "tab", "type": "tab", "label": "ask"},
        {"id": "in", "z": "tab", "type": "http in", "url": "/ask", "method": "get",
            "wires": [["question"]]},
        {"id": "question", "z": "tab", "type": "function", "func": question, "wires": [["call"]]},
        {"id": "call", "z": "tab", "type": "http request", "method": "use", "ret": "obj",
            "wires": [["answer"]]},
        {"id": "answer", "z": "tab", "type": "function", "func": answer, "wires": [["out"]]},
        {"id": "out", "z": "tab", "type": "http response", "wires": []},
    ])
}
