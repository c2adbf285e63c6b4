//! The tokens, made with real keys as the test begins.

mod claims;
mod form;
mod header;
mod json;
mod keys;
mod signature;
mod strict;
mod times;

use edge::oidc::{
    Rejection, UnixTime,
    testing::{self, ALICE, Idp, with},
};
use serde_json::{Value, json};

use crate::case::{Case, ISSUER, Setting};

/// Makes tokens.
pub(crate) struct Mint {
    idp: &'static Idp,
    /// Has keys with the same names, which nobody trusts.
    stranger: Idp,
    pub(crate) now: UnixTime,
}

/// Cases with their names, for the setting that a file is about.
struct Cases {
    setting: Setting,
    about: &'static str,
    cases: Vec<Case>,
}

impl Mint {
    pub(crate) fn new() -> Self {
        Self { idp: Idp::shared(), stranger: Idp::new(""), now: UnixTime::now() }
    }

    pub(crate) fn corpus(&self) -> Vec<Case> {
        [
            form::cases(self),
            header::cases(self),
            keys::cases(self),
            signature::cases(self),
            claims::cases(self),
            times::cases(self),
            json::cases(self),
            strict::cases(self),
        ]
        .into_iter()
        .flat_map(|cases| cases.cases)
        .collect()
    }

    /// The key set of all cases: usable keys among others that must not spoil it.
    pub(crate) fn jwks(&self) -> String {
        keys::document(self).to_string()
    }

    /// Alice's claims, with some changed.
    fn claims(&self, changes: Value) -> Value {
        with(testing::claims(ISSUER, ALICE, self.now), changes)
    }

    /// An RS256 token with alice's claims, some of them changed.
    fn token(&self, changes: Value) -> String {
        self.idp.token(&self.claims(changes))
    }

    /// A token with good claims under this header, signed as `algorithm` says.
    fn headed(&self, algorithm: &str, header: &Value) -> String {
        self.idp.sign(algorithm, &header.to_string(), &self.claims(json!({})).to_string())
    }

    /// A good token cut in its three parts.
    fn parts(&self) -> [String; 3] {
        let token = self.token(json!({}));
        let mut parts = token.split('.').map(str::to_owned);
        std::array::from_fn(|_| parts.next().unwrap())
    }
}

impl Cases {
    fn new(setting: Setting, about: &'static str) -> Self {
        Self { setting, about, cases: Vec::new() }
    }

    fn good(&mut self, name: &str, token: impl Into<String>) {
        self.add(name, token.into(), Ok(()));
    }

    fn bad(&mut self, name: &str, token: impl Into<String>, reason: Rejection) {
        self.add(name, token.into(), Err(reason));
    }

    fn add(&mut self, name: &str, credentials: String, expected: Result<(), Rejection>) {
        let name = format!("{}: {name}", self.about);
        self.cases.push(Case { name, setting: self.setting, credentials, expected });
    }
}
