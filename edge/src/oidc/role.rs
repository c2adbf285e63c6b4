//! What a token lets its user do, besides what is the user's own.

use std::{convert::Infallible, str::FromStr};

use serde_json::Value;

use super::{
    Rejection, Token, Verifier,
    claims::Claims,
    signed::{TokenKind, signed_claims},
};

/// A role by its name, and where tokens list the roles.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Role {
    /// The members that lead to the list: `realm_access`, `roles` for Keycloak's realm roles.
    pub claim: ClaimPath,
    /// The entry that counts, exactly.
    pub name: String,
}

/// Members of the claims, one within the other, with dots between.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClaimPath(Vec<String>);

impl FromStr for ClaimPath {
    type Err = Infallible;

    fn from_str(path: &str) -> Result<Self, Infallible> {
        Ok(Self(path.split('.').map(str::to_owned).collect()))
    }
}

impl Verifier {
    /// Whether an access token is accepted now, and lists `role`.
    ///
    /// # Errors
    /// Why the token is refused.
    pub async fn has_role(&self, token: &Token, role: &Role) -> Result<bool, Rejection> {
        self.verify(token).await?;
        let claims =
            self.with_keys(|loaded| signed_claims(token, &loaded.keys, TokenKind::Access)).await?;
        Ok(role.is_in(&claims))
    }
}

impl Role {
    /// Only a list of texts counts: a text that merely contains the name does not.
    fn is_in(&self, claims: &Claims) -> bool {
        let mut members = self.claim.0.iter();
        let first = members.next().and_then(|name| claims.get(name));
        let list = members.try_fold(first, |value, name| Some(value?.get(name)));
        let list = list.flatten().and_then(Value::as_array);
        list.is_some_and(|roles| roles.iter().any(|role| *role == self.name))
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn is_in(claim: &str, claims: &Value) -> bool {
        let role = Role { claim: claim.parse().unwrap(), name: "operator".to_owned() };
        role.is_in(&Claims::new(claims.as_object().unwrap().clone()))
    }

    #[test]
    fn only_an_entry_of_the_list_is_the_role() {
        let path = "realm_access.roles";
        assert!(is_in(path, &json!({"realm_access": {"roles": ["user", "operator"]}})));
        assert!(is_in("groups", &json!({"groups": ["operator"]})));
        for claims in [
            json!({}),
            json!({"realm_access": {"roles": []}}),
            json!({"realm_access": {"roles": ["operators", "Operator", "operator "]}}),
            json!({"realm_access": {"roles": "operator"}}),
            json!({"realm_access": {"roles": {"operator": true}}}),
            json!({"realm_access": {"roles": [["operator"]]}}),
            json!({"realm_access": ["operator"]}),
            json!({"realm_access.roles": ["operator"]}),
            json!({"roles": ["operator"]}),
        ] {
            assert!(!is_in(path, &claims), "{claims}");
        }
    }
}
