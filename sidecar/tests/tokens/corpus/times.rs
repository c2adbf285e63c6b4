//! Dates in whole seconds, within the leeway, far enough from its edges for a test to take its time.

use edge::oidc::Rejection::*;
use serde_json::json;

use super::{Cases, Mint};
use crate::case::{LEEWAY_SECS, Setting};

pub(super) fn cases(mint: &Mint) -> Cases {
    let mut cases = Cases::new(Setting::Plain, "times");
    let now = mint.now.as_secs();
    for (name, changes) in [
        ("expired a minute ago, within the leeway", json!({"exp": now - 60})),
        ("begins in a minute, within the leeway", json!({"nbf": now + 60})),
        ("made in a minute, within the leeway", json!({"iat": now + 60})),
        ("began long ago", json!({"nbf": 0, "iat": 0})),
        ("lives to the end of 9999", json!({"exp": 253_402_300_799_u64})),
        ("lives for a day", json!({"exp": now + 86_400})),
    ] {
        cases.good(name, mint.token(changes));
    }
    for (name, changes, reason) in [
        ("expired at the end of the leeway", json!({"exp": now - LEEWAY_SECS}), Expired),
        ("expired an hour ago", json!({"exp": now - 3_600}), Expired),
        ("expired in 1970", json!({"exp": 0}), Expired),
        ("milliseconds for seconds", json!({"exp": (now + 300) * 1_000}), ClaimRange("exp")),
        ("after 9999", json!({"exp": 253_402_300_800_u64}), ClaimRange("exp")),
        ("the largest number", json!({"exp": u64::MAX}), ClaimRange("exp")),
        ("no exp", json!({"exp": null}), MissingClaim("exp")),
        ("no iat", json!({"iat": null}), MissingClaim("iat")),
        ("made in an hour", json!({"iat": now + 3_600, "exp": now + 7_200}), NotYetValid),
        ("made tomorrow", json!({"iat": now + 86_400, "exp": now + 90_000}), NotYetValid),
        ("begins in an hour", json!({"nbf": now + 3_600, "exp": now + 7_200}), NotYetValid),
        ("begins after 9999", json!({"nbf": u64::MAX}), ClaimRange("nbf")),
        ("made after 9999", json!({"iat": u64::MAX}), ClaimRange("iat")),
    ] {
        cases.bad(name, mint.token(changes), reason);
    }
    for name in ["exp", "nbf", "iat"] {
        for value in [
            "-1",
            "1.9e9",
            "1900000000.0",
            "1900000000.5",
            "1E3",
            "-0",
            "1e400",
            "99999999999999999999",
            "\"1900000000\"",
            "true",
            "[1900000000]",
            "{}",
            "\"2030-01-01T00:00:00Z\"",
        ] {
            let token =
                mint.idp.sign("RS256", r#"{"alg":"RS256","kid":"rsa"}"#, &dated(mint, name, value));
            let reason = if value == "1e400" { MalformedClaims } else { ClaimType(name) };
            cases.bad(&format!("{name} is {value}"), token, reason);
        }
    }
    cases
}

/// Good claims with one date written as `value`, to the letter.
fn dated(mint: &Mint, name: &str, value: &str) -> String {
    let claims = mint.claims(json!({name: "HERE"})).to_string();
    claims.replace("\"HERE\"", value)
}
