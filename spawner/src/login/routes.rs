//! `/-/login`, `/-/callback`, `/-/logout`, `/-/signed-out`: to the issuer and back.

use std::sync::Arc;

use axum::{
    extract::{Query, Request, State},
    response::{IntoResponse, Response},
};
use edge::{
    oidc::{IdTokenFault, Login as LoginOf, Token, Verified, Verifier},
    program::Chain,
};
use http::{HeaderMap, HeaderValue, StatusCode, header, request::Parts};
use serde::Deserialize;

use super::{
    Login, NoVisit, Site, Tokens, accepted, cookie,
    next::sanitised,
    pkce::challenge,
    provider::ProviderFault,
    session::{Attempt, BrowserSession, NotSet},
};
use crate::{
    app::App,
    caller::FormCaller,
    pages::{self, Message},
};

/// Where a login begins.
pub(crate) const LOGIN: &str = "/-/login";
/// Where the issuer sends the browser back to.
pub(crate) const CALLBACK: &str = "/-/callback";
/// Where a sign-out is asked for.
pub(crate) const LOGOUT: &str = "/-/logout";
/// Where it ends.
pub(crate) const SIGNED_OUT: &str = "/-/signed-out";

#[derive(Debug, Deserialize)]
pub(crate) struct Next {
    #[serde(default)]
    next: String,
}

/// The answer of the issuer (RFC 6749 sections 4.1.2 and 4.1.2.1, RFC 9207).
#[derive(Deserialize)]
pub(crate) struct Returned {
    #[serde(default)]
    state: String,
    code: Option<String>,
    error: Option<String>,
    iss: Option<String>,
}

/// Why a login does not end well.
#[derive(Debug, thiserror::Error)]
enum Unfinished {
    #[error("no login of this browser began with this state, or it is over")]
    NotBegun,
    #[error("the issuer says {0:?}")]
    Refused(String),
    #[error("the answer is of another issuer")]
    OtherIssuer,
    #[error("the answer has no code")]
    NoCode,
    #[error(transparent)]
    Provider(#[from] ProviderFault),
    #[error("there is no ID token")]
    NoIdToken,
    #[error("the ID token is refused: {0}")]
    IdToken(#[from] IdTokenFault),
    #[error("the access token is not accepted")]
    AccessToken,
    #[error(transparent)]
    NotSet(#[from] NotSet),
    #[error("nothing can be verified yet")]
    NotYet,
}

/// `GET /-/login?next=`: off to the issuer.
pub(crate) async fn login(
    State(app): State<Arc<App>>,
    query: Result<Query<Next>, axum::extract::rejection::QueryRejection>,
    request: Request,
) -> Response {
    let (parts, _) = request.into_parts();
    let next = query.map(|Query(Next { next })| next).unwrap_or_default();
    let (login, site) = match for_us(&app, &parts) {
        Ok(found) => found,
        Err(refused) => return *refused,
    };
    match begin(login, site, &parts.headers, &next).await {
        Ok(response) => response,
        Err(error) => unfinished(&app, &error, sanitised(&next)),
    }
}

async fn begin(
    login: &Login,
    site: Site,
    headers: &HeaderMap,
    next: &str,
) -> Result<Response, Unfinished> {
    let keys = login.keys.now().ok_or(Unfinished::NotYet)?;
    let addresses = login.provider.addresses().await?;
    let attempt = Attempt::begin(next).map_err(NotSet::from)?;
    let to = with_query(
        &addresses.authorization_endpoint,
        &[
            ("response_type", "code"),
            ("client_id", login.provider.client_id()),
            ("redirect_uri", &login.redirect_uri(site)),
            ("scope", "openid"),
            ("state", &attempt.state),
            ("nonce", &attempt.nonce),
            ("code_challenge", &challenge(&attempt.verifier)),
            ("code_challenge_method", "S256"),
        ],
    );
    let cookies = attempt.cookies(headers, &keys, site).map_err(NotSet::from)?;
    Ok(redirect(StatusCode::FOUND, &to, cookies))
}

/// `GET /-/callback`: back from the issuer.
pub(crate) async fn callback(
    State(app): State<Arc<App>>,
    query: Result<Query<Returned>, axum::extract::rejection::QueryRejection>,
    request: Request,
) -> Response {
    let (parts, _) = request.into_parts();
    let (login, site) = match for_us(&app, &parts) {
        Ok(found) => found,
        Err(refused) => return *refused,
    };
    let Ok(Query(returned)) = query else { return unfinished(&app, &Unfinished::NotBegun, "/") };
    let Some(attempt) =
        login.keys.now().and_then(|keys| Attempt::of(&parts.headers, &keys, &returned.state, site))
    else {
        return unfinished(&app, &Unfinished::NotBegun, "/");
    };
    let forget = cookie::clear_login(&attempt.state);
    let way = Way { login, site, attempt: &attempt };
    let mut response = match finish(&way, &app.verifier, returned, &parts.headers).await {
        Ok((cookies, verified)) => {
            app.metrics.login("signed_in");
            tracing::info!(target: "audit", action = "login", user = %verified.user, outcome = "signed_in");
            redirect(StatusCode::FOUND, &attempt.next, cookies)
        }
        Err(error) => unfinished(&app, &error, &attempt.next),
    };
    if let Some(forget) = forget {
        response.headers_mut().append(header::SET_COOKIE, forget);
    }
    response
}

/// A login that has begun, and where it goes on.
struct Way<'a> {
    login: &'a Login,
    site: Site,
    attempt: &'a Attempt,
}

async fn finish(
    &Way { login, site, attempt }: &Way<'_>,
    verifier: &Verifier,
    returned: Returned,
    headers: &HeaderMap,
) -> Result<(Vec<HeaderValue>, Verified), Unfinished> {
    let keys = login.keys.now().ok_or(Unfinished::NotYet)?;
    let Returned { state: _, code, error, iss } = returned;
    if iss.is_some_and(|iss| iss != login.provider.issuer()) {
        return Err(Unfinished::OtherIssuer);
    }
    if let Some(error) = error {
        return Err(Unfinished::Refused(error.chars().take(60).collect()));
    }
    let code = code.ok_or(Unfinished::NoCode)?;
    let tokens =
        login.provider.exchange(&code, &login.redirect_uri(site), &attempt.verifier).await?;
    let verified = check(login, verifier, attempt, &tokens).await?;
    let session = BrowserSession::new(tokens, &verified).map_err(NotSet::from)?;
    Ok((session.cookies(headers, &keys, site)?, verified))
}

/// Whether the tokens are of this very login and open a workspace.
async fn check(
    login: &Login,
    verifier: &Verifier,
    attempt: &Attempt,
    tokens: &Tokens,
) -> Result<Verified, Unfinished> {
    let (access, verified) = accepted(tokens, verifier).await.map_err(|no| match no {
        NoVisit::NotYet => Unfinished::NotYet,
        _ => Unfinished::AccessToken,
    })?;
    let id = tokens.id_token.as_deref().ok_or(Unfinished::NoIdToken)?;
    let id = Token::from_text(id).map_err(IdTokenFault::from)?;
    let client_id = login.provider.client_id();
    let of = LoginOf { client_id, nonce: &attempt.nonce, access_token: &access };
    verifier.verify_id_token(&id, of).await?;
    if login.has_ended(&verified) {
        return Err(Unfinished::AccessToken);
    }
    Ok(verified)
}

/// `POST /-/logout`: here first, then at the issuer (OpenID Connect RP-Initiated Logout 1.0).
pub(crate) async fn logout(State(app): State<Arc<App>>, caller: FormCaller) -> Response {
    let FormCaller { caller, browser, headers, .. } = caller;
    let Some(login) = &app.login else { return pages::no_login().into_response() };
    app.metrics.login("signed_out");
    tracing::info!(target: "audit", action = "logout", user = %caller.user(), outcome = "signed_out");
    let cookies = cookie::clear_session(&headers);
    // An issuer that cannot be asked does not keep anybody signed in here.
    let end_session = match login.provider.addresses().await {
        Ok(addresses) => addresses.end_session_endpoint,
        Err(error) => {
            tracing::warn!(error = %Chain(&error), "the session at the issuer goes on");
            None
        }
    };
    let after = format!("{}{SIGNED_OUT}", login.origin(browser.site()));
    let to = match end_session {
        Some(end_session) => {
            let mut query = vec![
                ("client_id", login.provider.client_id()),
                ("post_logout_redirect_uri", &after),
            ];
            query.extend(browser.id_token().map(|id| ("id_token_hint", id)));
            with_query(&end_session, &query)
        }
        None => SIGNED_OUT.to_owned(),
    };
    redirect(StatusCode::SEE_OTHER, &to, cookies)
}

/// `GET /-/signed-out`.
pub(crate) async fn signed_out() -> Response {
    pages::message(
        StatusCode::OK,
        &Message {
            title: "You are signed out",
            text: "Your workspace goes on with what it was doing. Sign in again to come back to it.",
            action: Some(("Sign in", LOGIN.to_owned())),
        },
    )
}

/// The login, and the address of ours that a request is for.
fn for_us<'a>(app: &'a App, parts: &Parts) -> Result<(&'a Login, Site), Box<Response>> {
    let Some(login) = &app.login else {
        return Err(Box::new(pages::no_login().into_response()));
    };
    let site = login.site_of(&parts.headers, &parts.uri);
    site.map(|site| (login, site)).ok_or_else(|| Box::new(pages::other_host(login)))
}

impl Login {
    fn redirect_uri(&self, site: Site) -> String {
        format!("{}{CALLBACK}", self.origin(site))
    }
}

/// The way to sign in and come back to `path`.
pub(crate) fn login_path(path: &str) -> String {
    with_query(LOGIN, &[("next", sanitised(path))])
}

fn with_query(url: &str, pairs: &[(&str, &str)]) -> String {
    let query = form_urlencoded::Serializer::new(String::new()).extend_pairs(pairs).finish();
    let joint = if url.contains('?') { '&' } else { '?' };
    format!("{url}{joint}{query}")
}

pub(crate) fn redirect(status: StatusCode, to: &str, cookies: Vec<HeaderValue>) -> Response {
    let mut response = status.into_response();
    let headers = response.headers_mut();
    if let Ok(to) = HeaderValue::try_from(to) {
        headers.insert(header::LOCATION, to);
    }
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    for cookie in cookies {
        headers.append(header::SET_COOKIE, cookie);
    }
    response
}

fn unfinished(app: &App, error: &Unfinished, next: &str) -> Response {
    app.metrics.login(error.outcome());
    let words = Chain(error);
    tracing::warn!(target: "audit", action = "login", outcome = error.outcome(), error = %words);
    let (status, text) = error.answer();
    pages::message(
        status,
        &Message {
            title: "You are not signed in",
            text,
            action: Some(("Sign in", login_path(next))),
        },
    )
}

impl Unfinished {
    /// A closed set: it is a metric label.
    fn outcome(&self) -> &'static str {
        match self {
            Self::NotBegun => "not_begun",
            Self::Refused(_) => "refused",
            Self::OtherIssuer => "other_issuer",
            Self::NoCode => "no_code",
            Self::Provider(ProviderFault::Unavailable(_)) => "unavailable",
            Self::Provider(ProviderFault::InvalidGrant) => "invalid_grant",
            Self::Provider(_) => "provider",
            Self::NoIdToken | Self::IdToken(_) => "id_token",
            Self::AccessToken => "access_token",
            Self::NotSet(_) => "too_large",
            Self::NotYet => "not_yet",
        }
    }

    /// For the user.
    fn answer(&self) -> (StatusCode, &'static str) {
        match self {
            Self::NotBegun | Self::NoCode | Self::Provider(ProviderFault::InvalidGrant) => (
                StatusCode::BAD_REQUEST,
                "This sign-in was begun in another browser, was used already, or took longer than \
                 ten minutes. Sign in once more.",
            ),
            Self::Refused(_) => (
                StatusCode::FORBIDDEN,
                "The identity provider did not sign you in. If you called it off yourself, just \
                 sign in again.",
            ),
            Self::Provider(ProviderFault::Unavailable(_)) | Self::NotYet => (
                StatusCode::SERVICE_UNAVAILABLE,
                "The identity provider cannot be reached at the moment. Try again in a few seconds.",
            ),
            Self::NotSet(_) => (
                StatusCode::BAD_GATEWAY,
                "Your account has more roles than fit into a sign-in. An administrator has to give \
                 the client fewer roles and claims.",
            ),
            Self::AccessToken => (
                StatusCode::FORBIDDEN,
                "The identity provider signed you in, but not for workspaces. An administrator has \
                 to look at the client's audience and at your user id.",
            ),
            Self::OtherIssuer | Self::NoIdToken | Self::IdToken(_) | Self::Provider(_) => (
                StatusCode::BAD_GATEWAY,
                "The identity provider's answer does not fit. If it happens again, an administrator \
                 has to look at the log of the spawner.",
            ),
        }
    }
}
