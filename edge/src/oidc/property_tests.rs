//! The laws of [`laws`], for inputs near to good ones and for any.

use std::sync::LazyLock;

use proptest::{collection::vec, prelude::*};
use serde_json::{Value, json};

use super::testing::{
    ALICE, BOB, Idp, claims,
    laws::{self, ISSUER, NOW},
};

/// The keys of an issuer that is not the one of the laws, but calls them the same.
static STRANGERS_KEYS: LazyLock<Value> = LazyLock::new(|| Idp::new("").jwks());

/// Any JSON of a few levels.
fn any_json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<u64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        ".{0,12}".prop_map(Value::from),
        "(openclaw|account|Bearer|ID|RS256|EdDSA|none|ed25519)".prop_map(Value::from),
        Just(json!(BOB)),
        Just(json!(NOW.as_secs())),
    ];
    leaf.prop_recursive(3, 16, 4, |inner| {
        prop_oneof![
            vec(inner.clone(), 0..4).prop_map(Value::from),
            vec(("[a-z]{1,3}", inner), 0..4).prop_map(|members| members.into_iter().collect()),
        ]
    })
}

/// Some members of `base` replaced by anything.
fn near(base: Value, names: &'static [&'static str]) -> impl Strategy<Value = Value> {
    vec((proptest::sample::select(names), any_json()), 0..3).prop_map(move |changes| {
        let mut near = base.clone();
        changes.into_iter().for_each(|(name, value)| near[name] = value);
        near
    })
}

fn near_claims() -> impl Strategy<Value = Value> {
    let names = &["exp", "iat", "nbf", "iss", "aud", "sub", "typ", "azp", "sid", "jti", "cnf", "x"];
    near(claims(ISSUER, ALICE, NOW), names)
}

fn near_header() -> impl Strategy<Value = Value> {
    let names = &["alg", "kid", "typ", "crit", "jwk", "x5c", "b64", "x"];
    near(json!({"alg": "EdDSA", "kid": "ed25519", "typ": "JWT"}), names)
}

/// A text with one of its bytes replaced or cut out, or as it is.
fn scratched(text: String) -> impl Strategy<Value = Vec<u8>> {
    (any::<prop::sample::Index>(), any::<Option<u8>>()).prop_map(move |(at, byte)| {
        let mut bytes = text.clone().into_bytes();
        let at = at.index(bytes.len());
        bytes.splice(at..=at, byte);
        bytes
    })
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn nothing_unsigned_is_accepted(bytes in vec(any::<u8>(), 0..200), text in "[A-Za-z0-9_=.~ -]{0,80}") {
        laws::unsigned(&bytes);
        laws::unsigned(text.as_bytes());
    }

    #[test]
    fn what_is_accepted_says_to_others_what_it_says_to_us(
        header in near_header(),
        claims in near_claims(),
    ) {
        laws::signed(header.to_string().as_bytes(), claims.to_string().as_bytes());
    }

    #[test]
    fn so_it_is_for_texts_that_are_no_json(
        header in near_header().prop_flat_map(|header| scratched(header.to_string())),
        claims in near_claims().prop_flat_map(|claims| scratched(claims.to_string())),
    ) {
        laws::signed(&header, &claims);
        laws::signed(br#"{"alg":"EdDSA","kid":"ed25519"}"#, &claims);
    }

    #[test]
    fn only_public_keys_of_the_issuer_are_used(
        changes in vec((0_usize..5, "(kid|kty|crv|use|alg|key_ops|n|e|x|y|d|k)", any_json()), 0..4),
    ) {
        let mut jwks = STRANGERS_KEYS.clone();
        for (at, name, value) in changes {
            jwks["keys"][at][name] = value;
        }
        laws::key_set(jwks.to_string().as_bytes());
    }

    #[test]
    fn and_of_no_scratched_document_either(
        document in Just(()).prop_flat_map(|()| scratched(STRANGERS_KEYS.to_string())),
    ) {
        laws::key_set(&document);
    }
}
