#[cfg(test)]
mod tests;

use std::time::Duration;

use axum::response::{IntoResponse, Response};
use http::StatusCode;
use serde_json::Value;

use super::{
    KeySet, Rejection, Token, UnixTime,
    claims::Claims,
    rejection::RETRY_AFTER,
    signed::{TokenKind, signed_claims},
};
use crate::problem::Problem;

/// What a logout token must say to be believed.
#[derive(Clone, Copy, Debug)]
pub struct LogoutPolicy<'a> {
    /// The claim `iss`, exactly.
    pub issuer: &'a str,
    /// Must be the claim `aud` or one of it: the client whose sessions end. It need not be the
    /// audience of access tokens.
    pub client: &'a str,
    /// How far the issuer's clock may differ from ours.
    pub leeway: Duration,
}

/// A session, or every session of somebody, has ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Logout {
    /// Whose sessions: the claim `sub`. It is not the user id when that is another claim.
    pub subject: Option<String>,
    /// Which session (`sid`); without it, all of the subject's. One of both is there.
    pub session: Option<String>,
    /// The claim `jti`: the same token twice has the same one.
    pub id: String,
    /// The claim `iat`: sessions that began later are not meant.
    pub issued_at: UnixTime,
    /// The claim `exp`.
    pub expires_at: UnixTime,
}

/// Why a logout token is not believed. Closed, so that it can be a metric label. Each variant's
/// message is its documentation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, thiserror::Error)]
pub enum LogoutRejection {
    #[error(transparent)]
    Token(#[from] Rejection),
    #[error(
        "the claim `typ` is there and not `Logout`: an access, ID or refresh token ends nothing"
    )]
    OtherTokenType,
    #[error("the claim `events` has no object `{EVENT}`")]
    NoLogoutEvent,
    #[error("it has a `nonce`, which makes it an ID token")]
    HasNonce,
    #[error("it names neither `sub` nor `sid`")]
    NobodyNamed,
}

/// The member of `events` that makes a token a logout token.
const EVENT: &str = "http://schemas.openid.net/event/backchannel-logout";

/// Decides about a logout token (OpenID Connect Back-Channel Logout 1.0 section 2.6). Pure.
///
/// # Errors
/// The first check that fails.
pub fn verify_logout(
    token: &Token,
    keys: &KeySet,
    policy: LogoutPolicy<'_>,
    now: UnixTime,
) -> Result<Logout, LogoutRejection> {
    policy.check(&signed_claims(token, keys, TokenKind::Logout)?, now)
}

impl LogoutPolicy<'_> {
    /// What is left once the signature is known to be good.
    pub(super) fn check(&self, claims: &Claims, now: UnixTime) -> Result<Logout, LogoutRejection> {
        // Keycloak says so; the standard has no such claim.
        if claims.optional_text("typ")?.is_some_and(|typ| typ != "Logout") {
            return Err(LogoutRejection::OtherTokenType);
        }
        claims.check_parties(self.issuer, self.client)?;
        let times = claims.check_times(now, self.leeway)?;
        let id = claims.text("jti")?.to_owned();
        let event = claims.get("events").ok_or(Rejection::MissingClaim("events"))?;
        if !event.get(EVENT).is_some_and(Value::is_object) {
            return Err(LogoutRejection::NoLogoutEvent);
        }
        if claims.contains("nonce") {
            return Err(LogoutRejection::HasNonce);
        }
        let named = |name| Ok::<_, Rejection>(claims.optional_text(name)?.map(str::to_owned));
        let (subject, session) = (named("sub")?, named("sid")?);
        if subject.is_none() && session.is_none() {
            return Err(LogoutRejection::NobodyNamed);
        }
        let (issued_at, expires_at) = (times.issued_at, times.expires_at);
        Ok(Logout { subject, session, id, issued_at, expires_at })
    }
}

impl LogoutRejection {
    /// Bounded name for logs and metric labels.
    #[must_use]
    pub const fn reason(&self) -> &'static str {
        match self {
            Self::Token(rejection) => rejection.reason(),
            Self::OtherTokenType => "not_a_logout_token",
            Self::NoLogoutEvent => "no_logout_event",
            Self::HasNonce => "has_nonce",
            Self::NobodyNamed => "nobody_named",
        }
    }

    /// 400 for what will never be believed (section 2.8), 503 while there are no keys.
    #[must_use]
    pub const fn status(&self) -> StatusCode {
        match self {
            Self::Token(Rejection::KeysUnavailable) => StatusCode::SERVICE_UNAVAILABLE,
            _ => StatusCode::BAD_REQUEST,
        }
    }
}

/// The whole answer for the issuer, which learns no more than a client does.
impl IntoResponse for LogoutRejection {
    fn into_response(self) -> Response {
        match self {
            Self::Token(Rejection::KeysUnavailable) => Problem::new(
                self.status(),
                "keys_unavailable",
                "Logout tokens cannot be verified yet",
            )
            .retry_after(RETRY_AFTER),
            _ => Problem::new(self.status(), "invalid_request", "The logout token is not accepted"),
        }
        .into_response()
    }
}
