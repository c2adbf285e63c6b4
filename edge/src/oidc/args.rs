use std::{
    path::{Path, PathBuf},
    time::Duration,
};

use http::Uri;

use super::Policy;
use crate::args::interval;

/// Which tokens are accepted, and where the keys are.
#[derive(Clone, Debug, clap::Args)]
pub struct OidcArgs {
    #[command(flatten)]
    pub(super) policy: PolicyArgs,
    #[command(flatten)]
    pub(super) keys: KeyArgs,
}

/// Which tokens are accepted.
#[derive(Clone, Debug, clap::Args)]
#[command(next_help_heading = "Tokens")]
pub struct PolicyArgs {
    /// The issuer, exactly as in the claim `iss`: https://HOST/realms/REALM
    #[arg(long, env = "OIDC_ISSUER", value_name = "URL", value_parser = http_url)]
    issuer: String,

    /// What the claim `aud` must contain; Keycloak adds it with an audience mapper
    #[arg(long, env = "OIDC_AUDIENCE", value_name = "NAME", value_parser = clap::builder::NonEmptyStringValueParser::new())]
    audience: String,

    /// Accept only tokens that these clients asked for (claim `azp`); without it, any client's. `aud`
    /// is required either way
    #[arg(long = "authorized-party", env = "OIDC_AUTHORIZED_PARTIES", value_name = "CLIENT", value_delimiter = ',', value_parser = clap::builder::NonEmptyStringValueParser::new())]
    authorized_parties: Vec<String>,

    /// The claim that holds the user's UUID
    #[arg(long, env = "OIDC_USER_CLAIM", value_name = "CLAIM", default_value = "sub", value_parser = clap::builder::NonEmptyStringValueParser::new())]
    user_claim: String,

    /// How far the issuer's clock may differ from ours, at most 5m
    #[arg(long, env = "OIDC_LEEWAY", value_name = "TIME", default_value = "30s", value_parser = leeway)]
    leeway: Duration,

    /// Refuse tokens that live longer than this, from `iat` to `exp`
    #[arg(long, env = "OIDC_MAX_LIFETIME", value_name = "TIME", value_parser = humantime::parse_duration)]
    max_lifetime: Option<Duration>,
}

/// Where the issuer's keys are. Without a URL or a file the issuer's discovery document names it.
#[derive(Clone, Debug, clap::Args)]
#[command(next_help_heading = "Keys")]
pub struct KeyArgs {
    /// The key set, when the address in the discovery document cannot be reached from here
    #[arg(long, env = "OIDC_JWKS_URL", value_name = "URL", value_parser = http_url, conflicts_with = "jwks_file")]
    pub(super) jwks_url: Option<String>,

    /// A file with the key set, read again when it changes; then the issuer is never contacted
    #[arg(long, env = "OIDC_JWKS_FILE", value_name = "FILE")]
    pub(super) jwks_file: Option<PathBuf>,

    /// How often the key set is fetched; a removed key is refused after this time at the latest
    #[arg(long, env = "OIDC_JWKS_REFRESH", value_name = "TIME", default_value = "5m", value_parser = interval)]
    pub(super) jwks_refresh: Duration,

    /// How long keys stay in use while no new ones can be fetched
    #[arg(long, env = "OIDC_JWKS_MAX_AGE", value_name = "TIME", default_value = "24h", value_parser = humantime::parse_duration)]
    pub(super) jwks_max_age: Duration,

    /// PEM file of CA certificates to trust besides the public ones
    #[arg(long, env = "OIDC_CA_FILE", value_name = "FILE")]
    pub(super) ca_file: Option<PathBuf>,
}

impl OidcArgs {
    /// CA certificates to trust besides the public ones, for whatever else is asked of the issuer.
    #[must_use]
    pub fn ca_file(&self) -> Option<&Path> {
        self.keys.ca_file.as_deref()
    }
}

impl PolicyArgs {
    /// The policy that the flags describe.
    #[must_use]
    pub fn policy(self) -> Policy {
        let Self { issuer, audience, authorized_parties, user_claim, leeway, max_lifetime } = self;
        Policy { issuer, audience, authorized_parties, user_claim, leeway, max_lifetime }
    }
}

fn http_url(text: &str) -> Result<String, String> {
    let url: Uri = text.parse().map_err(|error| format!("not a URL: {error}"))?;
    match url.scheme_str() {
        Some("http" | "https") => Ok(text.to_owned()),
        _ => Err("must begin with https:// or http://".to_owned()),
    }
}

/// More than this is no difference of clocks, and would give every token a second life.
const LONGEST_LEEWAY: Duration = Duration::from_secs(5 * 60);

/// Reads a leeway: how far the issuer's clock may differ.
///
/// # Errors
/// It is no time, or more than 5 minutes.
pub fn leeway(text: &str) -> Result<Duration, String> {
    let time = humantime::parse_duration(text).map_err(|error| error.to_string())?;
    if time <= LONGEST_LEEWAY { Ok(time) } else { Err("must be at most 5m".to_owned()) }
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Debug, Parser)]
    struct Program {
        #[command(flatten)]
        oidc: OidcArgs,
    }

    fn parse(more: &[&str]) -> Result<OidcArgs, String> {
        let needed =
            ["program", "--issuer", "https://id.example/realms/acme", "--audience", "openclaw"];
        let parsed = Program::try_parse_from(needed.iter().chain(more));
        parsed.map(|program| program.oidc).map_err(|error| error.to_string())
    }

    #[test]
    fn the_defaults_are_those_of_the_design() {
        let policy = parse(&[]).unwrap().policy.policy();
        assert_eq!(policy.user_claim, "sub");
        assert!(policy.authorized_parties.is_empty());
        assert_eq!(policy.leeway, Duration::from_secs(30));
        assert_eq!(policy.max_lifetime, None);
    }

    #[test]
    fn mistakes_name_the_flag_and_the_value() {
        for (flags, flag, value) in [
            (&["--jwks-url", "keycloak:8080/certs"][..], "--jwks-url", "keycloak:8080/certs"),
            (&["--jwks-refresh", "0s"], "--jwks-refresh", "0s"),
            (&["--leeway", "30 parsecs"], "--leeway", "30 parsecs"),
            (&["--leeway", "301s"], "--leeway", "at most 5m"),
            (&["--authorized-party", ""], "--authorized-party", "--authorized-party"),
            (
                &["--jwks-url", "http://k/certs", "--jwks-file", "keys.json"],
                "--jwks-url",
                "--jwks-file",
            ),
        ] {
            let error = parse(flags).unwrap_err();
            assert!(error.contains(flag) && error.contains(value), "{error}");
        }
    }
}
