#[cfg(test)]
mod tests;

use std::time::Duration;

use contract::UserId;
use serde_json::{Map, Value};

use super::{KeySet, Rejection, Token, UnixTime, jose::JoseHeader, json, token::decode};

/// What a token must say to be accepted.
#[derive(Clone, Debug)]
pub struct Policy {
    /// The claim `iss`, exactly, with its trailing slash or without.
    pub issuer: String,
    /// Must be the claim `aud` or one of it. `azp` is not looked at and cannot replace it: it says
    /// who asked for the token, not for whom it is.
    pub audience: String,
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
    /// The login session (`sid`), when the issuer names it.
    pub session: Option<String>,
    /// The claim `exp`.
    pub expires_at: UnixTime,
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
    let parts = token.parts()?;
    let part = |text| decode(text).ok_or(Rejection::MalformedToken);
    let (header, claims, signature) =
        (part(parts.header)?, part(parts.claims)?, part(parts.signature)?);
    let header = JoseHeader::parse(&header)?;
    keys.check_signature(&header.kid, header.algorithm, parts.signed, &signature)?;
    let claims = json::object(&claims).map_err(|_| Rejection::MalformedClaims)?;
    policy.check(&Claims(claims), now)
}

impl Policy {
    fn check(&self, claims: &Claims, now: UnixTime) -> Result<Verified, Rejection> {
        // Keycloak signs ID, refresh and logout tokens with the same key; only this tells them apart.
        if claims.text("typ")? != "Bearer" {
            return Err(Rejection::OtherTokenType);
        }
        if claims.text("iss")? != self.issuer {
            return Err(Rejection::OtherIssuer);
        }
        if !claims.audience_contains(&self.audience)? {
            return Err(Rejection::OtherAudience);
        }
        let expires_at = self.check_times(claims, now)?;
        Ok(Verified {
            user: self.user(claims)?,
            session: claims.session()?,
            expires_at,
            accepted_until: expires_at.plus(self.leeway),
        })
    }

    fn check_times(&self, claims: &Claims, now: UnixTime) -> Result<UnixTime, Rejection> {
        let expires_at = claims.time("exp")?.ok_or(Rejection::MissingClaim("exp"))?;
        if now >= expires_at.plus(self.leeway) {
            return Err(Rejection::Expired);
        }
        let issued_at = claims.time("iat")?;
        let starts = [claims.time("nbf")?, issued_at];
        if starts.into_iter().flatten().any(|start| start > now.plus(self.leeway)) {
            return Err(Rejection::NotYetValid);
        }
        if let Some(longest) = self.max_lifetime {
            let issued_at = issued_at.ok_or(Rejection::MissingClaim("iat"))?;
            if issued_at.until(expires_at) > longest {
                return Err(Rejection::LivesTooLong);
            }
        }
        Ok(expires_at)
    }

    /// Which claim it is, is configured; the reasons therefore do not name it.
    fn user(&self, claims: &Claims) -> Result<UserId, Rejection> {
        let id = claims.0.get(&self.user_claim).and_then(Value::as_str);
        id.and_then(|id| id.parse().ok()).ok_or(Rejection::InvalidUser)
    }
}

/// A signed token's claims, read with their types.
struct Claims(Map<String, Value>);

impl Claims {
    fn text(&self, name: &'static str) -> Result<&str, Rejection> {
        let value = self.0.get(name).ok_or(Rejection::MissingClaim(name))?;
        value.as_str().ok_or(Rejection::ClaimType(name))
    }

    /// A date in whole seconds. RFC 7519 allows fractions; nobody sends them, and rounding would
    /// make two verifiers disagree.
    fn time(&self, name: &'static str) -> Result<Option<UnixTime>, Rejection> {
        let Some(value) = self.0.get(name) else {
            return Ok(None);
        };
        let secs = value.as_u64().ok_or(Rejection::ClaimType(name))?;
        Ok(Some(UnixTime::from_secs(secs)))
    }

    /// `aud` is one text or an array of texts (RFC 7519 section 4.1.3).
    fn audience_contains(&self, audience: &str) -> Result<bool, Rejection> {
        match self.0.get("aud").ok_or(Rejection::MissingClaim("aud"))? {
            Value::String(one) => Ok(one == audience),
            Value::Array(several) if several.iter().all(Value::is_string) => {
                Ok(several.iter().any(|one| one == audience))
            }
            _ => Err(Rejection::ClaimType("aud")),
        }
    }

    fn session(&self) -> Result<Option<String>, Rejection> {
        match self.0.get("sid") {
            None => Ok(None),
            Some(Value::String(sid)) => Ok(Some(sid.clone())),
            Some(_) => Err(Rejection::ClaimType("sid")),
        }
    }
}
