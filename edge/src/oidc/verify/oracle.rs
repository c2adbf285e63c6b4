//! jsonwebtoken as a second opinion on made-up variations of a good token. What we accept it accepts;
//! what it accepts and we do not is refused for one of the reasons named here.

use std::collections::BTreeSet;

use jsonwebtoken::{DecodingKey, Validation, jwk::JwkSet};
use proptest::{
    collection::vec, prelude::*, sample::select, strategy::ValueTree, test_runner::TestRunner,
};
use serde_json::{Value, json};

use super::*;
use crate::oidc::testing::{ALICE, AUDIENCE, BOB, Idp, claims, laws};

/// What jsonwebtoken leaves to its user.
///
/// - It reads of a header what it uses, so `crit`, key sources, other payloads, the type and the
///   names of keys are ours to check.
/// - It checks `exp`, `nbf`, `iss`, `aud`, and that `sub` is there: Keycloak's `typ`, `iat`, `azp`,
///   `cnf` and what a user id looks like are ours.
/// - It rounds fractions of seconds and takes any number for a date.
/// - Of equal names it takes the last, and it nests as deep as serde_json does.
const STRICTER: [&str; 15] = [
    "critical_header",
    "brings_its_key",
    "other_payload",
    "other_header_type",
    "missing_key_id",
    "unknown_key",
    "malformed_header",
    "malformed_claims",
    "missing_claim",
    "claim_type",
    "claim_range",
    "other_token_type",
    "bound_to_key",
    "not_yet_valid",
    "invalid_user",
];

const ALGORITHMS: [&str; 3] = ["EdDSA", "ES256", "RS256"];

/// Its clock is the machine's, so that is the time of these verdicts.
struct Judges {
    now: UnixTime,
    keys: KeySet,
    theirs: JwkSet,
}

impl Judges {
    fn new() -> Self {
        let jwks = Idp::shared().jwks();
        let keys = KeySet::parse(jwks.to_string().as_bytes()).unwrap();
        Self { now: UnixTime::now(), keys, theirs: serde_json::from_value(jwks).unwrap() }
    }

    fn ours(&self, token: &str) -> Result<(), Rejection> {
        let policy = laws::policy();
        verify(&Token::from_text(token)?, &self.keys, &policy, self.now).map(|_| ())
    }

    /// With its settings as strict as they go. It is told the key, so a wrong `kid` is not its fault.
    fn theirs(&self, token: &str, algorithm: &str) -> bool {
        let mut validation = Validation::new(algorithm.parse().unwrap());
        validation.leeway = 30;
        validation.validate_nbf = true;
        validation.set_audience(&[AUDIENCE]);
        validation.set_issuer(&[laws::ISSUER]);
        validation.set_required_spec_claims(&["exp", "iss", "aud", "sub"]);
        let jwk = self.theirs.find(&Idp::shared().kid(algorithm)).unwrap();
        let key = DecodingKey::from_jwk(jwk).unwrap();
        jsonwebtoken::decode::<Value>(token, &key, &validation).is_ok()
    }
}

/// Values that are right somewhere, and wrong elsewhere. No date is so near that it passes while the
/// tokens are judged: jsonwebtoken's clock goes on.
fn values(now: u64) -> Vec<Value> {
    vec![
        Value::Null,
        json!(true),
        json!(0),
        json!(-1),
        json!(1),
        json!(u64::MAX),
        json!(now - 3_600),
        json!(now + 3_600),
        json!(now as f64 + 1_000.5),
        json!("1900000000"),
        json!(""),
        json!("Bearer"),
        json!("ID"),
        json!(AUDIENCE),
        json!([AUDIENCE, "account"]),
        json!(["account"]),
        json!([AUDIENCE, 1]),
        json!(laws::ISSUER),
        json!([laws::ISSUER]),
        json!(format!("{}/", laws::ISSUER)),
        json!(ALICE),
        json!(BOB),
        json!("JWT"),
        json!("at+jwt"),
        json!("logout+jwt"),
        json!("none"),
        json!("HS256"),
        json!("RS256"),
        json!(["exp"]),
        json!([]),
        json!({}),
    ]
}

/// Header and claims of a good token, some members of both replaced, removed or there twice.
fn variations(now: UnixTime) -> impl Strategy<Value = (&'static str, String, String)> {
    const NAMES: &[&str] =
        &["exp", "iat", "nbf", "iss", "aud", "sub", "typ", "azp", "sid", "jti", "cnf"];
    const HEADER_NAMES: &[&str] = &["alg", "kid", "typ", "crit", "jku", "b64"];
    let value = || prop::option::weighted(0.9, select(values(now.as_secs())));
    let claim_changes = vec((select(NAMES), value()), 0..3);
    let header_changes = vec((select(HEADER_NAMES), value()), 0..2);
    let twice = || prop::option::weighted(0.05, Just(",\"x\":1,\"x\":2}"));
    (select(&ALGORITHMS[..]), header_changes, twice(), claim_changes, twice()).prop_map(
        move |(algorithm, header_changes, header_twice, claim_changes, claims_twice)| {
            let header = json!({"alg": algorithm, "kid": Idp::shared().kid(algorithm)});
            let claims = claims(laws::ISSUER, ALICE, now);
            let header = changed(header, header_changes, header_twice);
            (algorithm, header, changed(claims, claim_changes, claims_twice))
        },
    )
}

fn changed(
    mut base: Value,
    changes: Vec<(&str, Option<Value>)>,
    other_end: Option<&str>,
) -> String {
    for (name, value) in changes {
        match value {
            Some(value) => base[name] = value,
            None => drop(base.as_object_mut().unwrap().shift_remove(name)),
        }
    }
    let text = base.to_string();
    match (other_end, text.strip_suffix('}')) {
        (Some(end), Some(open)) if open != "{" => format!("{open}{end}"),
        _ => text,
    }
}

#[test]
fn jsonwebtoken_differs_only_where_it_is_known_to() {
    let judges = Judges::new();
    let (mut both, mut only_theirs) = (0, BTreeSet::new());
    // The same ones in every run, so that a difference once seen stays seen.
    let mut runner = TestRunner::deterministic();
    for _ in 0..5_000 {
        let variation = variations(judges.now).new_tree(&mut runner).unwrap();
        let (algorithm, header, claims) = variation.current();
        let token = Idp::shared().sign(algorithm, &header, &claims);
        match (judges.ours(&token), judges.theirs(&token, algorithm)) {
            (Ok(()), true) => both += 1,
            (Ok(()), false) => panic!("only we accept {header} {claims}"),
            (Err(ours), true) => {
                assert!(STRICTER.contains(&ours.reason()), "{ours}: {header} {claims}");
                only_theirs.insert(ours.reason());
            }
            (Err(_), false) => {}
        }
    }
    // A law about nothing would hold too.
    assert!(both > 100, "accepted by both: {both}");
    let never_seen: Vec<_> = STRICTER.iter().filter(|it| !only_theirs.contains(*it)).collect();
    assert!(never_seen.is_empty(), "a difference that does not show: {never_seen:?}");
}
