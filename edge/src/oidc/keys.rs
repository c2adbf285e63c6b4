use std::{
    fs::File,
    io::{self, Read},
    path::{Path, PathBuf},
};

use aws_lc_rs::signature::ParsedPublicKey;
use serde_json::Value;
use tracing::debug;

use super::{Rejection, algorithm::Algorithm, json, jwk::Key};

/// The keys with which an issuer signs, from its JWKS (RFC 7517 section 5).
#[derive(Clone, Debug)]
pub struct KeySet {
    keys: Vec<Key>,
}

/// Why a JWKS cannot be used. What was there before stays in use.
#[derive(Debug, thiserror::Error)]
pub enum KeySetError {
    /// More bytes than any issuer's keys have.
    #[error("the key set is larger than {} bytes", KeySet::MAX_BYTES)]
    TooLarge,
    /// Not a JSON object, or one that parsers read differently.
    #[error("the key set is not valid JSON: {0}")]
    NotJson(#[from] serde_json::Error),
    /// The member `keys` is missing or is not an array.
    #[error("the key set has no array `keys`")]
    NoKeys,
    /// More keys than any issuer has.
    #[error("the key set has {0} keys, more than {MAX_KEYS}")]
    TooMany(usize),
    /// Not one key was left. An issuer always has one, so this is a fault and no revocation.
    #[error("no key of the key set can verify signatures: {0}")]
    NoneUsable(String),
}

/// Why the key set in a file cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum KeyFileError {
    /// The file could not be read.
    #[error("cannot read {}", path.display())]
    Unreadable {
        /// Which file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// What is in it is not a key set, or not a usable one.
    #[error("{} is not usable", path.display())]
    Unusable {
        /// Which file.
        path: PathBuf,
        /// What is wrong with it.
        source: KeySetError,
    },
}

/// Each is kept in memory, and looked through for every token.
const MAX_KEYS: usize = 64;

impl KeySet {
    /// Longest key set that is looked at. Keycloak's have 2 to 10 KB.
    pub const MAX_BYTES: usize = 256 * 1024;

    /// Reads the JWKS in a file.
    ///
    /// # Errors
    /// Names the file; see [`KeyFileError`].
    pub fn from_file(path: &Path) -> Result<Self, KeyFileError> {
        let mut jwks = Vec::new();
        File::open(path)
            // One more shows that it is too large.
            .and_then(|file| file.take(Self::MAX_BYTES as u64 + 1).read_to_end(&mut jwks))
            .map_err(|source| KeyFileError::Unreadable { path: path.to_owned(), source })?;
        Self::parse(&jwks)
            .map_err(|source| KeyFileError::Unusable { path: path.to_owned(), source })
    }

    /// Reads a JWKS key by key: a key of unknown type leaves the others in use.
    ///
    /// # Errors
    /// When nothing usable is in it; see [`KeySetError`].
    pub fn parse(jwks: &[u8]) -> Result<Self, KeySetError> {
        if jwks.len() > Self::MAX_BYTES {
            return Err(KeySetError::TooLarge);
        }
        let jwks = json::object(jwks)?;
        let listed = jwks.get("keys").and_then(Value::as_array).ok_or(KeySetError::NoKeys)?;
        if listed.len() > MAX_KEYS {
            return Err(KeySetError::TooMany(listed.len()));
        }
        let mut keys = Vec::new();
        let mut left_out = Vec::new();
        for (at, jwk) in listed.iter().enumerate() {
            match Key::parse(jwk) {
                Ok(key) => keys.push(key),
                Err(reason) => left_out.push(format!("key {}: {reason}", at + 1)),
            }
        }
        let left_out =
            if listed.is_empty() { "it is empty".to_owned() } else { left_out.join("; ") };
        if keys.is_empty() {
            return Err(KeySetError::NoneUsable(left_out));
        }
        debug!(usable = keys.len(), left_out, "key set read");
        Ok(Self { keys })
    }

    /// How many keys can verify signatures.
    #[must_use]
    pub fn len(&self) -> usize {
        self.keys.len()
    }

    /// Never true of a parsed set.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.keys.is_empty()
    }

    /// Checks a signature with the key that the token names.
    ///
    /// The key decides which algorithms may be used with it, never the token alone. Keys may share a
    /// `kid` (RFC 7517 section 4.5): each that fits is tried, for all are the issuer's.
    pub(super) fn check_signature(
        &self,
        kid: &str,
        algorithm: Algorithm,
        signed: &str,
        signature: &[u8],
    ) -> Result<(), Rejection> {
        let mut named = self.keys.iter().filter(|key| key.kid == kid).peekable();
        if named.peek().is_none() {
            return Err(Rejection::UnknownKey);
        }
        let mut fitting = named.filter_map(|key| key.for_algorithm(algorithm)).peekable();
        if fitting.peek().is_none() {
            return Err(Rejection::AlgorithmNotOfKey);
        }
        let verifies = |key: &ParsedPublicKey| key.verify_sig(signed.as_bytes(), signature).is_ok();
        if fitting.any(verifies) { Ok(()) } else { Err(Rejection::BadSignature) }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::oidc::testing::Idp;

    #[test]
    fn one_strange_key_leaves_the_others_in_use() {
        let jwks = json!({"keys": [
            {"kty": "AKP", "kid": "new", "alg": "ML-DSA-44", "pub": "AA"},
            7,
            {"kty": "RSA", "use": "enc", "alg": "RSA-OAEP", "kid": "enc", "n": "AQAB", "e": "AQAB"},
            Idp::shared().jwk(),
        ]});
        assert_eq!(KeySet::parse(jwks.to_string().as_bytes()).unwrap().len(), 1);
    }

    #[test]
    fn a_set_without_a_usable_key_is_an_error_that_says_why() {
        let error = |jwks: &str| KeySet::parse(jwks.as_bytes()).unwrap_err().to_string();
        assert!(error(&" ".repeat(KeySet::MAX_BYTES + 1)).contains("larger than 262144 bytes"));
        assert!(error("<html>").contains("not valid JSON"));
        assert!(error(r#"{"keys":[],"keys":[]}"#).contains("a name stands twice"));
        assert!(error(r#"{"keys":{}}"#).contains("no array `keys`"));
        assert!(error("{}").contains("no array `keys`"));
        assert!(error(r#"{"keys":[]}"#).contains("it is empty"));
        assert!(error(r#"{"keys":[{"kid":"a","kty":"oct"}]}"#).contains("key 1: its `kty`"));
        let many = json!({"keys": vec![Idp::shared().jwk(); 65]}).to_string();
        assert!(error(&many).contains("65 keys"));
    }
}
