//! What the environment has to say before anything is served.

use std::path::Path;

use contract::{env, label, secret};
use edge::{
    client::{CaError, trust},
    proxy::InvalidUpstream,
};

use crate::newapi::{ApiKey, InvalidKey, NewApi};

/// What `--help` says about the environment.
pub(crate) const HELP: &str = "\
Environment, both required:
  NEWAPI_BASE_URL  where NewAPI is, with or without /v1
  NEWAPI_KEY       the key that all requests are made with
The webhook sets both in a labeled pod, from the Secret newapi-key-<user>.";

/// An environment that the runtime cannot start with.
#[derive(Debug, thiserror::Error)]
pub enum SettingsError {
    /// Variables are absent or empty: all of them are named.
    #[error("{}", .0.iter().map(Missing::to_string).collect::<Vec<_>>().join("; "))]
    Missing(Vec<Missing>),
    /// The base URL cannot be used.
    #[error("{}: {source}", env::NEWAPI_BASE_URL)]
    BaseUrl {
        /// What is wrong with it.
        source: InvalidUpstream,
    },
    /// The key cannot be a key.
    #[error("{}: {source}", env::NEWAPI_KEY)]
    Key {
        /// What is wrong with it, without the key.
        source: InvalidKey,
    },
    /// The file of CA certificates cannot be used.
    #[error("--ca-file")]
    CaFile(#[source] CaError),
}

/// A variable that should be there, and what should have put it there.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "{name} is not set: the webhook sets it in pods with the label {label}, from the key {key} of \
     the Secret {prefix}<user>",
    label = label::USER,
    prefix = secret::NEWAPI_KEY_PREFIX
)]
pub struct Missing {
    /// The variable.
    pub name: &'static str,
    key: &'static str,
}

/// NewAPI as the variables that `lookup` knows describe it.
pub fn newapi_from(
    lookup: impl Fn(&str) -> Option<String>,
    ca_file: Option<&Path>,
) -> Result<NewApi, SettingsError> {
    let variable = |name, key| {
        lookup(name).filter(|text| !text.trim().is_empty()).ok_or(Missing { name, key })
    };
    let base = variable(env::NEWAPI_BASE_URL, secret::NEWAPI_BASE_URL_KEY);
    let key = variable(env::NEWAPI_KEY, secret::NEWAPI_KEY_KEY);
    let (base, key) = match (base, key) {
        (Ok(base), Ok(key)) => (base, key),
        (base, key) => {
            let missing = base.err().into_iter().chain(key.err()).collect();
            return Err(SettingsError::Missing(missing));
        }
    };
    let key = ApiKey::parse(&key).map_err(|source| SettingsError::Key { source })?;
    let roots = trust(ca_file).map_err(SettingsError::CaFile)?;
    NewApi::new(&base, key, roots).map_err(|source| SettingsError::BaseUrl { source })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn error(variables: &[(&str, &str)]) -> String {
        let lookup = |name: &str| {
            variables.iter().find(|(key, _)| *key == name).map(|(_, value)| (*value).to_owned())
        };
        newapi_from(lookup, None).unwrap_err().to_string()
    }

    #[test]
    fn every_missing_variable_is_named_with_its_source() {
        assert_eq!(
            error(&[]),
            "NEWAPI_BASE_URL is not set: the webhook sets it in pods with the label \
             catalyst.openova.io/openclaw-user, from the key base-url of the Secret \
             newapi-key-<user>; \
             NEWAPI_KEY is not set: the webhook sets it in pods with the label \
             catalyst.openova.io/openclaw-user, from the key api-key of the Secret \
             newapi-key-<user>"
        );
        let empty = error(&[("NEWAPI_BASE_URL", "http://newapi"), ("NEWAPI_KEY", " \n")]);
        assert!(empty.starts_with("NEWAPI_KEY is not set"), "{empty}");
        assert!(!empty.contains("NEWAPI_BASE_URL"), "{empty}");
    }

    #[test]
    fn a_wrong_value_is_named_but_a_key_is_not_shown() {
        let url = error(&[("NEWAPI_BASE_URL", "newapi:3000"), ("NEWAPI_KEY", "sk-1")]);
        assert!(url.contains("NEWAPI_BASE_URL") && url.contains("newapi:3000"), "{url}");
        let key = error(&[("NEWAPI_BASE_URL", "http://newapi"), ("NEWAPI_KEY", "sk 1\n2")]);
        assert!(key.starts_with("NEWAPI_KEY: ") && !key.contains("sk"), "{key}");
    }

    #[test]
    fn the_help_names_the_variables_of_the_contract() {
        for name in [env::NEWAPI_BASE_URL, env::NEWAPI_KEY, secret::NEWAPI_KEY_PREFIX] {
            assert!(HELP.contains(name), "{name}");
        }
    }
}
