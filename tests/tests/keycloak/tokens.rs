//! Which of Keycloak's many tokens opens the door.

use anyhow::{Context as _, Result};
use http::StatusCode;
use tests::keycloak::{CLIENT_OTHER, Token};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpListener,
};

use crate::{realm, sidecar::Sidecar};

#[tokio::test]
async fn only_an_access_token_for_us_and_of_this_user_opens_the_door() -> Result<()> {
    let (realm, _held) = realm("tokens").await?;
    let alice = realm.person("alice")?;
    let sidecar = Sidecar::start(&realm, &alice, &[]).await?;
    let tokens = realm.sign_in(&alice).await?;
    assert_eq!(sidecar.status(&tokens.access).await?, StatusCode::OK);
    let renewed = realm.refresh(&tokens).await?;
    assert_eq!(renewed.access.claim("sid")?, tokens.access.claim("sid")?);
    assert_eq!(sidecar.status(&renewed.access).await?, StatusCode::OK);

    sidecar.refuses(&tokens.id).await.context("an ID token")?;
    sidecar.refuses(&tokens.refresh).await.context("a refresh token")?;
    let for_others = realm.sign_in_at(CLIENT_OTHER, &alice).await?;
    sidecar.refuses(&for_others.access).await.context("for another audience")?;
    let bob = realm.sign_in(&realm.person("bob")?).await?;
    assert_eq!(sidecar.status(&bob.access).await?, StatusCode::FORBIDDEN, "bob's");
    assert_eq!(sidecar.status(&tokens.access).await?, StatusCode::OK, "still");
    Ok(())
}

#[tokio::test]
async fn a_logout_token_opens_nothing() -> Result<()> {
    let (realm, _held) = realm("logout-token").await?;
    let alice = realm.person("alice")?;
    let sidecar = Sidecar::start(&realm, &alice, &[]).await?;
    let told = TcpListener::bind("127.0.0.1:0").await?;
    realm.tell_logouts_to(&format!("http://{}/", told.local_addr()?)).await?;
    let tokens = realm.sign_in(&alice).await?;
    let (signed_out, token) = tokio::join!(realm.sign_out(&tokens), logout_token(told));
    signed_out?;
    let token = token?;
    assert_eq!(token.claim("typ")?, "Logout");
    sidecar.refuses(&token).await
}

/// What Keycloak posts to a client when a session ends.
async fn logout_token(told: TcpListener) -> Result<Token> {
    let (mut stream, _) = told.accept().await?;
    let mut heard = String::new();
    let token = loop {
        let mut buffer = [0; 4096];
        let count = stream.read(&mut buffer).await?;
        anyhow::ensure!(count > 0, "Keycloak went away: {heard}");
        heard.push_str(&String::from_utf8_lossy(buffer.get(..count).unwrap_or_default()));
        let Some((head, body)) = heard.split_once("\r\n\r\n") else { continue };
        let length = head.lines().find_map(|line| {
            let (name, value) = line.split_once(':')?;
            if name.eq_ignore_ascii_case("content-length") {
                value.trim().parse().ok()
            } else {
                None
            }
        });
        if length.is_some_and(|length: usize| body.len() >= length) {
            let token = body.strip_prefix("logout_token=").context("no logout_token")?;
            break Token::new(token.to_owned());
        }
    };
    stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n").await?;
    Ok(token)
}
