//! The ID token that ends a login (OpenID Connect Core 1.0 section 3.1.3.7). It tells a client who
//! signed in and when; it opens nothing.

use aws_lc_rs::digest;
use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};

use super::{
    Policy, Rejection, Token, UnixTime, algorithm::Algorithm, claims::Claims, jose::JoseHeader,
    signed::TokenKind, token::decode,
};

/// What an ID token must be about.
#[derive(Clone, Copy, Debug)]
pub struct Login<'a> {
    /// The client that asked: must be the claim `aud` or one of it, and `azp` where there is one.
    pub client_id: &'a str,
    /// What the client sent with its request.
    pub nonce: &'a str,
    /// The access token that came with it: `at_hash` must fit where there is one.
    pub access_token: &'a Token,
}

/// Why an ID token does not end a login.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum IdTokenFault {
    /// What is wrong with it as with any token.
    #[error(transparent)]
    Rejected(#[from] Rejection),
    /// Keycloak says `typ: ID`; others say nothing.
    #[error("the claim `typ` is there and is not `ID`")]
    OtherType,
    /// It is of another login: replayed, or mixed up.
    #[error("the claim `nonce` is not the one that was sent")]
    Nonce,
    /// It was made for another client.
    #[error("the claim `azp` is not the client")]
    AuthorizedParty,
    /// The two tokens do not belong together.
    #[error("the claim `at_hash` does not fit the access token")]
    AccessTokenHash,
}

impl Login<'_> {
    /// What is left once the signature of `token` is known to be good. Pure.
    ///
    /// # Errors
    /// The first check that fails.
    pub(super) fn check(
        self,
        token: &Token,
        claims: &Claims,
        policy: &Policy,
        now: UnixTime,
    ) -> Result<(), IdTokenFault> {
        if claims.optional_text("typ")?.is_some_and(|typ| typ != "ID") {
            return Err(IdTokenFault::OtherType);
        }
        claims.check_parties(&policy.issuer, self.client_id)?;
        if claims.optional_text("azp")?.is_some_and(|azp| azp != self.client_id) {
            return Err(IdTokenFault::AuthorizedParty);
        }
        claims.check_times(now, policy.leeway)?;
        if claims.text("nonce")? != self.nonce {
            return Err(IdTokenFault::Nonce);
        }
        match claims.optional_text("at_hash")? {
            Some(hash) if hash != at_hash(algorithm(token)?, self.access_token) => {
                Err(IdTokenFault::AccessTokenHash)
            }
            _ => Ok(()),
        }
    }
}

/// What a verified token was signed with.
fn algorithm(token: &Token) -> Result<Algorithm, Rejection> {
    let header = decode(token.parts().header).ok_or(Rejection::MalformedToken)?;
    Ok(JoseHeader::parse(&header, TokenKind::Id)?.algorithm)
}

/// The left half of the access token's hash; which hash, the signature's algorithm says.
fn at_hash(algorithm: Algorithm, access_token: &Token) -> String {
    let hash = match algorithm {
        Algorithm::Rs256 | Algorithm::Ps256 | Algorithm::Es256 => &digest::SHA256,
        Algorithm::Rs384 | Algorithm::Ps384 | Algorithm::Es384 => &digest::SHA384,
        Algorithm::Rs512 | Algorithm::Ps512 | Algorithm::EdDsa => &digest::SHA512,
    };
    let hash = digest::digest(hash, access_token.expose().as_bytes());
    let half = hash.as_ref().get(..hash.as_ref().len() / 2).unwrap_or_default();
    BASE64_URL_SAFE_NO_PAD.encode(half)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use serde_json::{Value, json};

    use super::*;
    use crate::oidc::{
        KeySet,
        signed::signed_claims,
        testing::{ALICE, Idp, claims, with},
    };

    const ISSUER: &str = "https://id.example/realms/acme";
    const ACCESS: &str = "a.b.c";

    fn verdict(algorithm: &str, changes: Value) -> Result<(), IdTokenFault> {
        let idp = Idp::shared();
        let now = UnixTime::from_secs(1_800_000_000);
        let id = json!({"typ": "ID", "aud": "spawner", "azp": "spawner", "nonce": "n-1"});
        let claims = with(with(claims(ISSUER, ALICE, now), id), changes);
        let header = json!({"alg": algorithm, "typ": "JWT", "kid": idp.kid(algorithm)});
        let token = idp.sign(algorithm, &header.to_string(), &claims.to_string());
        let policy = Policy {
            issuer: ISSUER.to_owned(),
            audience: "openclaw".to_owned(),
            user_claim: "sub".to_owned(),
            leeway: Duration::from_secs(30),
            max_lifetime: None,
            authorized_parties: Vec::new(),
        };
        let access = Token::from_text(ACCESS).unwrap();
        let login = Login { client_id: "spawner", nonce: "n-1", access_token: &access };
        let keys = KeySet::parse(idp.jwks().to_string().as_bytes()).unwrap();
        let token = Token::from_text(&token).unwrap();
        let claims = signed_claims(&token, &keys, TokenKind::Id)?;
        login.check(&token, &claims, &policy, now)
    }

    #[test]
    fn an_id_token_of_this_login_is_accepted() {
        for changes in [json!({}), json!({"typ": null, "azp": null}), json!({"aud": ["spawner"]})] {
            assert_eq!(verdict("RS256", changes.clone()), Ok(()), "{changes}");
        }
    }

    #[test]
    fn whatever_is_of_another_login_is_not() {
        use IdTokenFault::{AccessTokenHash, AuthorizedParty, Nonce, OtherType, Rejected};
        for (changes, fault) in [
            (json!({"nonce": "n-2"}), Nonce),
            (json!({"nonce": null}), Rejected(Rejection::MissingClaim("nonce"))),
            (json!({"nonce": 1}), Rejected(Rejection::ClaimType("nonce"))),
            (json!({"aud": "openclaw"}), Rejected(Rejection::OtherAudience)),
            (json!({"azp": "other-app"}), AuthorizedParty),
            (json!({"iss": "https://id.example/realms/evil"}), Rejected(Rejection::OtherIssuer)),
            (json!({"exp": 1_799_999_000}), Rejected(Rejection::Expired)),
            (json!({"typ": "Bearer"}), OtherType),
            (json!({"typ": "Logout"}), OtherType),
            (json!({"at_hash": "AAAAAAAAAAAAAAAAAAAAAA"}), AccessTokenHash),
        ] {
            assert_eq!(verdict("RS256", changes.clone()), Err(fault), "{changes}");
        }
    }

    /// Computed with `printf a.b.c | sha256sum` and the like: the left half, in base64url.
    #[test]
    fn at_hash_follows_the_algorithm_of_the_signature() {
        for (algorithm, hash) in AT_HASHES {
            assert_eq!(verdict(algorithm, json!({"at_hash": hash})), Ok(()), "{algorithm}");
        }
        let (_, of_sha256) = AT_HASHES[0];
        let wrong = verdict("ES384", json!({"at_hash": of_sha256}));
        assert_eq!(wrong, Err(IdTokenFault::AccessTokenHash));
    }

    const AT_HASHES: [(&str, &str); 3] = [
        ("RS256", "hF4wRIgJ4ryJWOsCW_x5Ug"),
        ("ES384", "FlIbRyvBm0Vg4IfYY0TYjsC5M7JaTWV6"),
        ("EdDSA", "c96wUZoMJ_Eupmo8pfvaQeNWn_GrUsIXM9FAmAeAJ6U"),
    ];
}
