//! Signatures that are not, or not of this text.

use edge::oidc::{
    Rejection::*,
    testing::{BOB, decode, encode},
};
use serde_json::json;

use super::{Cases, Mint};
use crate::case::Setting;

pub(super) fn cases(mint: &Mint) -> Cases {
    let mut cases = Cases::new(Setting::Plain, "signature");
    let [header, claims, signature] = mint.parts();
    let signed = |signature: &[u8]| format!("{header}.{claims}.{}", encode(signature));
    let bytes = decode(&signature);
    cases.bad(
        "a stranger's under our kid",
        mint.stranger.token(&mint.claims(json!({}))),
        BadSignature,
    );
    let bobs = encode(mint.claims(json!({"sub": BOB})).to_string().as_bytes());
    cases.bad("of other claims", format!("{header}.{bobs}.{signature}"), BadSignature);
    let other_header = encode(br#"{"alg":"RS256","kid":"rsa"}"#);
    cases.bad("of another header", format!("{other_header}.{claims}.{signature}"), BadSignature);
    cases.bad("cut", signed(&bytes[..255]), BadSignature);
    cases.bad("longer", signed(&[&bytes[..], &[0]].concat()), BadSignature);
    cases.bad("with a zero before it", signed(&[&[0], &bytes[..]].concat()), BadSignature);
    cases.bad("one zero", signed(&[0]), BadSignature);
    cases.bad("all zeros", signed(&[0; 256]), BadSignature);
    cases.bad("the number one", signed(&[&[0; 255][..], &[1]].concat()), BadSignature);
    cases.bad("the text itself", signed(b"signature"), BadSignature);
    flipped(mint, &mut cases);
    paddings(mint, &mut cases);
    elliptic(mint, &mut cases);
    cases
}

fn flipped(mint: &Mint, cases: &mut Cases) {
    for alg in ["RS256", "PS256", "ES256", "ES384", "EdDSA"] {
        let token = mint.headed(alg, &json!({"alg": alg, "kid": mint.idp.kid(alg)}));
        let (signed, signature) = token.rsplit_once('.').unwrap();
        let mut bytes = decode(signature);
        *bytes.last_mut().unwrap() ^= 1;
        cases.bad(
            &format!("{alg} with one bit changed"),
            format!("{signed}.{}", encode(&bytes)),
            BadSignature,
        );
    }
}

/// The right key, but another digest or padding than the header says.
fn paddings(mint: &Mint, cases: &mut Cases) {
    for (signed, says) in
        [("RS384", "RS256"), ("PS256", "RS256"), ("RS256", "PS256"), ("PS512", "PS256")]
    {
        let token = mint.headed(signed, &json!({"alg": says, "kid": "rsa"}));
        cases.bad(&format!("{signed} under {says}"), token, BadSignature);
    }
}

fn elliptic(mint: &Mint, cases: &mut Cases) {
    let es256 = mint.headed("ES256", &json!({"alg": "ES256", "kid": "p256"}));
    let (signed, signature) = es256.rsplit_once('.').unwrap();
    let bytes = decode(signature);
    let with = |signature: &[u8]| format!("{signed}.{}", encode(signature));
    // CVE-2022-21449: zero was taken for a signature of everything.
    cases.bad("ES256, all zeros", with(&[0; 64]), BadSignature);
    cases.bad("ES256, r is zero", with(&[&[0; 32], &bytes[32..]].concat()), BadSignature);
    cases.bad("ES256, s is zero", with(&[&bytes[..32], &[0; 32]].concat()), BadSignature);
    cases.bad("ES256, halves swapped", with(&[&bytes[32..], &bytes[..32]].concat()), BadSignature);
    cases.bad("ES256, cut", with(&bytes[..63]), BadSignature);
    // ASN.1 is how X.509 writes it; JWS has the two numbers alone (RFC 7518 section 3.4).
    let number = |half: &[u8]| [&[2, 33, 0], half].concat();
    let der = [&[0x30, 70][..], &number(&bytes[..32]), &number(&bytes[32..])].concat();
    cases.bad("ES256 in ASN.1", with(&der), BadSignature);
    let ed = mint.headed("EdDSA", &json!({"alg": "EdDSA", "kid": "ed25519"}));
    let (signed, _) = ed.rsplit_once('.').unwrap();
    cases.bad("EdDSA, all zeros", format!("{signed}.{}", encode(&[0; 64])), BadSignature);
}
