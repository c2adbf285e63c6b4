//! Logout tokens, each a named case with its verdict, signed as the tests run.

use serde_json::{Value, json};

use super::*;
use crate::oidc::testing::{ALICE, Idp, claims, logout_claims, with};

const ISSUER: &str = "https://id.example/realms/acme";
const NOW: UnixTime = UnixTime::from_secs(1_800_000_000);

fn verdict(header: Value, claims: &Value) -> Result<Logout, LogoutRejection> {
    let idp = Idp::shared();
    let keys = KeySet::parse(idp.jwks().to_string().as_bytes()).unwrap();
    let token = idp.sign("RS256", &header.to_string(), &claims.to_string());
    let policy =
        LogoutPolicy { issuer: ISSUER, client: "openclaw", leeway: Duration::from_secs(30) };
    verify_logout(&Token::from_text(&token)?, &keys, policy, NOW)
}

/// The verdict on a good logout token with some claims changed.
fn changed(changes: Value) -> Result<Logout, LogoutRejection> {
    let header = json!({"alg": "RS256", "typ": "logout+jwt", "kid": "rsa"});
    verdict(header, &with(logout_claims(ISSUER, ALICE, NOW), changes))
}

#[test]
fn a_logout_token_says_whose_session_ended() {
    let expected = Logout {
        subject: Some(ALICE.to_owned()),
        session: Some("c2b1a5d2".to_owned()),
        id: "logout-1".to_owned(),
        issued_at: NOW,
        expires_at: NOW.plus(Duration::from_secs(120)),
    };
    assert_eq!(changed(json!({})), Ok(expected.clone()));
    assert_eq!(changed(json!({"typ": null, "aud": ["openclaw"]})), Ok(expected.clone()));
    let all = Logout { session: None, ..expected.clone() };
    assert_eq!(changed(json!({"sid": null})), Ok(all));
    assert_eq!(changed(json!({"sub": null})), Ok(Logout { subject: None, ..expected.clone() }));
    for header in
        [json!({"alg": "RS256", "kid": "rsa"}), json!({"alg": "RS256", "typ": "JWT", "kid": "rsa"})]
    {
        assert_eq!(verdict(header, &logout_claims(ISSUER, ALICE, NOW)), Ok(expected.clone()));
    }
}

#[test]
fn nothing_else_ends_a_session() {
    use LogoutRejection::*;
    use Rejection::*;
    let event = |value: Value| json!({"events": {EVENT: value}});
    let now = NOW.as_secs();
    for (changes, reason) in [
        (json!({"typ": "Bearer"}), LogoutRejection::OtherTokenType),
        (json!({"typ": "ID"}), LogoutRejection::OtherTokenType),
        (json!({"typ": "logout"}), LogoutRejection::OtherTokenType),
        (json!({"typ": 1}), Token(ClaimType("typ"))),
        (json!({"iss": null}), Token(MissingClaim("iss"))),
        (json!({"iss": format!("{ISSUER}/")}), Token(OtherIssuer)),
        (json!({"aud": null}), Token(MissingClaim("aud"))),
        (json!({"aud": "another-client"}), Token(OtherAudience)),
        (json!({"aud": ["openclaw", 1]}), Token(ClaimType("aud"))),
        (json!({"iat": null}), Token(MissingClaim("iat"))),
        (json!({"iat": now + 31}), Token(NotYetValid)),
        (json!({"exp": null}), Token(MissingClaim("exp"))),
        (json!({"exp": now - 30}), Token(Expired)),
        (json!({"exp": "1900000000"}), Token(ClaimType("exp"))),
        (json!({"jti": null}), Token(MissingClaim("jti"))),
        (json!({"jti": 1}), Token(ClaimType("jti"))),
        (json!({"events": null}), Token(MissingClaim("events"))),
        (json!({"events": {}}), NoLogoutEvent),
        (json!({"events": EVENT}), NoLogoutEvent),
        (json!({"events": [EVENT]}), NoLogoutEvent),
        (json!({"events": {"http://schemas.openid.net/event/other": {}}}), NoLogoutEvent),
        (event(json!(true)), NoLogoutEvent),
        (event(json!([])), NoLogoutEvent),
        (event(json!(null)), NoLogoutEvent),
        (json!({"nonce": "n"}), HasNonce),
        (json!({"sub": null, "sid": null}), NobodyNamed),
        (json!({"sub": 7}), Token(ClaimType("sub"))),
        (json!({"sid": ["c2b1a5d2"]}), Token(ClaimType("sid"))),
    ] {
        assert_eq!(changed(changes.clone()), Err(reason), "{changes}");
    }
    assert!(changed(event(json!({"more": 1}))).is_ok(), "the member should be empty, not must");
    let null = |name: &str| {
        let mut claims = logout_claims(ISSUER, ALICE, NOW);
        claims[name] = Value::Null;
        verdict(json!({"alg": "RS256", "kid": "rsa"}), &claims)
    };
    assert_eq!(null("nonce"), Err(HasNonce));
    assert_eq!(null("sid"), Err(Token(ClaimType("sid"))));
}

#[test]
fn its_header_and_signature_are_checked_as_an_access_tokens() {
    use Rejection::*;
    let good = logout_claims(ISSUER, ALICE, NOW);
    for (header, reason) in [
        (json!({"alg": "RS256", "typ": "at+jwt", "kid": "rsa"}), OtherHeaderType),
        (json!({"alg": "none", "typ": "logout+jwt"}), UnsupportedAlgorithm),
        (json!({"alg": "HS256", "kid": "rsa"}), UnsupportedAlgorithm),
        (json!({"alg": "RS256", "typ": "logout+jwt"}), MissingKeyId),
        (json!({"alg": "RS256", "kid": "other"}), UnknownKey),
        (json!({"alg": "PS256", "kid": "rsa"}), BadSignature),
        (json!({"alg": "RS256", "kid": "rsa", "crit": ["exp"]}), CriticalHeader),
        (json!({"alg": "RS256", "kid": "rsa", "jku": "https://evil/"}), BringsItsKey),
    ] {
        let outcome = verdict(header.clone(), &good);
        assert_eq!(outcome, Err(LogoutRejection::Token(reason)), "{header}");
    }
}

#[test]
fn the_two_kinds_of_token_are_never_taken_for_each_other() {
    let access = claims(ISSUER, ALICE, NOW);
    let header = json!({"alg": "RS256", "typ": "JWT", "kid": "rsa"});
    assert_eq!(verdict(header.clone(), &access), Err(LogoutRejection::OtherTokenType));
    let hidden = with(access, json!({"typ": null}));
    let missing = LogoutRejection::Token(Rejection::MissingClaim("events"));
    assert_eq!(verdict(header, &hidden), Err(missing));
}

#[test]
fn the_issuer_is_told_to_try_again_only_when_that_helps() {
    for (rejection, status) in [
        (LogoutRejection::NobodyNamed, 400),
        (LogoutRejection::Token(Rejection::Expired), 400),
        (LogoutRejection::Token(Rejection::KeysUnavailable), 503),
    ] {
        let response = rejection.into_response();
        assert_eq!(response.status().as_u16(), status, "{rejection}");
        let retry = response.headers().contains_key(http::header::RETRY_AFTER);
        assert_eq!(retry, status == 503, "{rejection}");
    }
}
