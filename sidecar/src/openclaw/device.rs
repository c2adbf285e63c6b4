//! The device by which the sidecar vouches for its user's clients. OpenClaw asks every client for a key
//! pair, and pairs one that it does not know without a prompt when it comes from loopback with the
//! gateway token.

use aws_lc_rs::{
    hkdf::{HKDF_SHA256, Salt},
    signature::{Ed25519KeyPair, KeyPair},
};
use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};
use edge::oidc::UnixTime;
use serde_json::{Value, json};

/// Separates these keys from all else that may ever be made from a gateway token.
const SALT: &[u8] = b"bp-openclaw sidecar device 1";

/// A key pair that follows from the gateway token and the kind of client, so that it needs no storage:
/// the same after every restart, another one after the token was rotated.
pub(super) struct Device(Ed25519KeyPair);

/// What a device signs about its client, all of it as the client says it in the same message.
pub(super) struct Client<'message> {
    pub(super) id: &'message str,
    pub(super) mode: &'message str,
    pub(super) role: &'message str,
    pub(super) scopes: Vec<&'message str>,
    pub(super) platform: &'message str,
    pub(super) family: &'message str,
}

impl Client<'_> {
    /// OpenClaw ties a paired device to its platform and family, and asks a person when one changes. So
    /// each kind of client has its own device.
    fn kind(&self) -> String {
        let Self { id, mode, role, scopes: _, platform, family } = self;
        // As JSON, so that no two kinds read the same.
        json!([id, mode, role, normalized(platform), normalized(family)]).to_string()
    }

    /// The text `v3` that OpenClaw verifies the signature of.
    fn statement(&self, device: &str, signed_at: u64, token: &str, nonce: &str) -> String {
        let Self { id, mode, role, scopes, platform, family } = self;
        let (scopes, platform, family) =
            (scopes.join(","), normalized(platform), normalized(family));
        format!(
            "v3|{device}|{id}|{mode}|{role}|{scopes}|{signed_at}|{token}|{nonce}|{platform}|{family}"
        )
    }
}

impl Device {
    /// The device of this kind of client; `None` when the system's cryptography fails.
    pub(super) fn of(client: &Client<'_>, token: &str) -> Option<Self> {
        let mut seed = [0; 32];
        let kind = client.kind();
        let info = [kind.as_bytes()];
        let secret = Salt::new(HKDF_SHA256, SALT).extract(token.as_bytes());
        secret.expand(&info, HKDF_SHA256).ok()?.fill(&mut seed).ok()?;
        Ed25519KeyPair::from_seed_unchecked(&seed).ok().map(Self)
    }

    /// The block `device` of a connect message. `nonce` is the server's for this connection.
    pub(super) fn block(
        &self,
        client: &Client<'_>,
        token: &str,
        nonce: &str,
        now: UnixTime,
    ) -> Value {
        let key = self.0.public_key().as_ref();
        let id = hex(aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, key).as_ref());
        let signed_at = now.as_secs().saturating_mul(1000);
        let signature = self.0.sign(client.statement(&id, signed_at, token, nonce).as_bytes());
        json!({
            "id": id,
            "publicKey": BASE64_URL_SAFE_NO_PAD.encode(key),
            "signature": BASE64_URL_SAFE_NO_PAD.encode(signature),
            "signedAt": signed_at,
            "nonce": nonce,
        })
    }
}

/// As OpenClaw reads a platform and a family.
fn normalized(text: &str) -> String {
    text.trim().to_ascii_lowercase()
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use aws_lc_rs::signature::{ED25519, UnparsedPublicKey};

    use super::*;

    fn browser() -> Client<'static> {
        Client {
            id: "openclaw-control-ui",
            mode: "webchat",
            role: "operator",
            scopes: vec!["operator.admin", "operator.read"],
            platform: " MacIntel ",
            family: "",
        }
    }

    fn public_key(client: &Client<'_>, token: &str) -> Vec<u8> {
        Device::of(client, token).unwrap().0.public_key().as_ref().to_vec()
    }

    #[test]
    fn a_device_is_the_same_until_the_token_or_the_kind_of_client_changes() {
        let key = public_key(&browser(), "secret");
        let with_other_scopes = Client { scopes: Vec::new(), ..browser() };
        assert_eq!(public_key(&with_other_scopes, "secret"), key);
        assert_eq!(public_key(&Client { platform: "macintel", ..browser() }, "secret"), key);
        assert_ne!(public_key(&browser(), "rotated"), key);
        for other in [
            Client { id: "cli", ..browser() },
            Client { mode: "cli", ..browser() },
            Client { role: "node", ..browser() },
            Client { platform: "Win32", ..browser() },
            Client { family: "iPhone", ..browser() },
        ] {
            assert_ne!(public_key(&other, "secret"), key);
        }
    }

    #[test]
    fn the_signature_is_over_what_openclaw_verifies() {
        let client = browser();
        let device = Device::of(&client, "secret").unwrap();
        let now = UnixTime::now();
        let block = device.block(&client, "secret", "n-1", now);
        let text = |name: &str| block[name].as_str().unwrap().to_owned();
        let key = BASE64_URL_SAFE_NO_PAD.decode(text("publicKey")).unwrap();
        let signature = BASE64_URL_SAFE_NO_PAD.decode(text("signature")).unwrap();
        let id = text("id");
        assert_eq!((key.len(), signature.len(), id.len()), (32, 64, 64));
        let statement = format!(
            "v3|{id}|openclaw-control-ui|webchat|operator|operator.admin,operator.read|{}|secret|n-1|macintel|",
            now.as_secs() * 1000
        );
        let verifier = UnparsedPublicKey::new(&ED25519, key);
        verifier.verify(statement.as_bytes(), &signature).unwrap();
        assert_eq!(block["signedAt"], now.as_secs() * 1000);
        assert_eq!(text("nonce"), "n-1");
    }
}
