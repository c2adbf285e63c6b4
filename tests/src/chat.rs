//! What is asked of NewAPI, and its streamed answer.

use anyhow::{Context as _, Result, ensure};
use http::StatusCode;
use serde_json::{Value, json};

use crate::{
    door::{Door, Events},
    keycloak::Token,
};

/// Where chats are sent, at NewAPI and at every runtime.
pub const COMPLETIONS: &str = "/v1/chat/completions";

/// Last event of a stream, as in OpenAI's API.
const DONE: &str = "[DONE]";

/// A streamed answer on its way.
#[derive(Debug)]
pub struct Words {
    events: Events,
}

/// The body of a streamed chat.
#[must_use]
pub fn question(model: &str, text: &str) -> Value {
    json!({"model": model, "stream": true, "messages": [{"role": "user", "content": text}]})
}

/// The same, of which our stand-in sends only the first word until it is told to go on
/// ([`crate::newapi::NewApi::go_on`]). Only so can a test know that nobody on the way collects.
#[must_use]
pub fn held_question(model: &str, text: &str, hold: &str) -> Value {
    let mut body = question(model, text);
    if let Some(body) = body.as_object_mut() {
        body.insert("metadata".to_owned(), json!({"hold": hold}));
    }
    body
}

/// The first model that NewAPI offers to this user.
///
/// # Errors
/// No answer, or no models.
pub async fn first_model(door: &Door, token: &Token) -> Result<String> {
    let answer = door.get("/v1/models").bearer(token).send().await?;
    let models: Value = answer.expect(StatusCode::OK).await?.json().await?;
    let model = models.pointer("/data/0/id").and_then(Value::as_str);
    Ok(model.with_context(|| format!("no model in {models}"))?.to_owned())
}

/// Asks, and returns as soon as the answer begins.
///
/// # Errors
/// The question was refused.
pub async fn ask(door: &Door, token: &Token, question: &Value) -> Result<Words> {
    let answer = door.post(COMPLETIONS).bearer(token).json(question).send().await?;
    Ok(Words { events: answer.expect(StatusCode::OK).await?.events()? })
}

impl Words {
    /// The next piece of text; none at the end.
    ///
    /// # Errors
    /// The stream broke off, or holds something else.
    pub async fn next(&mut self) -> Result<Option<String>> {
        while let Some(event) = self.events.next().await? {
            if event == DONE {
                return Ok(None);
            }
            let event: Value = serde_json::from_str(&event)
                .with_context(|| format!("an event that is no JSON: {event}"))?;
            ensure!(event.get("error").is_none(), "NewAPI answered {event}");
            let text = event.pointer("/choices/0/delta/content").and_then(Value::as_str);
            if let Some(text) = text.filter(|text| !text.is_empty()) {
                return Ok(Some(text.to_owned()));
            }
        }
        anyhow::bail!("the stream ended without {DONE}")
    }

    /// What is still to come, and in how many pieces.
    ///
    /// # Errors
    /// The stream broke off.
    pub async fn rest(&mut self) -> Result<(String, usize)> {
        let (mut text, mut pieces) = (String::new(), 0);
        while let Some(word) = self.next().await? {
            text.push_str(&word);
            pieces += 1;
        }
        Ok((text, pieces))
    }
}
