//! The checks that are asked for by flags: clients, lifetime, another user claim.

use edge::oidc::{
    Rejection::*,
    testing::{ALICE, BOB},
};
use serde_json::{Value, json};

use super::{Cases, Mint};
use crate::case::{LONGEST_SECS, Setting};

pub(super) fn cases(mint: &Mint) -> Cases {
    let mut cases = Cases::new(Setting::Strict, "strict");
    let now = mint.now.as_secs();
    let id = |changes: Value| {
        let mut all = json!({"sub": "f:ldap:alice", "openova_user": ALICE});
        all.as_object_mut().unwrap().extend(changes.as_object().unwrap().clone());
        mint.token(all)
    };
    for (name, changes) in [
        ("a client that is named", json!({})),
        ("the other one", json!({"azp": "openclaw-cli"})),
        ("as long as allowed", json!({"exp": now + LONGEST_SECS})),
        ("made earlier", json!({"iat": now - 60, "exp": now + LONGEST_SECS - 60})),
        ("no sub", json!({"sub": null})),
    ] {
        cases.good(name, id(changes));
    }
    for (name, changes, reason) in [
        ("another client", json!({"azp": "other-app"}), OtherParty),
        ("a client in capitals", json!({"azp": "OpenClaw"}), OtherParty),
        ("both clients in one", json!({"azp": "openclaw,openclaw-cli"}), OtherParty),
        ("no azp", json!({"azp": null}), MissingClaim("azp")),
        ("azp a number", json!({"azp": 1}), ClaimType("azp")),
        ("a client, but no audience", json!({"aud": "account"}), OtherAudience),
        ("a second too long", json!({"exp": now + LONGEST_SECS + 1}), LivesTooLong),
        ("made too long ago", json!({"iat": now - LONGEST_SECS, "exp": now + 60}), LivesTooLong),
        ("made in 1970", json!({"iat": 0}), LivesTooLong),
        ("no iat to count from", json!({"iat": null}), MissingClaim("iat")),
        ("no user claim", json!({"openova_user": null, "sub": ALICE}), InvalidUser),
        ("an empty user claim", json!({"openova_user": ""}), InvalidUser),
        ("a list of users", json!({"openova_user": [ALICE]}), InvalidUser),
        ("another user", json!({"openova_user": BOB, "sub": ALICE}), OtherUser),
        ("sub a number", json!({"sub": 7}), ClaimType("sub")),
    ] {
        cases.bad(name, id(changes), reason);
    }
    cases
}
