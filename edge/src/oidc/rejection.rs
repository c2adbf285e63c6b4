use std::time::Duration;

use axum::response::{IntoResponse, Response};
use http::{HeaderValue, StatusCode, header};

use crate::problem::Problem;

/// Why a request's token does not open the door. Closed, so that it can be a metric label.
///
/// [`Display`](std::fmt::Display) is for the operator. The client learns the RFC 6750 error code
/// and nothing else: which check failed is for an attacker a hint, and for a user no help. Each
/// variant's message is its documentation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, thiserror::Error)]
pub enum Rejection {
    #[error("there is no `Authorization: Bearer` header")]
    MissingToken,
    #[error("there is more than one `Authorization` header")]
    SeveralAuthorizations,
    #[error("the `Authorization` header is not `Bearer` and one token")]
    MalformedAuthorization,
    #[error("the token is longer than {} bytes", super::Token::MAX_BYTES)]
    TokenTooLarge,
    #[error("the token is not three parts of strict base64url with dots between")]
    MalformedToken,
    #[error("the token's header is not a JSON object with unique names")]
    MalformedHeader,
    #[error("the token's header has `crit`, and no extension is supported")]
    CriticalHeader,
    #[error("the token's header brings or links a key (`jwk`, `jku`, `x5u`, `x5c`)")]
    BringsItsKey,
    #[error("the token's header has `b64`, `zip` or `enc`: its claims are not there to be read")]
    OtherPayload,
    #[error("the token's header has a `typ` that no token of this kind has")]
    OtherHeaderType,
    #[error("the token's `alg` is not one of RS256-512, PS256-512, ES256, ES384, EdDSA")]
    UnsupportedAlgorithm,
    #[error("the token's header has no `kid` that is a text, so no key can be chosen")]
    MissingKeyId,
    #[error("the token's `kid` names none of the issuer's keys")]
    UnknownKey,
    #[error("the token's `alg` is not one that the key named by `kid` may be used with")]
    AlgorithmNotOfKey,
    #[error("the signature does not match")]
    BadSignature,
    #[error("the claims are not a JSON object with unique names")]
    MalformedClaims,
    #[error("the claim `{0}` is missing{hint}", hint = hint(.0))]
    MissingClaim(&'static str),
    #[error("the claim `{0}` has the wrong type")]
    ClaimType(&'static str),
    #[error("the claim `{0}` is no date between 1970 and 9999")]
    ClaimRange(&'static str),
    #[error("the claim `typ` is not `Bearer`: an ID, refresh or logout token is no access token")]
    OtherTokenType,
    #[error("the claim `iss` is not exactly the configured issuer")]
    OtherIssuer,
    #[error("the claim `aud` does not contain exactly the configured audience{hint}", hint = hint("aud"))]
    OtherAudience,
    #[error("the claim `azp` is none of the clients whose tokens are accepted")]
    OtherParty,
    #[error(
        "the claim `cnf` binds the token to a key of the client's, and nothing here proves that"
    )]
    BoundToKey,
    #[error("the token has expired")]
    Expired,
    #[error("the token is not valid yet (`nbf` or `iat` is in the future); compare the clocks")]
    NotYetValid,
    #[error("the token lives longer than the configured maximum")]
    LivesTooLong,
    #[error("the user claim is not a lowercase UUID")]
    InvalidUser,
    #[error("the token is another user's")]
    OtherUser,
    #[error("the session that the token belongs to was logged out")]
    LoggedOut,
    #[error("the issuer's keys are not available yet")]
    KeysUnavailable,
}

/// What Keycloak's administrator has to do about the most frequent mistake.
const fn hint(claim: &str) -> &'static str {
    match claim.as_bytes() {
        b"aud" => " (in Keycloak the client needs an audience mapper)",
        _ => "",
    }
}

/// The error codes of RFC 6750 section 3.1, and the two cases for which it has none.
enum Code {
    NoToken,
    InvalidRequest,
    InvalidToken,
    InsufficientScope,
    Unavailable,
}

impl Rejection {
    /// Bounded name for logs and metric labels.
    #[must_use]
    pub const fn reason(&self) -> &'static str {
        match self {
            Self::MissingToken => "missing_token",
            Self::SeveralAuthorizations => "several_authorizations",
            Self::MalformedAuthorization => "malformed_authorization",
            Self::TokenTooLarge => "token_too_large",
            Self::MalformedToken => "malformed_token",
            Self::MalformedHeader => "malformed_header",
            Self::CriticalHeader => "critical_header",
            Self::BringsItsKey => "brings_its_key",
            Self::OtherPayload => "other_payload",
            Self::OtherHeaderType => "other_header_type",
            Self::UnsupportedAlgorithm => "unsupported_algorithm",
            Self::MissingKeyId => "missing_key_id",
            Self::UnknownKey => "unknown_key",
            Self::AlgorithmNotOfKey => "algorithm_not_of_key",
            Self::BadSignature => "bad_signature",
            Self::MalformedClaims => "malformed_claims",
            Self::MissingClaim(_) => "missing_claim",
            Self::ClaimType(_) => "claim_type",
            Self::ClaimRange(_) => "claim_range",
            Self::OtherTokenType => "other_token_type",
            Self::OtherIssuer => "other_issuer",
            Self::OtherAudience => "other_audience",
            Self::OtherParty => "other_party",
            Self::BoundToKey => "bound_to_key",
            Self::Expired => "expired",
            Self::NotYetValid => "not_yet_valid",
            Self::LivesTooLong => "lives_too_long",
            Self::InvalidUser => "invalid_user",
            Self::OtherUser => "other_user",
            Self::LoggedOut => "logged_out",
            Self::KeysUnavailable => "keys_unavailable",
        }
    }

    /// The HTTP status: 400 for a request that can be read in two ways, 401 for a bad token, 403
    /// for a good token at the wrong door, 503 while there are no keys.
    #[must_use]
    pub const fn status(&self) -> StatusCode {
        match self.code() {
            Code::InvalidRequest => StatusCode::BAD_REQUEST,
            Code::NoToken | Code::InvalidToken => StatusCode::UNAUTHORIZED,
            Code::InsufficientScope => StatusCode::FORBIDDEN,
            Code::Unavailable => StatusCode::SERVICE_UNAVAILABLE,
        }
    }

    const fn code(&self) -> Code {
        match self {
            Self::MissingToken => Code::NoToken,
            Self::SeveralAuthorizations | Self::MalformedAuthorization => Code::InvalidRequest,
            Self::OtherUser => Code::InsufficientScope,
            Self::KeysUnavailable => Code::Unavailable,
            _ => Code::InvalidToken,
        }
    }
}

impl Code {
    /// The word in `error` and in the problem document, and what it says to a person.
    const fn texts(&self) -> (&'static str, &'static str) {
        match self {
            Self::NoToken => ("missing_token", "A bearer token is required"),
            Self::InvalidRequest => ("invalid_request", "The Authorization header is malformed"),
            Self::InvalidToken => ("invalid_token", "The bearer token is not accepted"),
            Self::InsufficientScope => ("other_user", "This workspace belongs to another user"),
            Self::Unavailable => ("keys_unavailable", "Tokens cannot be verified yet"),
        }
    }

    /// `WWW-Authenticate` (RFC 6750 section 3). Without a token there is no error code.
    const fn challenge(&self) -> Option<&'static str> {
        match self {
            Self::NoToken => Some("Bearer realm=\"openclaw\""),
            Self::InvalidRequest => Some("Bearer realm=\"openclaw\", error=\"invalid_request\""),
            Self::InvalidToken => Some("Bearer realm=\"openclaw\", error=\"invalid_token\""),
            Self::InsufficientScope => {
                Some("Bearer realm=\"openclaw\", error=\"insufficient_scope\"")
            }
            Self::Unavailable => None,
        }
    }
}

/// When keys that are missing now may be there; about one round of fetching.
pub(super) const RETRY_AFTER: Duration = Duration::from_secs(5);

/// The whole answer for the client: problem+json with `WWW-Authenticate`, or with `Retry-After`.
impl IntoResponse for Rejection {
    fn into_response(self) -> Response {
        let code = self.code();
        let (word, title) = code.texts();
        let problem = Problem::new(self.status(), word, title);
        let Some(challenge) = code.challenge() else {
            return problem.retry_after(RETRY_AFTER).into_response();
        };
        let mut response = problem.into_response();
        let challenge = HeaderValue::from_static(challenge);
        response.headers_mut().insert(header::WWW_AUTHENTICATE, challenge);
        response
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_client_learns_the_rfc_6750_code_and_no_more() {
        for (rejection, status, challenge) in [
            (Rejection::MissingToken, 401, Some("Bearer realm=\"openclaw\"")),
            (Rejection::Expired, 401, Some("Bearer realm=\"openclaw\", error=\"invalid_token\"")),
            (
                Rejection::BadSignature,
                401,
                Some("Bearer realm=\"openclaw\", error=\"invalid_token\""),
            ),
            (
                Rejection::SeveralAuthorizations,
                400,
                Some("Bearer realm=\"openclaw\", error=\"invalid_request\""),
            ),
            (
                Rejection::OtherUser,
                403,
                Some("Bearer realm=\"openclaw\", error=\"insufficient_scope\""),
            ),
            (Rejection::KeysUnavailable, 503, None),
        ] {
            let response = rejection.into_response();
            let header = |name| {
                response.headers().get(name).map(|value: &HeaderValue| value.to_str().unwrap())
            };
            assert_eq!(response.status().as_u16(), status, "{rejection}");
            assert_eq!(header(header::WWW_AUTHENTICATE), challenge, "{rejection}");
            assert_eq!(header(header::RETRY_AFTER), (status == 503).then_some("5"), "{rejection}");
        }
    }

    #[test]
    fn the_operator_learns_which_claim_and_what_to_do() {
        assert_eq!(
            Rejection::MissingClaim("aud").to_string(),
            "the claim `aud` is missing (in Keycloak the client needs an audience mapper)"
        );
        assert_eq!(Rejection::MissingClaim("exp").to_string(), "the claim `exp` is missing");
    }
}
