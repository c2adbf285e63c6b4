//! Which of the keys in a set may verify what. Each strange key stands beside good ones.

use edge::oidc::{
    Rejection::*,
    testing::{encode, with},
};
use serde_json::{Value, json};

use super::{Cases, Mint};
use crate::case::Setting;

/// Keys made of the issuer's own numbers, each with one thing wrong, by `kid`.
fn left_out() -> [(&'static str, Value); 22] {
    let ones = |bytes: usize| encode(&vec![0xff; bytes]);
    let zeros = encode(&[0; 32]);
    [
        ("for-encryption", json!({"use": "enc"})),
        ("use-unknown", json!({"use": "tls"})),
        ("use-a-number", json!({"use": 1})),
        ("ops-sign", json!({"key_ops": ["sign"]})),
        ("ops-text", json!({"key_ops": "verify"})),
        ("alg-oaep", json!({"alg": "RSA-OAEP"})),
        ("alg-hs256", json!({"alg": "HS256"})),
        ("alg-es256", json!({"alg": "ES256"})),
        ("alg-null", json!({"alg": json!([])})),
        ("private", json!({"d": "AQAB"})),
        ("1024-bits", json!({"n": ones(128)})),
        ("2047-bits", json!({"n": encode(&[&[0x7f][..], &[0xff; 255]].concat())})),
        ("8200-bits", json!({"n": ones(1025)})),
        ("even-modulus", json!({"n": encode(&[0xfe; 256])})),
        ("exponent-3", json!({"e": "Aw"})),
        ("exponent-1", json!({"e": "AQ"})),
        ("exponent-even", json!({"e": encode(&[1, 0, 0])})),
        ("padded-exponent", json!({"e": "AQAB="})),
        ("oct", json!({"kty": "oct", "k": "c2VjcmV0"})),
        ("ec-without-crv", json!({"kty": "EC", "x": zeros, "y": zeros})),
        ("p-521", json!({"kty": "EC", "crv": "P-521", "x": zeros, "y": zeros})),
        ("x25519", json!({"kty": "OKP", "crv": "X25519", "x": zeros})),
    ]
}

pub(super) fn document(mint: &Mint) -> Value {
    let rsa = |kid: &str, changes: &Value| {
        with(with(mint.idp.jwk(), json!({"kid": kid})), changes.clone())
    };
    let mut document = mint.idp.jwks();
    let listed = document["keys"].as_array_mut().unwrap();
    let p256 = listed.iter().find(|jwk| jwk["crv"] == "P-256").unwrap().clone();
    let ed25519 = listed.iter().find(|jwk| jwk["crv"] == "Ed25519").unwrap().clone();
    let zeros = encode(&[0; 32]);
    listed.extend(left_out().map(|(kid, changes)| rsa(kid, &changes)));
    listed.extend([
        json!(7),
        json!(null),
        json!({"kty": "AKP", "kid": "newer", "alg": "ML-DSA-44", "pub": "AA"}),
        rsa("7", &json!({"kid": 7})),
        with(p256.clone(), json!({"kid": "off-curve", "x": zeros, "y": zeros})),
        with(p256.clone(), json!({"kid": "p256-es384", "alg": "ES384"})),
        rsa("only-rs256", &json!({"alg": "RS256"})),
        rsa("only-ps256", &json!({"alg": "PS256"})),
        rsa("by-ops", &json!({"use": null, "alg": null, "key_ops": ["sign", "verify"]})),
        with(ed25519, json!({"kid": "ed-alg", "alg": "EdDSA", "use": "sig"})),
        with(mint.stranger.jwk(), json!({"kid": "twin"})),
        rsa("twin", &json!({})),
        rsa("mixed", &json!({"alg": "RS256"})),
        with(p256, json!({"kid": "mixed", "alg": "ES256"})),
    ]);
    document
}

pub(super) fn cases(mint: &Mint) -> Cases {
    let mut cases = Cases::new(Setting::Plain, "key");
    let named =
        |signed: &str, alg: &str, kid: &str| mint.headed(signed, &json!({"alg": alg, "kid": kid}));
    for (kid, _) in left_out() {
        cases.bad(&format!("{kid} is left out"), named("RS256", "RS256", kid), UnknownKey);
    }
    cases.bad("a numeric kid is none", named("RS256", "RS256", "7"), UnknownKey);
    cases.bad("off-curve is left out", named("ES256", "ES256", "off-curve"), UnknownKey);
    cases.bad("ES384 with P-256 is left out", named("ES256", "ES256", "p256-es384"), UnknownKey);
    for (alg, kid) in [
        ("RS256", "only-rs256"),
        ("PS256", "only-ps256"),
        ("RS512", "by-ops"),
        ("PS384", "by-ops"),
        ("EdDSA", "ed-alg"),
        ("RS256", "twin"),
        ("RS256", "mixed"),
        ("ES256", "mixed"),
    ] {
        cases.good(&format!("{alg} with {kid}"), named(alg, alg, kid));
    }
    let header = json!({"alg": "RS256", "kid": "twin"}).to_string();
    let twin = mint.stranger.sign("RS256", &header, &mint.claims(json!({})).to_string());
    cases.good("the other key of one kid", twin);
    for (alg, kid) in [
        ("PS256", "only-rs256"),
        ("RS256", "only-ps256"),
        ("RS384", "only-rs256"),
        ("PS256", "mixed"),
        ("ES384", "mixed"),
        ("ES256", "rsa"),
        ("EdDSA", "rsa"),
        ("RS256", "p256"),
        ("ES384", "p256"),
        ("ES256", "p384"),
        ("EdDSA", "p256"),
        ("RS256", "ed25519"),
    ] {
        let token = named("RS256", alg, kid);
        cases.bad(&format!("{alg} with {kid}"), token, AlgorithmNotOfKey);
    }
    cases
}
