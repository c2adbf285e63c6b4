//! The value of a gateway Secret, a user's own or the shared one: made here, once, and never seen
//! again by the spawner.

mod shared;

use aws_lc_rs::rand;
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use contract::secret;
use serde_json::{Value, json};

pub use shared::{SharedGateway, SharedGatewayArgs, SharedInPerUser};

/// 256 bits, as many as the strongest key that could be guessed instead.
const TOKEN_BYTES: usize = 32;

/// The operating system gave no random bytes.
#[derive(Debug, thiserror::Error)]
#[error("the operating system gave no random bytes for a gateway token")]
pub struct NoRandom;

/// Puts a fresh token into the rendered `secret`.
pub(crate) fn with_token(mut secret: Value) -> Result<Value, NoRandom> {
    let mut bytes = [0; TOKEN_BYTES];
    rand::fill(&mut bytes).map_err(|_| NoRandom)?;
    let token = URL_SAFE_NO_PAD.encode(bytes);
    if let Some(fields) = secret.as_object_mut() {
        fields.insert("stringData".to_owned(), json!({ (secret::GATEWAY_TOKEN_KEY): token }));
    }
    Ok(secret)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::with_token;

    #[test]
    fn every_token_is_another_and_has_256_bits() {
        let token = || {
            let secret = with_token(json!({"kind": "Secret"})).unwrap();
            secret["stringData"]["OPENCLAW_GATEWAY_TOKEN"].as_str().unwrap().to_owned()
        };
        let (one, other) = (token(), token());
        assert_ne!(one, other);
        assert_eq!(one.len(), 43, "32 bytes in base64 without padding");
    }
}
