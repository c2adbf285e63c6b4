//! One key of a JWKS (RFC 7517), checked for what we use it: verifying signatures.

use aws_lc_rs::signature::{self, ParsedPublicKey, RsaPublicKeyComponents};
use serde_json::{Map, Value};

use super::{
    algorithm::{Algorithm, KeyKind},
    token::decode,
};

/// A public key, parsed once for each algorithm that it may verify.
#[derive(Clone, Debug)]
pub(super) struct Key {
    pub(super) kid: String,
    parsed: Vec<(Algorithm, ParsedPublicKey)>,
}

/// Why a key of a JWKS is left out. Keycloak lists an encryption key too, so leaving one out is
/// normal.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum Skipped {
    #[error("it is not an object")]
    NotAnObject,
    #[error("it has no `kid`")]
    NoKid,
    #[error("its `use` is not `sig`")]
    OtherUse,
    #[error("its `key_ops` do not contain `verify`")]
    OtherOperations,
    #[error("its `kty` or `crv` is none of RSA, P-256, P-384, Ed25519")]
    OtherKind,
    #[error("its `alg` is not a signature algorithm for this kind of key")]
    OtherAlgorithm,
    #[error("it carries its private half, so anybody can sign with it")]
    Private,
    #[error(
        "its RSA modulus must have 2048 to 8192 bits, and its exponent be odd and at least 65537"
    )]
    UnsafeRsa,
    #[error("its parameters are not the strict base64url encoding of a public key")]
    Malformed,
}

impl Key {
    pub(super) fn parse(jwk: &Value) -> Result<Self, Skipped> {
        let jwk = jwk.as_object().ok_or(Skipped::NotAnObject)?;
        let kid = jwk.get("kid").and_then(Value::as_str).ok_or(Skipped::NoKid)?;
        check_purpose(jwk)?;
        let kind = kind_of(jwk)?;
        if ["d", "p", "q", "dp", "dq", "qi", "oth", "k"].iter().any(|name| jwk.contains_key(*name))
        {
            return Err(Skipped::Private);
        }
        let public = Public::parse(kind, jwk)?;
        let parsed = algorithms(kind, jwk)?
            .into_iter()
            .map(|algorithm| Ok((algorithm, public.for_algorithm(algorithm)?)))
            .collect::<Result<_, Skipped>>()?;
        Ok(Self { kid: kid.to_owned(), parsed })
    }

    /// The key made ready for `algorithm`; `None` when it may not be used with it.
    pub(super) fn for_algorithm(&self, algorithm: Algorithm) -> Option<&ParsedPublicKey> {
        self.parsed.iter().find(|(allowed, _)| *allowed == algorithm).map(|(_, key)| key)
    }
}

fn check_purpose(jwk: &Map<String, Value>) -> Result<(), Skipped> {
    if jwk.get("use").is_some_and(|purpose| purpose != "sig") {
        return Err(Skipped::OtherUse);
    }
    let may_verify = jwk.get("key_ops").is_none_or(|operations| {
        operations.as_array().is_some_and(|operations| operations.iter().any(|op| op == "verify"))
    });
    if may_verify { Ok(()) } else { Err(Skipped::OtherOperations) }
}

fn kind_of(jwk: &Map<String, Value>) -> Result<KeyKind, Skipped> {
    let text = |name| jwk.get(name).and_then(Value::as_str);
    match (text("kty"), text("crv")) {
        (Some("RSA"), _) => Ok(KeyKind::Rsa),
        (Some("EC"), Some("P-256")) => Ok(KeyKind::P256),
        (Some("EC"), Some("P-384")) => Ok(KeyKind::P384),
        (Some("OKP"), Some("Ed25519")) => Ok(KeyKind::Ed25519),
        _ => Err(Skipped::OtherKind),
    }
}

/// The key's own `alg`, or without one every algorithm of its kind.
fn algorithms(kind: KeyKind, jwk: &Map<String, Value>) -> Result<Vec<Algorithm>, Skipped> {
    let of_kind = Algorithm::ALL.into_iter().filter(|algorithm| algorithm.key_kind() == kind);
    let Some(own) = jwk.get("alg") else {
        return Ok(of_kind.collect());
    };
    let own: Vec<_> = of_kind.filter(|algorithm| own == algorithm.name()).collect();
    if own.is_empty() { Err(Skipped::OtherAlgorithm) } else { Ok(own) }
}

/// The numbers of a public key.
enum Public {
    Rsa(RsaPublicKeyComponents<Vec<u8>>),
    /// As aws-lc reads it: an uncompressed point (SEC 1), or the 32 bytes of Ed25519.
    Point(Vec<u8>),
}

impl Public {
    fn parse(kind: KeyKind, jwk: &Map<String, Value>) -> Result<Self, Skipped> {
        let bytes = |name| {
            let text = jwk.get(name).and_then(Value::as_str);
            text.and_then(decode).ok_or(Skipped::Malformed)
        };
        let coordinate = |name, length| {
            bytes(name)
                .and_then(|it| if it.len() == length { Ok(it) } else { Err(Skipped::Malformed) })
        };
        let point =
            |length| Ok([vec![4], coordinate("x", length)?, coordinate("y", length)?].concat());
        match kind {
            KeyKind::Rsa => rsa(&bytes("n")?, &bytes("e")?).map(Self::Rsa),
            KeyKind::P256 => point(32).map(Self::Point),
            KeyKind::P384 => point(48).map(Self::Point),
            KeyKind::Ed25519 => coordinate("x", 32).map(Self::Point),
        }
    }

    fn for_algorithm(&self, algorithm: Algorithm) -> Result<ParsedPublicKey, Skipped> {
        let parsed = match (self, algorithm.rsa(), algorithm) {
            (Self::Rsa(components), Some(parameters), _) => {
                components.to_parsed_public_key(parameters)
            }
            (Self::Point(point), _, Algorithm::Es256) => {
                ParsedPublicKey::new(&signature::ECDSA_P256_SHA256_FIXED, point)
            }
            (Self::Point(point), _, Algorithm::Es384) => {
                ParsedPublicKey::new(&signature::ECDSA_P384_SHA384_FIXED, point)
            }
            (Self::Point(point), _, Algorithm::EdDsa) => {
                ParsedPublicKey::new(&signature::ED25519, point)
            }
            _ => return Err(Skipped::OtherAlgorithm),
        };
        parsed.map_err(|_| Skipped::Malformed)
    }
}

/// Refuses moduli that are too small to be safe or too large to be cheap, and exponents that invite
/// known attacks (FIPS 186-5 section A.1.1: odd, more than 2^16).
fn rsa(modulus: &[u8], exponent: &[u8]) -> Result<RsaPublicKeyComponents<Vec<u8>>, Skipped> {
    let [n, e] = [modulus, exponent].map(without_leading_zeros);
    let bits = n.first().map_or(0, |first| n.len() * 8 - first.leading_zeros() as usize);
    let odd = |number: &[u8]| number.last().is_some_and(|last| last % 2 == 1);
    // Three bytes that do not begin with zero are at least 2^16; aws-lc takes up to 33 bits.
    let sound_exponent = odd(e) && (3..=4).contains(&e.len());
    if (2048..=8192).contains(&bits) && odd(n) && sound_exponent {
        Ok(RsaPublicKeyComponents { n: n.to_vec(), e: e.to_vec() })
    } else {
        Err(Skipped::UnsafeRsa)
    }
}

fn without_leading_zeros(number: &[u8]) -> &[u8] {
    let zeros = number.iter().take_while(|byte| **byte == 0).count();
    number.get(zeros..).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::oidc::testing::{self, Idp, encode};

    /// What becomes of a good key with some members replaced.
    fn with(changes: Value) -> Result<Vec<&'static str>, Skipped> {
        let jwk = testing::with(Idp::shared().jwk(), changes);
        Key::parse(&jwk)
            .map(|key| key.parsed.iter().map(|(algorithm, _)| algorithm.name()).collect())
    }

    #[test]
    fn a_key_verifies_what_its_alg_says_or_everything_of_its_kind() {
        assert_eq!(with(json!({"alg": "RS256"})), Ok(vec!["RS256"]));
        assert_eq!(with(json!({"alg": "PS512"})), Ok(vec!["PS512"]));
        let all_of_rsa = Ok(vec!["RS256", "RS384", "RS512", "PS256", "PS384", "PS512"]);
        assert_eq!(with(json!({"alg": null})), all_of_rsa);
        assert_eq!(
            with(json!({"use": null, "key_ops": ["sign", "verify"], "alg": "RS256"})),
            Ok(vec!["RS256"])
        );
    }

    #[test]
    fn keys_for_another_purpose_are_left_out() {
        for (changes, reason) in [
            (json!({"use": "enc", "alg": "RSA-OAEP"}), Skipped::OtherUse),
            (json!({"use": 1}), Skipped::OtherUse),
            (json!({"key_ops": ["encrypt"]}), Skipped::OtherOperations),
            (json!({"key_ops": "verify"}), Skipped::OtherOperations),
            (json!({"alg": "RSA-OAEP"}), Skipped::OtherAlgorithm),
            (json!({"alg": "ES256"}), Skipped::OtherAlgorithm),
            (json!({"alg": "HS256"}), Skipped::OtherAlgorithm),
            (json!({"alg": "rs256"}), Skipped::OtherAlgorithm),
            (json!({"alg": 256}), Skipped::OtherAlgorithm),
            (json!({"kty": "oct", "k": "AAAA"}), Skipped::OtherKind),
            (json!({"kty": "EC"}), Skipped::OtherKind),
            (json!({"kty": "EC", "crv": "P-521"}), Skipped::OtherKind),
            (json!({"kty": "EC", "crv": "secp256k1"}), Skipped::OtherKind),
            (json!({"kty": "OKP", "crv": "Ed448"}), Skipped::OtherKind),
            (json!({"kty": null}), Skipped::OtherKind),
            (json!({"kid": null}), Skipped::NoKid),
            (json!({"kid": 7}), Skipped::NoKid),
            (json!({"d": "AQAB"}), Skipped::Private),
        ] {
            assert_eq!(with(changes.clone()), Err(reason), "{changes}");
        }
        assert_eq!(Key::parse(&json!("key")).unwrap_err(), Skipped::NotAnObject);
    }

    #[test]
    fn unsafe_rsa_numbers_are_left_out() {
        let modulus = |bits: usize| {
            let mut bytes = vec![0xff; bits.div_ceil(8)];
            bytes[0] >>= bytes.len() * 8 - bits;
            encode(&bytes)
        };
        for (changes, reason) in [
            (json!({"n": modulus(2047)}), Err(Skipped::UnsafeRsa)),
            (json!({"n": modulus(1024)}), Err(Skipped::UnsafeRsa)),
            (json!({"n": modulus(8200)}), Err(Skipped::UnsafeRsa)),
            (json!({"n": encode(&[0xfe; 256])}), Err(Skipped::UnsafeRsa)),
            (json!({"n": ""}), Err(Skipped::UnsafeRsa)),
            (json!({"e": encode(&[3])}), Err(Skipped::UnsafeRsa)),
            (json!({"e": encode(&[0xff, 0xff])}), Err(Skipped::UnsafeRsa)),
            (json!({"e": encode(&[1, 0, 0])}), Err(Skipped::UnsafeRsa)),
            (json!({"e": encode(&[1, 0, 0, 0, 1])}), Err(Skipped::UnsafeRsa)),
            (json!({"n": modulus(2048)}), Ok(vec!["RS256"])),
            (json!({"e": encode(&[0, 1, 0, 1])}), Ok(vec!["RS256"])),
            (json!({"e": "AQAB="}), Err(Skipped::Malformed)),
            (json!({"n": null}), Err(Skipped::Malformed)),
            (json!({"n": 5}), Err(Skipped::Malformed)),
        ] {
            assert_eq!(with(changes.clone()), reason, "{changes}");
        }
    }

    #[test]
    fn points_have_the_length_of_their_curve_and_lie_on_it() {
        let [short, zeros] = [encode(&[1; 31]), encode(&[0; 32])];
        let p256 =
            |x: &str, y: &str| json!({"kid": "k", "kty": "EC", "crv": "P-256", "x": x, "y": y});
        for bad in [
            p256(&short, &zeros),
            p256(&zeros, &zeros),
            json!({"kid": "k", "kty": "EC", "crv": "P-384", "x": zeros, "y": zeros}),
            json!({"kid": "k", "kty": "OKP", "crv": "Ed25519", "x": short}),
            json!({"kid": "k", "kty": "OKP", "crv": "Ed25519"}),
        ] {
            assert_eq!(Key::parse(&bad).unwrap_err(), Skipped::Malformed, "{bad}");
        }
    }
}
