//! Tokens that do not open alice's pod. All of them are tried at the pod itself: the spawner would
//! send everybody to a pod of their own.

use anyhow::Result;
use http::StatusCode;

use super::teller::{Teller, Told};
use crate::{
    keycloak::Token,
    patience,
    stage::{SignedIn, Stage},
};

const PATH: &str = "/v1/models";

pub(super) async fn bobs_token(
    teller: &Teller,
    stage: &Stage,
    alice: &SignedIn,
    bob: &SignedIn,
) -> Result<()> {
    let expected = "bob's token at alice's pod is answered with 403";
    let line = format!("bob's token (sub {}) at alice's pod: 403", bob.person.id);
    let token = Some(&bob.tokens.access);
    refused(teller, stage, alice, token, StatusCode::FORBIDDEN, expected, line).await
}

pub(super) async fn no_token(teller: &Teller, stage: &Stage, alice: &SignedIn) -> Result<()> {
    let expected = "no token at alice's pod is answered with 401";
    let line = "no token at alice's pod: 401".to_owned();
    refused(teller, stage, alice, None, StatusCode::UNAUTHORIZED, expected, line).await
}

pub(super) async fn expired_token(
    teller: &Teller,
    stage: &Stage,
    alice: &SignedIn,
    expired: &Token,
) -> Result<()> {
    patience::during("alice's first token expires", expired.ended()).await?;
    let expected = "alice's own token, expired, is answered with 401";
    let line = format!("alice's own token, expired (exp {}): 401", expired.claim("exp")?);
    let token = Some(expired);
    refused(teller, stage, alice, token, StatusCode::UNAUTHORIZED, expected, line).await
}

async fn refused(
    teller: &Teller,
    stage: &Stage,
    alice: &SignedIn,
    token: Option<&Token>,
    status: StatusCode,
    expected: &str,
    line: String,
) -> Result<()> {
    teller
        .step(expected, async {
            let call = stage.sidecar_of(alice).get(PATH);
            let call = match token {
                Some(token) => call.bearer(token),
                None => call,
            };
            call.send().await?.expect(status).await?;
            Ok(Told::line(line))
        })
        .await
}
