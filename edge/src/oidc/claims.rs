use std::time::Duration;

use serde_json::{Map, Value};

use super::{Rejection, UnixTime};

/// The claims that an issuer signed (RFC 7519 section 4), each read with its one type.
#[derive(Debug)]
pub(super) struct Claims(Map<String, Value>);

/// When a token holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Times {
    pub(super) issued_at: UnixTime,
    pub(super) expires_at: UnixTime,
    /// The later of `iat` and `nbf`.
    pub(super) starts_at: UnixTime,
}

impl Claims {
    pub(super) const fn new(claims: Map<String, Value>) -> Self {
        Self(claims)
    }

    pub(super) fn contains(&self, name: &str) -> bool {
        self.0.contains_key(name)
    }

    pub(super) fn get(&self, name: &str) -> Option<&Value> {
        self.0.get(name)
    }

    /// A text that has to be there.
    pub(super) fn text(&self, name: &'static str) -> Result<&str, Rejection> {
        self.optional_text(name)?.ok_or(Rejection::MissingClaim(name))
    }

    /// A text that may be absent, but nothing else; `null` is not absent.
    pub(super) fn optional_text(&self, name: &'static str) -> Result<Option<&str>, Rejection> {
        match self.0.get(name) {
            None => Ok(None),
            Some(Value::String(text)) => Ok(Some(text)),
            Some(_) => Err(Rejection::ClaimType(name)),
        }
    }

    /// A date in whole seconds. RFC 7519 allows fractions; nobody sends them, and rounding would
    /// make two verifiers disagree.
    pub(super) fn time(&self, name: &'static str) -> Result<Option<UnixTime>, Rejection> {
        let Some(value) = self.0.get(name) else {
            return Ok(None);
        };
        let secs = value.as_u64().ok_or(Rejection::ClaimType(name))?;
        let time = UnixTime::from_secs(secs);
        if time <= UnixTime::LAST { Ok(Some(time)) } else { Err(Rejection::ClaimRange(name)) }
    }

    /// `aud` is one text or an array of texts (RFC 7519 section 4.1.3).
    pub(super) fn audience_contains(&self, audience: &str) -> Result<bool, Rejection> {
        match self.0.get("aud").ok_or(Rejection::MissingClaim("aud"))? {
            Value::String(one) => Ok(one == audience),
            Value::Array(several) if several.iter().all(Value::is_string) => {
                Ok(several.iter().any(|one| one == audience))
            }
            _ => Err(Rejection::ClaimType("aud")),
        }
    }

    /// `iss` and `aud`, both exact.
    pub(super) fn check_parties(&self, issuer: &str, audience: &str) -> Result<(), Rejection> {
        if self.text("iss")? != issuer {
            return Err(Rejection::OtherIssuer);
        }
        if self.audience_contains(audience)? { Ok(()) } else { Err(Rejection::OtherAudience) }
    }

    /// `exp`, `iat` and `nbf` at the time `now`, by a clock that may differ by `leeway`.
    ///
    /// `exp` and `iat` have to be there: what never ends cannot be revoked by waiting, and what
    /// does not say when it was made cannot be revoked by a date.
    pub(super) fn check_times(&self, now: UnixTime, leeway: Duration) -> Result<Times, Rejection> {
        let expires_at = self.time("exp")?.ok_or(Rejection::MissingClaim("exp"))?;
        if now >= expires_at.plus(leeway) {
            return Err(Rejection::Expired);
        }
        let not_before = self.time("nbf")?;
        let issued_at = self.time("iat")?.ok_or(Rejection::MissingClaim("iat"))?;
        let starts_at = not_before.map_or(issued_at, |not_before| not_before.max(issued_at));
        if starts_at > now.plus(leeway) {
            return Err(Rejection::NotYetValid);
        }
        Ok(Times { issued_at, expires_at, starts_at })
    }
}
