//! Who, from whom, for whom: typed and exact.

use edge::oidc::{
    Rejection::*,
    testing::{ALICE, BOB, logout_claims},
};
use serde_json::{Value, json};

use super::{Cases, Mint};
use crate::case::{ISSUER, Setting};

pub(super) fn cases(mint: &Mint) -> Cases {
    let mut cases = Cases::new(Setting::Plain, "claims");
    for changes in [
        json!({"aud": "openclaw"}),
        json!({"aud": ["openclaw"]}),
        json!({"aud": ["a", "b", "openclaw"]}),
        json!({"azp": null, "sid": null, "jti": null}),
        json!({"azp": "any-client"}),
        json!({"nonce": "n"}),
        json!({"scope": null, "realm_access": null, "resource_access": null}),
    ] {
        cases.good(&changes.to_string(), mint.token(changes));
    }
    kinds(mint, &mut cases);
    parties(mint, &mut cases);
    people(mint, &mut cases);
    cases
}

fn bad(mint: &Mint, cases: &mut Cases, changes: Value, reason: edge::oidc::Rejection) {
    cases.bad(&changes.to_string(), mint.token(changes), reason);
}

fn kinds(mint: &Mint, cases: &mut Cases) {
    for typ in ["ID", "Refresh", "Offline", "Logout", "DPoP", "bearer", ""] {
        bad(mint, cases, json!({"typ": typ}), OtherTokenType);
    }
    bad(mint, cases, json!({"typ": null}), MissingClaim("typ"));
    bad(mint, cases, json!({"typ": ["Bearer"]}), ClaimType("typ"));
    bad(mint, cases, json!({"cnf": {"x5t#S256": "AAAA"}}), BoundToKey);
    bad(mint, cases, json!({"cnf": {}}), BoundToKey);
    let logout = mint.idp.token(&logout_claims(ISSUER, ALICE, mint.now));
    cases.bad("a logout token", logout, OtherTokenType);
}

fn parties(mint: &Mint, cases: &mut Cases) {
    for iss in [
        format!("{ISSUER}/"),
        ISSUER.to_uppercase(),
        ISSUER.replace("https", "http"),
        ISSUER.replace("acme", "master"),
        format!("{ISSUER}?a"),
        format!(" {ISSUER}"),
        String::new(),
    ] {
        bad(mint, cases, json!({"iss": iss}), OtherIssuer);
    }
    bad(mint, cases, json!({"iss": null}), MissingClaim("iss"));
    bad(mint, cases, json!({"iss": [ISSUER]}), ClaimType("iss"));
    for aud in [
        json!("account"),
        json!("openclaw "),
        json!("OpenClaw"),
        json!("openclaw,account"),
        json!("https://openclaw"),
        json!("openclaw/"),
        json!(""),
        json!([]),
        json!(["account"]),
        json!(["open", "claw"]),
    ] {
        bad(mint, cases, json!({"aud": aud}), OtherAudience);
    }
    bad(mint, cases, json!({"aud": null, "azp": "openclaw"}), MissingClaim("aud"));
    for aud in [
        json!(7),
        json!(true),
        json!({"openclaw": 1}),
        json!(["openclaw", 1]),
        json!([["openclaw"]]),
        json!(["openclaw", null]),
    ] {
        bad(mint, cases, json!({"aud": aud}), ClaimType("aud"));
    }
    bad(mint, cases, json!({"azp": ["openclaw"]}), ClaimType("azp"));
}

fn people(mint: &Mint, cases: &mut Cases) {
    bad(mint, cases, json!({"sub": BOB}), OtherUser);
    bad(mint, cases, json!({"sub": BOB, "preferred_username": ALICE}), OtherUser);
    for sub in [
        json!(null),
        json!(123),
        json!([ALICE]),
        json!({"id": ALICE}),
        json!(true),
        json!(""),
        json!("alice"),
        json!(ALICE.replace('4', "A")),
        json!(ALICE.replace('-', "")),
        json!(format!("{{{ALICE}}}")),
        json!(format!("urn:uuid:{ALICE}")),
        json!(format!("{ALICE} ")),
        json!(format!("{ALICE}\u{0}")),
        json!(format!("{ALICE},{BOB}")),
        json!("../../etc/passwd"),
    ] {
        bad(mint, cases, json!({"sub": sub}), InvalidUser);
    }
    for (name, value) in
        [("sid", json!(7)), ("sid", json!(["a"])), ("jti", json!(7)), ("jti", json!({}))]
    {
        bad(mint, cases, json!({name: value}), ClaimType(name));
    }
    for name in ["typ", "iss", "aud", "exp", "nbf", "iat", "sid", "jti", "azp"] {
        let mut claims = mint.claims(json!({}));
        claims[name] = Value::Null;
        cases.bad(&format!("{name} is null, not absent"), mint.idp.token(&claims), ClaimType(name));
    }
}
