//! `POST /-/backchannel-logout`: the issuer says that a session has ended (OpenID Connect
//! Back-Channel Logout 1.0). It rests on its logout token alone. The replica that gets it tells the
//! others through [`super::SignedOut`], and the user's sidecar by passing the token on.

use std::{sync::Arc, time::Duration};

use axum::{
    body::{Body, to_bytes},
    extract::{Request, State},
    response::{IntoResponse, Response},
};
use contract::{UserId, object, path};
use edge::{
    oidc::{Logout, Token},
    problem::Problem,
};
use http::{HeaderValue, StatusCode, header};

use super::{SessionHash, desk};
use crate::{app::App, pages};

/// Where the issuer says so.
pub(crate) const BACKCHANNEL_LOGOUT: &str = "/-/backchannel-logout";
/// A logout token and its name.
const MOST_BYTES: usize = 32 * 1024;

/// Ends a session on every replica.
pub(crate) async fn logout(
    State(app): State<Arc<App>>,
    request: Request,
) -> Result<Response, Response> {
    let login = app.login.as_ref().ok_or_else(|| pages::no_login().into_response())?;
    let body = to_bytes(request.into_body(), MOST_BYTES).await.map_err(|_| pages::too_large())?;
    let token = logout_token(&body).map_err(IntoResponse::into_response)?;
    let logout = app.verifier.verify_logout(&token, login.provider.client_id()).await;
    let logout = logout.map_err(|rejection| {
        app.metrics.login(rejection.reason());
        tracing::warn!(target: "audit", action = "backchannel_logout", outcome = rejection.reason());
        rejection.into_response()
    })?;
    let Some(sid) = logout.session.as_deref() else {
        return Err(no_session().into_response());
    };
    let patch = app.signed_out.end(&SessionHash::of(sid));
    app.metrics.login("ended_by_issuer");
    tracing::info!(target: "audit", action = "backchannel_logout", outcome = "ended");
    let told = app.cluster.merge_config_map(object::SIGNED_OUT, &patch).await;
    tell_sidecar(&app, &logout, &token).await;
    // What this replica alone knows is not enough: the issuer may try again.
    told.map_err(|fault| {
        tracing::error!(%fault, "the other replicas do not know that a session has ended");
        untold().into_response()
    })?;
    Ok(([(header::CACHE_CONTROL, "no-store")], StatusCode::OK).into_response())
}

/// The one `logout_token` of the form.
fn logout_token(body: &[u8]) -> Result<Token, Problem> {
    let mut tokens = form_urlencoded::parse(body).filter(|(name, _)| name == "logout_token");
    match (tokens.next(), tokens.next()) {
        (Some((_, token)), None) => Token::from_text(&token)
            .map_err(|rejection| bad(&format!("The logout token is refused: {rejection}."))),
        _ => Err(bad("The form must have exactly one logout_token.")),
    }
}

fn bad(detail: &str) -> Problem {
    let title = "This logout is not understood";
    Problem::new(StatusCode::BAD_REQUEST, "bad_logout", title).detail(detail)
}

fn no_session() -> Problem {
    bad(
        "The logout token has no `sid`. In Keycloak turn on \"Backchannel logout session required\".",
    )
}

fn untold() -> Problem {
    let title = "The session has ended on this replica only";
    Problem::new(StatusCode::SERVICE_UNAVAILABLE, "not_told", title)
        .retry_after(Duration::from_secs(2))
}

/// Passes the token on to the sidecar of the user, if it is known which one that is. All streams
/// come through the spawner, so nothing depends on it; it closes what would not.
async fn tell_sidecar(app: &App, logout: &Logout, token: &Token) {
    // The subject is the user where the user claim is `sub`; elsewhere nobody has that id.
    let Some(user) = logout.subject.as_deref().and_then(|sub| sub.parse::<UserId>().ok()) else {
        return;
    };
    let form = form_urlencoded::Serializer::new(String::new())
        .append_pair("logout_token", token.expose())
        .finish();
    let mut request = Request::new(Body::from(form));
    let form = HeaderValue::from_static("application/x-www-form-urlencoded");
    request.headers_mut().insert(header::CONTENT_TYPE, form);
    desk::tell(app, &user, path::BACKCHANNEL_LOGOUT, request).await;
}
