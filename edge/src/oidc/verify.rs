#[cfg(test)]
mod oracle;
#[cfg(test)]
mod tests;

use std::time::Duration;

use contract::UserId;
use serde_json::Value;

use super::{
    KeySet, Rejection, Token, UnixTime,
    claims::{Claims, Times},
    signed::{TokenKind, signed_claims},
};

/// What a token must say to be accepted.
#[derive(Clone, Debug)]
pub struct Policy {
    /// The claim `iss`, exactly, with its trailing slash or without.
    pub issuer: String,
    /// Must be the claim `aud` or one of it. `azp` cannot replace it: it says who asked for the
    /// token, not for whom it is.
    pub audience: String,
    /// The clients whose tokens are accepted: the claim `azp` must be one of them, besides `aud`.
    /// Empty: whoever asked for the token.
    pub authorized_parties: Vec<String>,
    /// The claim that holds the user's id.
    pub user_claim: String,
    /// How far the issuer's clock may differ from ours.
    pub leeway: Duration,
    /// The longest life (`exp` minus `iat`) of an acceptable token.
    pub max_lifetime: Option<Duration>,
}

/// What an accepted token says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Verified {
    /// Whose token it is.
    pub user: UserId,
    /// The claim `sub`, by which a logout token may name its user. It is the user's id too, unless
    /// that is another claim.
    pub subject: Option<String>,
    /// The login session (`sid`), when the issuer names it.
    pub session: Option<String>,
    /// The token's own id (`jti`), when it has one.
    pub id: Option<String>,
    /// The client that asked for the token (`azp`), when the issuer names it.
    pub authorized_party: Option<String>,
    /// The claim `iat`.
    pub issued_at: UnixTime,
    /// The claim `exp`.
    pub expires_at: UnixTime,
    /// From when on the token is accepted: the later of `iat` and `nbf`, less the leeway.
    pub accepted_from: UnixTime,
    /// Until when the token is accepted: `exp` and the leeway. A stream that it opened ends then.
    pub accepted_until: UnixTime,
}

impl Verified {
    /// The same, if it is this user's.
    ///
    /// # Errors
    /// [`Rejection::OtherUser`].
    pub fn of(self, user: &UserId) -> Result<Self, Rejection> {
        if self.user == *user { Ok(self) } else { Err(Rejection::OtherUser) }
    }
}

/// Decides about a token. Pure: the same input has the same verdict, at any time and place.
///
/// # Errors
/// The first check that fails, in the order of trust: form, key, signature, then the claims. A claim
/// is never named for a token that the issuer did not sign.
pub fn verify(
    token: &Token,
    keys: &KeySet,
    policy: &Policy,
    now: UnixTime,
) -> Result<Verified, Rejection> {
    policy.check(&signed_claims(token, keys, TokenKind::Access)?, now)
}

impl Policy {
    fn check(&self, claims: &Claims, now: UnixTime) -> Result<Verified, Rejection> {
        // Keycloak signs ID, refresh and logout tokens with the same key; only this tells them apart.
        if claims.text("typ")? != "Bearer" {
            return Err(Rejection::OtherTokenType);
        }
        claims.check_parties(&self.issuer, &self.audience)?;
        self.check_authorized_party(claims)?;
        // Who holds such a token may not have the key it belongs to (RFC 7800, RFC 9449 section 7.1).
        if claims.contains("cnf") {
            return Err(Rejection::BoundToKey);
        }
        let times = claims.check_times(now, self.leeway)?;
        if self.max_lifetime.is_some_and(|max| times.issued_at.until(times.expires_at) > max) {
            return Err(Rejection::LivesTooLong);
        }
        self.verified(claims, times)
    }

    fn check_authorized_party(&self, claims: &Claims) -> Result<(), Rejection> {
        if self.authorized_parties.is_empty() {
            return Ok(());
        }
        let azp = claims.text("azp")?;
        let known = self.authorized_parties.iter().any(|party| party == azp);
        if known { Ok(()) } else { Err(Rejection::OtherParty) }
    }

    fn verified(&self, claims: &Claims, times: Times) -> Result<Verified, Rejection> {
        let text = |name| Ok(claims.optional_text(name)?.map(str::to_owned));
        Ok(Verified {
            user: self.user(claims)?,
            subject: text("sub")?,
            session: text("sid")?,
            id: text("jti")?,
            authorized_party: text("azp")?,
            issued_at: times.issued_at,
            expires_at: times.expires_at,
            accepted_from: times.starts_at.minus(self.leeway),
            accepted_until: times.expires_at.plus(self.leeway),
        })
    }

    /// Which claim it is, is configured; the reasons therefore do not name it.
    fn user(&self, claims: &Claims) -> Result<UserId, Rejection> {
        let id = claims.get(&self.user_claim).and_then(Value::as_str);
        id.and_then(|id| id.parse().ok()).ok_or(Rejection::InvalidUser)
    }
}
