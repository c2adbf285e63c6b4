//! What holds for any input at all. Property tests and fuzzing try to break the same laws.

use std::{sync::LazyLock, time::Duration};

use http::{HeaderMap, HeaderValue, header::AUTHORIZATION};
use serde_json::Value;

use super::{AUDIENCE, Idp, decode, encode};
use crate::oidc::{KeySet, Policy, Token, UnixTime, Verified, verify};

/// The issuer of the laws' tokens.
pub const ISSUER: &str = "https://id.example/realms/acme";
/// The time of the laws' verdicts, 2027-01-15T08:00:00Z.
pub const NOW: UnixTime = UnixTime::from_secs(1_800_000_000);
/// How far clocks may differ, in seconds.
const LEEWAY: u64 = 30;

static KEYS: LazyLock<KeySet> =
    LazyLock::new(|| KeySet::parse(Idp::shared().jwks().to_string().as_bytes()).unwrap());

/// The policy of the laws.
pub fn policy() -> Policy {
    Policy {
        issuer: ISSUER.to_owned(),
        audience: AUDIENCE.to_owned(),
        authorized_parties: Vec::new(),
        user_claim: "sub".to_owned(),
        leeway: Duration::from_secs(LEEWAY),
        max_lifetime: None,
    }
}

fn accepted(token: &Token) -> Option<Verified> {
    verify(token, &KEYS, &policy(), NOW).ok()
}

/// Whatever comes without a signature of ours is refused, as bare text and as a header; and what is
/// read as a token is passed on as it came.
///
/// # Panics
/// When the law is broken.
pub fn unsigned(bytes: &[u8]) {
    if let Ok(text) = std::str::from_utf8(bytes)
        && let Ok(token) = Token::from_text(text)
    {
        assert_eq!(token.expose(), text);
        let parts = token.parts();
        assert_eq!([parts.header, parts.claims, parts.signature].join("."), text);
        assert_eq!(accepted(&token), None);
    }
    let mut headers = HeaderMap::new();
    for value in [bytes, &[b"Bearer ", bytes].concat()] {
        let Ok(value) = HeaderValue::from_bytes(value) else { return };
        headers.insert(AUTHORIZATION, value);
        if let Ok(token) = Token::from_headers(&headers) {
            assert_eq!(accepted(&token), None);
        }
    }
}

/// Whatever the issuer signs: what is accepted says to an ordinary JSON parser what it says to us,
/// and with any bit of the signature changed it is refused.
///
/// # Panics
/// When the law is broken.
pub fn signed(header: &[u8], claims: &[u8]) {
    let text = Idp::shared().sign_bytes("EdDSA", header, claims);
    let Ok(token) = Token::from_text(&text) else { return };
    let Some(verified) = accepted(&token) else { return };
    let header: Value = serde_json::from_slice(header).unwrap();
    assert_eq!((&header["alg"], &header["kid"]), (&"EdDSA".into(), &"ed25519".into()));
    assert!(["crit", "jwk", "jku", "x5u", "x5c", "b64"].iter().all(|it| header.get(it).is_none()));
    let claims: Value = serde_json::from_slice(claims).unwrap();
    assert_eq!((&claims["iss"], &claims["typ"]), (&ISSUER.into(), &"Bearer".into()));
    let audience = match &claims["aud"] {
        Value::Array(several) => several.contains(&AUDIENCE.into()),
        one => *one == AUDIENCE,
    };
    assert!(audience, "{claims}");
    assert_eq!(claims["sub"], verified.user.as_str());
    assert!(claims["exp"].as_u64().unwrap() + LEEWAY > NOW.as_secs(), "{claims}");
    assert!(claims["iat"].as_u64().unwrap() <= NOW.as_secs() + LEEWAY, "{claims}");
    let (signed, signature) = text.rsplit_once('.').unwrap();
    let mut signature = decode(signature);
    let bit = claims.to_string().len() % (signature.len() * 8);
    signature[bit / 8] ^= 1 << (bit % 8);
    let forged = Token::from_text(&format!("{signed}.{}", encode(&signature))).unwrap();
    assert_eq!(accepted(&forged), None);
}

/// Whatever stands at the address of a key set: what is used of it are public keys that it lists,
/// and none of them believes a stranger.
///
/// # Panics
/// When the law is broken.
pub fn key_set(jwks: &[u8]) {
    let Ok(keys) = KeySet::parse(jwks) else { return };
    let document: Value = serde_json::from_slice(jwks).unwrap();
    let usable: Vec<_> = document["keys"].as_array().unwrap().iter().filter(could_verify).collect();
    assert!((1..=usable.len()).contains(&keys.len()), "{document}");
    for (jwk, algorithm) in
        usable.iter().flat_map(|jwk| ["RS256", "ES256", "EdDSA"].map(|alg| (jwk, alg)))
    {
        let header = serde_json::json!({"alg": algorithm, "kid": jwk["kid"]}).to_string();
        let claims = super::claims(ISSUER, super::ALICE, NOW).to_string();
        let text = Idp::shared().sign(algorithm, &header, &claims);
        if let Ok(token) = Token::from_text(&text) {
            assert!(verify(&token, &keys, &policy(), NOW).is_err(), "{document}");
        }
    }
}

fn could_verify(jwk: &&Value) -> bool {
    let public = ["d", "p", "q", "k"].iter().all(|secret| jwk.get(secret).is_none());
    let kind = matches!(jwk["kty"].as_str(), Some("RSA" | "EC" | "OKP"));
    public && kind && jwk["kid"].is_string() && jwk.get("use").is_none_or(|it| it == "sig")
}
