//! The users of the realm `acme`. One user per test that needs a pod of its own, so that tests run
//! beside each other.

use anyhow::{Context as _, Result};
use contract::UserId;
use serde::Deserialize;

/// The realm that Keycloak imports: clients, users, ids.
pub const REALM: &str = include_str!("../realm/acme.json");

/// Length of a NewAPI key after `sk-`.
const KEY_LENGTH: usize = 48;

/// Somebody who can sign in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Person {
    /// The name to sign in with.
    pub name: String,
    /// Keycloak's id of them: the claim `sub`.
    pub id: UserId,
}

impl Person {
    /// The password in the realm file.
    #[must_use]
    pub fn password(&self) -> String {
        format!("{}-pw", self.name)
    }

    /// Their key at the NewAPI stand-in, in NewAPI's form: `sk-` and 48 characters, no more dashes.
    #[must_use]
    pub fn newapi_key(&self) -> String {
        format!("sk-{:0<KEY_LENGTH$}", self.name)
    }
}

/// Everybody in the realm.
///
/// # Errors
/// The realm file is not what it should be.
pub fn everybody() -> Result<Vec<Person>> {
    #[derive(Deserialize)]
    struct Realm {
        users: Vec<User>,
    }
    #[derive(Deserialize)]
    struct User {
        id: String,
        username: String,
    }
    let realm: Realm = serde_json::from_str(REALM).context("tests/realm/acme.json")?;
    let person = |user: User| Ok(Person { id: user.id.parse()?, name: user.username });
    realm.users.into_iter().map(person).collect()
}

/// The person of that name.
///
/// # Errors
/// The realm has nobody of that name.
pub fn person(name: &str) -> Result<Person> {
    let found = everybody()?.into_iter().find(|person| person.name == name);
    found.with_context(|| format!("tests/realm/acme.json has no user {name}"))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn everybody_has_an_id_and_a_key_of_their_own() {
        let all = everybody().unwrap();
        let ids: BTreeSet<_> = all.iter().map(|person| person.id.clone()).collect();
        let keys: BTreeSet<_> = all.iter().map(Person::newapi_key).collect();
        assert!(all.len() >= 2 && ids.len() == all.len() && keys.len() == all.len(), "{all:?}");
        for key in keys {
            assert!(key.len() == 51 && key.matches('-').count() == 1, "{key}");
        }
    }

    #[test]
    fn the_password_is_the_one_in_the_realm() {
        for person in everybody().unwrap() {
            assert!(REALM.contains(&format!("\"value\": {:?}", person.password())), "{person:?}");
        }
    }
}
