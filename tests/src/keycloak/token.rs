//! A token, as a test holds it: it does not print, and it knows when it ends.

use std::{fmt, time::Duration};

use anyhow::{Context as _, Result};
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use jiff::Timestamp;
use serde_json::Value;

/// What the verifier forgives a token that has ended: `edge`'s default of `--leeway`, and a second
/// for clocks.
const LEEWAY: Duration = Duration::from_secs(31);

/// A bearer token or key.
#[derive(Clone, PartialEq, Eq)]
pub struct Token(String);

impl Token {
    /// From its text.
    #[must_use]
    pub fn new(text: String) -> Self {
        Self(text)
    }

    /// Its text.
    #[must_use]
    pub fn expose(&self) -> &str {
        &self.0
    }

    /// A claim, unverified.
    ///
    /// # Errors
    /// The token is no JWT, or has no such claim.
    pub fn claim(&self, name: &str) -> Result<Value> {
        self.member(1, name)
    }

    /// Which key signed it, as its header says.
    ///
    /// # Errors
    /// The token is no JWT, or does not say so.
    pub fn key_id(&self) -> Result<String> {
        let kid = self.member(0, "kid")?;
        Ok(kid.as_str().context("kid is no text")?.to_owned())
    }

    fn member(&self, part: usize, name: &str) -> Result<Value> {
        let part = self.0.split('.').nth(part).context("not a JWT")?;
        let members: Value = serde_json::from_slice(&URL_SAFE_NO_PAD.decode(part)?)?;
        members.get(name).cloned().with_context(|| format!("no member {name}"))
    }

    /// Waits until every verifier must say that this token has ended: a wait for its own `exp` by
    /// the clock, and none if that has passed.
    ///
    /// # Errors
    /// The token has no `exp`.
    pub async fn ended(&self) -> Result<()> {
        let exp = self.claim("exp")?.as_i64().context("exp is no whole number")?;
        let end = Timestamp::from_second(exp)? + LEEWAY;
        let left = Timestamp::now().until(end)?.total(jiff::Unit::Second)?;
        tokio::time::sleep(Duration::from_secs_f64(left.max(0.0))).await;
        Ok(())
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Token(…)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn claims_are_read_and_the_text_does_not_print() {
        let payload = URL_SAFE_NO_PAD.encode(r#"{"exp": 17, "typ": "Bearer"}"#);
        let token = Token::new(format!("e30.{payload}.c2ln"));
        assert_eq!(token.claim("exp").unwrap(), 17);
        assert!(token.claim("sub").is_err());
        assert!(!format!("{token:?}").contains(&payload));
    }
}
