//! Keycloak says that a session is over.

use anyhow::{Context as _, Result, bail};
use contract::path;
use futures::{SinkExt as _, StreamExt as _};
use http::StatusCode;
use tests::{
    door::Stream,
    keycloak::{Realm, Tokens},
    people::Person,
};
use tokio_tungstenite::{WebSocketStream, tungstenite::Message};

use crate::{realm, sidecar::Sidecar};

/// What somebody has open.
struct Open {
    tokens: Tokens,
    socket: WebSocketStream<Box<dyn Stream>>,
    events: tests::door::Events,
}

impl Open {
    async fn by(person: &Person, realm: &Realm, sidecar: &Sidecar) -> Result<Self> {
        let tokens = realm.sign_in(person).await?;
        let socket = sidecar.data.get("/ws").bearer(&tokens.access).websocket().await?;
        let events = sidecar.data.get("/events").bearer(&tokens.access).send().await?;
        let mut open = Self { tokens, socket, events: events.events()? };
        assert_eq!(open.events.next().await?.as_deref(), Some("hello"));
        open.is_alive().await?;
        Ok(open)
    }

    async fn is_alive(&mut self) -> Result<()> {
        self.socket.send(Message::text("hi")).await?;
        let heard = self.socket.next().await.context("the socket was closed")??;
        assert_eq!(heard, Message::text("hi"));
        Ok(())
    }

    /// Closed with the code for a session's end, and cleanly.
    async fn has_ended(&mut self, sidecar: &Sidecar) -> Result<()> {
        match self.socket.next().await.context("no Close frame")?? {
            Message::Close(Some(frame)) => assert_eq!(u16::from(frame.code), 1008),
            other => bail!("no Close frame but {other}"),
        }
        assert_eq!(self.events.next().await?, None, "a clean end");
        sidecar.refuses(&self.tokens.access).await
    }
}

#[tokio::test]
async fn a_logout_in_keycloak_closes_the_sessions_streams_and_refuses_its_tokens() -> Result<()> {
    let (realm, _held) = realm("logout").await?;
    let alice = realm.person("alice")?;
    let sidecar = Sidecar::start(&realm, &alice, &[]).await?;
    let desk = format!("http://{}{}", sidecar.admin.authority(), path::BACKCHANNEL_LOGOUT);
    realm.tell_logouts_to(&desk).await?;
    let mut first = Open::by(&alice, &realm, &sidecar).await?;
    let mut second = Open::by(&alice, &realm, &sidecar).await?;
    let renewed = realm.refresh(&first.tokens).await?;
    assert_eq!(sidecar.status(&renewed.access).await?, StatusCode::OK);

    realm.sign_out(&renewed).await?;
    first.has_ended(&sidecar).await?;
    sidecar.refuses(&renewed.access).await.context("another token of the session")?;
    second.is_alive().await.context("her other session")?;

    realm.sign_out_everywhere(&alice).await?;
    second.has_ended(&sidecar).await?;
    let mut back = Open::by(&alice, &realm, &sidecar).await.context("she signs in again")?;
    back.is_alive().await?;
    assert!(sidecar.metric("openclaw_sidecar_backchannel_logout_total{result=\"ok\"}").await? >= 2);
    Ok(())
}
