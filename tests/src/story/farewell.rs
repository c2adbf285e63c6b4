//! How to go on from here. What is printed is run first, so that it works when it is copied.

use anyhow::{Context as _, Result, ensure};
use tokio::process::Command;

use super::teller::{Teller, Told};
use crate::{
    chat, install,
    keycloak::{CLIENT, CLIENT_SECRET},
    people::Person,
    stage::{SignedIn, Stage},
};

pub(super) async fn how_to_log_in(teller: &Teller, stage: &Stage, user: &SignedIn) -> Result<()> {
    let model = chat::first_model(&stage.spawner, &user.tokens.access).await?;
    let commands = commands(stage, &user.person, &model);
    teller
        .step("the commands below work", async {
            let ran = Command::new("sh").args(["-c", &commands]).output().await;
            let ran = ran.context("cannot start sh")?;
            let said = String::from_utf8_lossy(&ran.stdout);
            let failed = String::from_utf8_lossy(&ran.stderr);
            ensure!(ran.status.success(), "{}: {}", ran.status, failed.trim());
            ensure!(said.contains("data: "), "expected a stream, saw: {}", said.trim());
            Ok(Told::line("the commands below were run: they work"))
        })
        .await?;
    teller.chapter("Your turn");
    teller.say(&format!(
        "The address: http://{}:{}/",
        stage.cluster.node_address,
        install::SPAWNER_NODE_PORT
    ));
    teller.say("Log in and chat:\n");
    commands.lines().for_each(|line| teller.say(&format!("  {line}")));
    teller.say("\nStop everything: make down");
    teller.say(&format!("Told in {}.", teller.so_far()));
    Ok(())
}

fn commands(stage: &Stage, person: &Person, model: &str) -> String {
    let (name, password) = (&person.name, person.password());
    let token_url = stage.keycloak.token_url();
    let node = &stage.cluster.node_address;
    let chat_url = format!("http://{node}:{}{}", install::SPAWNER_NODE_PORT, chat::COMPLETIONS);
    let question = chat::question(model, "hello");
    format!(
        "TOKEN=$(curl -sS {token_url} \\\n\
         \x20 -d grant_type=password -d client_id={CLIENT} -d client_secret={CLIENT_SECRET} \\\n\
         \x20 -d username={name} -d password={password} | sed 's/.*\"access_token\":\"\\([^\"]*\\).*/\\1/')\n\
         curl -sSN -H \"Authorization: Bearer $TOKEN\" -H 'Content-Type: application/json' \\\n\
         \x20 {chat_url} \\\n\
         \x20 -d '{question}'\n"
    )
}

pub(super) fn what_was_left_out(teller: &Teller) {
    teller.chapter("Left out, because a control plane alone runs no pods");
    for line in [
        "the pod becoming Ready, and the chat through spawner, sidecar and runtime",
        "bob's token (403), no token (401) and an expired one (401) at alice's pod",
        "the pod deleted and back with the same gateway token",
    ] {
        teller.say(&format!("  - {line}"));
    }
    teller.say("\nWith Docker, or as root, `make demo` tells all of it. Stop: make down");
    teller.say(&format!("Told in {}.", teller.so_far()));
}
