//! A chat through all parts, and whose key arrived at NewAPI.

use anyhow::{Result, ensure};
use jiff::Timestamp;

use super::{
    pod::mask,
    teller::{Teller, Told},
};
use crate::{
    chat,
    stage::{SignedIn, Stage},
};

const QUESTION: &str = "good morning";

pub(super) async fn is_streamed(teller: &Teller, stage: &Stage, user: &SignedIn) -> Result<()> {
    teller
        .step("a chat is answered word by word, with alice's key at NewAPI", async {
            let before = stage.new_api.last_number().await?;
            let answer = match stage.new_api.yours() {
                None => held(stage, user).await?,
                Some(_) => whole(stage, user).await?,
            };
            let key = stage.new_api.key_of(&user.person);
            let seen = stage.new_api.chats_since(before, &key).await?;
            ensure!(seen.len() == 1, "expected one chat with alice's key at NewAPI, saw {seen:?}");
            let line =
                "a chat is answered: spawner -> sidecar -> runtime -> NewAPI, and streamed back";
            Ok(Told::line(line).with([answer, format!("NewAPI saw alice's key {}", mask(&key))]))
        })
        .await
}

/// The first word comes while NewAPI still holds back the others, so nobody on the way collects.
async fn held(stage: &Stage, user: &SignedIn) -> Result<String> {
    let (door, token) = (&stage.spawner, &user.tokens.access);
    let hold = format!("demo-{}", Timestamp::now().as_millisecond());
    let model = chat::first_model(door, token).await?;
    let mut words = chat::ask(door, token, &chat::held_question(&model, QUESTION, &hold)).await?;
    let first = words.next().await?;
    ensure!(first.is_some(), "expected a first word, saw the end");
    stage.new_api.go_on(&hold).await?;
    let (rest, pieces) = words.rest().await?;
    let first = first.unwrap_or_default();
    Ok(format!("\"{first}\" while NewAPI held the rest back, then \"{rest}\" in {pieces} pieces"))
}

async fn whole(stage: &Stage, user: &SignedIn) -> Result<String> {
    let (door, token) = (&stage.spawner, &user.tokens.access);
    let model = chat::first_model(door, token).await?;
    let mut words = chat::ask(door, token, &chat::question(&model, QUESTION)).await?;
    let (text, pieces) = words.rest().await?;
    ensure!(pieces > 1, "expected a stream, saw everything in one piece");
    let yours = stage.new_api.yours().unwrap_or_default();
    Ok(format!("your NewAPI at {yours}, model {model}: {text:?} in {pieces} pieces"))
}
