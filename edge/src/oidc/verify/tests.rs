//! A corpus of tokens, each a named case with its verdict. The cases are signed with real keys as
//! the tests run; jsonwebtoken is the second opinion.

use std::collections::BTreeSet;

use serde_json::json;

use super::*;
use crate::oidc::{
    testing::{ALICE, Idp, claims, encode, with},
    token::decode,
};

const ISSUER: &str = "https://id.example/realms/acme";
const NOW: UnixTime = UnixTime::from_secs(1_800_000_000);

fn policy() -> Policy {
    Policy {
        issuer: ISSUER.to_owned(),
        audience: "openclaw".to_owned(),
        authorized_parties: Vec::new(),
        user_claim: "sub".to_owned(),
        leeway: Duration::from_secs(30),
        max_lifetime: None,
    }
}

fn keys(jwks: &Value) -> KeySet {
    KeySet::parse(jwks.to_string().as_bytes()).unwrap()
}

fn good() -> Value {
    claims(ISSUER, ALICE, NOW)
}

fn verdict_by(policy: &Policy, token: &str) -> Result<Verified, Rejection> {
    verify(&Token::from_text(token)?, &keys(&Idp::shared().jwks()), policy, NOW)
}

fn verdict(token: &str) -> Result<Verified, Rejection> {
    verdict_by(&policy(), token)
}

/// The verdict on good claims with some of them changed.
fn changed(changes: Value) -> Result<Verified, Rejection> {
    verdict(&Idp::shared().token(&with(good(), changes)))
}

/// An RS256 signature over good claims and this header.
fn headed(header: Value) -> String {
    Idp::shared().sign("RS256", &header.to_string(), &good().to_string())
}

#[test]
fn a_good_token_says_who_in_which_session_until_when() {
    let expected = Verified {
        user: ALICE.parse().unwrap(),
        subject: Some(ALICE.to_owned()),
        session: Some("c2b1a5d2".to_owned()),
        id: Some("onrtac:7f2c".to_owned()),
        authorized_party: Some("openclaw".to_owned()),
        issued_at: NOW,
        expires_at: NOW.plus(Duration::from_secs(300)),
        accepted_from: NOW.minus(Duration::from_secs(30)),
        accepted_until: NOW.plus(Duration::from_secs(330)),
    };
    assert_eq!(changed(json!({})), Ok(expected.clone()));
    assert_eq!(changed(json!({"aud": "openclaw"})), Ok(expected.clone()));
    let anonymous = Verified { id: None, authorized_party: None, ..expected.clone() };
    assert_eq!(changed(json!({"jti": null, "azp": null})), Ok(anonymous));
    let later = Verified { accepted_from: NOW.minus(Duration::from_secs(20)), ..expected.clone() };
    assert_eq!(changed(json!({"nbf": NOW.as_secs() + 10})), Ok(later));
    assert_eq!(changed(json!({"sid": null})), Ok(Verified { session: None, ..expected }));
}

#[test]
fn every_algorithm_is_verified_as_jsonwebtoken_verifies_it() {
    let idp = Idp::shared();
    let jwks: jsonwebtoken::jwk::JwkSet = serde_json::from_value(idp.jwks()).unwrap();
    for name in ["RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "EdDSA"] {
        let header = json!({"alg": name, "kid": idp.kid(name)});
        let token = idp.sign(name, &header.to_string(), &good().to_string());
        let mut second_opinion = jsonwebtoken::Validation::new(name.parse().unwrap());
        second_opinion.set_audience(&["openclaw"]);
        second_opinion.validate_exp = false;
        let key = jsonwebtoken::DecodingKey::from_jwk(jwks.find(&idp.kid(name)).unwrap()).unwrap();
        let other =
            |token: &str| jsonwebtoken::decode::<Value>(token, &key, &second_opinion).is_ok();
        assert!(verdict(&token).is_ok() && other(&token), "{name}");

        let (signed, signature) = token.rsplit_once('.').unwrap();
        let mut bytes = decode(signature).unwrap();
        bytes[7] ^= 1;
        let forged = format!("{signed}.{}", encode(&bytes));
        assert_eq!(verdict(&forged), Err(Rejection::BadSignature), "{name}");
        assert!(!other(&forged), "{name}");
    }
}

#[test]
fn the_key_decides_which_algorithm_may_be_used_with_it() {
    let idp = Idp::shared();
    for (algorithm, kid) in
        [("ES256", "rsa"), ("RS256", "p256"), ("ES384", "p256"), ("EdDSA", "p384")]
    {
        let token = idp.sign("RS256", &json!({"alg": algorithm, "kid": kid}).to_string(), "{}");
        assert_eq!(verdict(&token), Err(Rejection::AlgorithmNotOfKey), "{algorithm} {kid}");
    }
    let only_rs256 = keys(&json!({"keys": [idp.jwk()]}));
    let token = idp.sign("PS256", r#"{"alg":"PS256","kid":"rsa"}"#, &good().to_string());
    let outcome = verify(&Token::from_text(&token).unwrap(), &only_rs256, &policy(), NOW);
    assert_eq!(outcome, Err(Rejection::AlgorithmNotOfKey));
}

#[test]
fn forged_and_misdirected_tokens_are_refused() {
    use Rejection::*;
    let idp = Idp::shared();
    let stranger = Idp::new("");
    let token = idp.token(&good());
    let (signed, signature) = token.rsplit_once('.').unwrap();
    let (header, _) = signed.split_once('.').unwrap();
    let other_claims =
        encode(with(good(), json!({"sub": ALICE.replace('1', "2")})).to_string().as_bytes());
    for (case, token, reason) in [
        ("claims replaced", format!("{header}.{other_claims}.{signature}"), BadSignature),
        ("signed by a stranger under our kid", stranger.token(&good()), BadSignature),
        (
            "the stranger's key inside",
            stranger.sign(
                "RS256",
                &with(json!({"alg": "RS256", "kid": "rsa"}), json!({"jwk": stranger.jwk()}))
                    .to_string(),
                &good().to_string(),
            ),
            BringsItsKey,
        ),
        ("signature cut", format!("{signed}.{}", &signature[..40]), BadSignature),
        ("signature of one zero", format!("{signed}.AA"), BadSignature),
        (
            "RS384 under an RS256 header",
            idp.sign("RS384", r#"{"alg":"RS256","kid":"rsa"}"#, &good().to_string()),
            BadSignature,
        ),
        ("an encryption key's kid", headed(json!({"alg": "RS256", "kid": "enc"})), UnknownKey),
        ("another kid", headed(json!({"alg": "RS256", "kid": "RSA"})), UnknownKey),
        ("an empty kid", headed(json!({"alg": "RS256", "kid": ""})), UnknownKey),
        ("alg none", headed(json!({"alg": "none", "kid": "rsa"})), UnsupportedAlgorithm),
        ("symmetric", headed(json!({"alg": "HS256", "kid": "rsa"})), UnsupportedAlgorithm),
        ("crit", headed(json!({"alg": "RS256", "kid": "rsa", "crit": ["exp"]})), CriticalHeader),
        (
            "a logout token's header",
            headed(json!({"alg": "RS256", "kid": "rsa", "typ": "logout+jwt"})),
            OtherHeaderType,
        ),
        ("no kid", headed(json!({"alg": "RS256"})), MissingKeyId),
        (
            "header twice",
            idp.sign("RS256", r#"{"alg":"RS256","kid":"rsa","kid":"rsa"}"#, "{}"),
            MalformedHeader,
        ),
        ("header an array", idp.sign("RS256", "[]", "{}"), MalformedHeader),
        (
            "loose bits in the signature",
            format!("{signed}.{}B", &signature[..signature.len() - 1]),
            MalformedToken,
        ),
        ("padding", format!("{token}=="), MalformedToken),
        ("four parts", format!("{token}.AA"), MalformedToken),
        ("not a token", "garbage".to_owned(), MalformedToken),
        ("too long", "a".repeat(Token::MAX_BYTES + 1), TokenTooLarge),
    ] {
        assert_eq!(verdict(&token), Err(reason), "{case}");
    }
}

#[test]
fn claims_are_typed_and_exact() {
    use Rejection::*;
    let now = NOW.as_secs();
    for (changes, reason) in [
        (json!({"typ": "ID"}), OtherTokenType),
        (json!({"typ": "Refresh"}), OtherTokenType),
        (json!({"typ": "Offline"}), OtherTokenType),
        (json!({"typ": "Logout"}), OtherTokenType),
        (json!({"typ": "DPoP"}), OtherTokenType),
        (json!({"typ": "bearer"}), OtherTokenType),
        (json!({"typ": null}), MissingClaim("typ")),
        (json!({"typ": ["Bearer"]}), ClaimType("typ")),
        (json!({"iss": null}), MissingClaim("iss")),
        (json!({"iss": [ISSUER]}), ClaimType("iss")),
        (json!({"iss": format!("{ISSUER}/")}), OtherIssuer),
        (json!({"iss": ISSUER.to_uppercase()}), OtherIssuer),
        (json!({"iss": ""}), OtherIssuer),
        (json!({"aud": null}), MissingClaim("aud")),
        (json!({"aud": "account"}), OtherAudience),
        (json!({"aud": "openclaw "}), OtherAudience),
        (json!({"aud": "openclaw,account"}), OtherAudience),
        (json!({"aud": "https://openclaw"}), OtherAudience),
        (json!({"aud": []}), OtherAudience),
        (json!({"aud": ["account", "OPENCLAW"]}), OtherAudience),
        (json!({"aud": ["openclaw", 1]}), ClaimType("aud")),
        (json!({"aud": [["openclaw"]]}), ClaimType("aud")),
        (json!({"aud": {"openclaw": true}}), ClaimType("aud")),
        (json!({"exp": null}), MissingClaim("exp")),
        (json!({"exp": "1900000000"}), ClaimType("exp")),
        (json!({"exp": 1_900_000_000.5}), ClaimType("exp")),
        (json!({"exp": 1.9e9}), ClaimType("exp")),
        (json!({"exp": -1}), ClaimType("exp")),
        (json!({"exp": true}), ClaimType("exp")),
        (json!({"exp": 253_402_300_800_u64}), ClaimRange("exp")),
        (json!({"exp": u64::MAX}), ClaimRange("exp")),
        (json!({"nbf": u64::MAX}), ClaimRange("nbf")),
        (json!({"iat": u64::MAX}), ClaimRange("iat")),
        (json!({"iat": null}), MissingClaim("iat")),
        (json!({"exp": 0}), Expired),
        (json!({"exp": now - 30}), Expired),
        (json!({"nbf": now + 31}), NotYetValid),
        (json!({"nbf": "now"}), ClaimType("nbf")),
        (json!({"nbf": now as f64 + 0.5}), ClaimType("nbf")),
        (json!({"iat": now + 86_400}), NotYetValid),
        (json!({"iat": "now"}), ClaimType("iat")),
        (json!({"sub": null}), InvalidUser),
        (json!({"sub": 123}), InvalidUser),
        (json!({"sub": [ALICE]}), InvalidUser),
        (json!({"sub": "alice"}), InvalidUser),
        (json!({"sub": ALICE.replace('4', "A")}), InvalidUser),
        (json!({"sub": format!("{ALICE} ")}), InvalidUser),
        (json!({"sid": 7}), ClaimType("sid")),
        (json!({"jti": 7}), ClaimType("jti")),
        (json!({"azp": ["openclaw"]}), ClaimType("azp")),
        (json!({"cnf": {"x5t#S256": "AAAA"}}), BoundToKey),
    ] {
        assert_eq!(changed(changes.clone()), Err(reason), "{changes}");
    }
}

#[test]
fn a_null_claim_is_not_an_absent_one() {
    for name in ["typ", "iss", "aud", "exp", "nbf", "iat", "sid", "jti", "azp"] {
        let mut claims = good();
        claims[name] = Value::Null;
        let outcome = verdict(&Idp::shared().token(&claims));
        assert_eq!(outcome, Err(Rejection::ClaimType(name)), "{name}");
    }
}

#[test]
fn the_leeway_is_half_open() {
    let now = NOW.as_secs();
    assert!(changed(json!({"exp": now - 29})).is_ok());
    assert!(changed(json!({"nbf": now + 30, "iat": now + 30})).is_ok());
    assert!(changed(json!({"exp": UnixTime::LAST.as_secs()})).is_ok());
}

#[test]
fn a_token_may_not_live_longer_than_configured() {
    let policy = Policy { max_lifetime: Some(Duration::from_secs(300)), ..policy() };
    let outcome =
        |changes| verdict_by(&policy, &Idp::shared().token(&with(good(), changes))).map(|_| ());
    assert_eq!(outcome(json!({})), Ok(()));
    assert_eq!(outcome(json!({"exp": NOW.as_secs() + 301})), Err(Rejection::LivesTooLong));
    assert_eq!(outcome(json!({"iat": NOW.as_secs() - 1})), Err(Rejection::LivesTooLong));
}

#[test]
fn only_tokens_of_authorized_parties_are_accepted_where_they_are_named() {
    let parties = ["openclaw".to_owned(), "openclaw-cli".to_owned()];
    let policy = Policy { authorized_parties: parties.to_vec(), ..policy() };
    let outcome =
        |changes| verdict_by(&policy, &Idp::shared().token(&with(good(), changes))).map(|_| ());
    assert_eq!(outcome(json!({})), Ok(()));
    assert_eq!(outcome(json!({"azp": "openclaw-cli"})), Ok(()));
    assert_eq!(outcome(json!({"azp": "other-app"})), Err(Rejection::OtherParty));
    assert_eq!(outcome(json!({"azp": "OpenClaw"})), Err(Rejection::OtherParty));
    assert_eq!(outcome(json!({"azp": null})), Err(Rejection::MissingClaim("azp")));
    assert_eq!(outcome(json!({"azp": 7})), Err(Rejection::ClaimType("azp")));
    // It comes on top of the audience, never in its place.
    assert_eq!(outcome(json!({"aud": "account"})), Err(Rejection::OtherAudience));
}

#[test]
fn the_user_may_be_another_claim_than_sub() {
    let policy = Policy { user_claim: "openova_user".to_owned(), ..policy() };
    let claims = with(good(), json!({"sub": "alice", "openova_user": ALICE}));
    assert_eq!(verdict_by(&policy, &Idp::shared().token(&claims)).unwrap().user.as_str(), ALICE);
    assert_eq!(verdict_by(&policy, &Idp::shared().token(&good())), Err(Rejection::InvalidUser));
}

#[test]
fn claims_that_parsers_read_differently_are_refused() {
    let idp = Idp::shared();
    let header = r#"{"alg":"RS256","kid":"rsa"}"#;
    let text = good().to_string();
    let inner = &text[1..text.len() - 1];
    for claims in [
        format!("{{{inner},\"sub\":\"{ALICE}\"}}"),
        format!("{{{inner},\"s\\u0075b\":\"{ALICE}\"}}"),
        format!("{{{inner},\"x\":{{\"a\":1,\"a\":2}}}}"),
        format!("{{{inner},\"x\":{}1{}}}", "[".repeat(5_000), "]".repeat(5_000)),
        format!("{text} {text}"),
        format!("[{text}]"),
        "\"claims\"".to_owned(),
        String::from("{"),
    ] {
        let token = idp.sign("RS256", header, &claims);
        assert_eq!(verdict(&token), Err(Rejection::MalformedClaims), "{claims:.80}");
    }
}

#[test]
fn nothing_but_the_exact_token_is_accepted() {
    let token = Idp::shared().token(&good());
    let mut reasons = BTreeSet::new();
    for at in 0..token.len() {
        let mut bytes = token.clone().into_bytes();
        bytes[at] = if bytes[at] == b'A' { b'B' } else { b'A' };
        let outcome = verdict(std::str::from_utf8(&bytes).unwrap());
        reasons.insert(outcome.expect_err("one character differs").reason());
    }
    assert!(
        reasons.contains("bad_signature") && reasons.contains("malformed_token"),
        "{reasons:?}"
    );
}
