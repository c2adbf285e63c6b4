use aws_lc_rs::{digest, rand};
use base64::{Engine, prelude::BASE64_STANDARD};
use http::HeaderValue;

/// The nonce of a WebSocket handshake over HTTP/1.1 (RFC 6455 section 4.1), which one over HTTP/2
/// lacks.
#[derive(Debug)]
pub(super) struct WebSocketKey(String);

impl WebSocketKey {
    /// A fresh one; `None` when the system has no random bytes.
    pub(super) fn new() -> Option<Self> {
        let mut nonce = [0; 16];
        rand::fill(&mut nonce).ok()?;
        Some(Self(BASE64_STANDARD.encode(nonce)))
    }

    /// The value of `Sec-WebSocket-Key`.
    pub(super) fn header(&self) -> Option<HeaderValue> {
        self.0.parse().ok()
    }

    /// Whether `accept` is the `Sec-WebSocket-Accept` of an upstream that has read the key.
    pub(super) fn is_answered_by(&self, accept: &HeaderValue) -> bool {
        const GUID: &str = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11";
        // SHA-1 is what the RFC says; nothing secret rests on it.
        let algorithm = &digest::SHA1_FOR_LEGACY_USE_ONLY;
        let digest = digest::digest(algorithm, format!("{}{GUID}", self.0).as_bytes());
        accept.as_bytes() == BASE64_STANDARD.encode(digest).as_bytes()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The example of RFC 6455 section 1.3.
    #[test]
    fn an_answer_belongs_to_its_key() {
        let key = WebSocketKey("dGhlIHNhbXBsZSBub25jZQ==".to_owned());
        let accept = HeaderValue::from_static("s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
        assert!(key.is_answered_by(&accept));
        assert!(!WebSocketKey::new().unwrap().is_answered_by(&accept));
    }
}
