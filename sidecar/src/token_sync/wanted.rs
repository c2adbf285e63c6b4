//! What the file has to say, from the command line and the environment.

use std::ffi::OsString;

use contract::{UserId, env, newapi};
use http::{Uri, uri::Scheme};

use super::Args;
use crate::gateway_auth::GatewayAuth;

/// How OpenClaw begins a reference to a variable within a string.
const REFERENCE: &str = "${";

/// What has to stand in the file.
pub(super) struct Wanted {
    pub(super) gateway: Gateway,
    /// NewAPI's address, if token-sync was told one.
    pub(super) newapi: Option<ProviderUrl>,
}

/// How the sidecar will present itself to the runtime.
pub(super) enum Gateway {
    Token(Token),
    TrustedProxy(UserId),
    /// Not ours to say.
    LeftAlone,
}

/// A gateway token, trimmed. A secret: it does not print.
pub(super) struct Token(String);

/// NewAPI's address with `/v1` exactly once, as OpenClaw's providers want it.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct ProviderUrl(String);

/// A variable that token-sync cannot use. None of the texts repeats a secret.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum EnvironmentError {
    #[error(
        "{0} is not set: it comes from a Secret, by a secretKeyRef of the token-sync container"
    )]
    Missing(&'static str),
    #[error("{0} is empty: the Secret it comes from has an empty value under that key")]
    Empty(&'static str),
    #[error("{0} is not UTF-8")]
    NotUtf8(&'static str),
    /// It would be refused as an HTTP header, or cut at the white space.
    #[error("{0} holds white space, a control character or a character outside ASCII")]
    NotAToken(&'static str),
    /// OpenClaw would replace it by another text.
    #[error("{0} holds `{REFERENCE}`, which OpenClaw reads as a reference to a variable")]
    Reference(&'static str),
    /// It is kept in a file that more people see than the Secret.
    #[error("{0} holds a user name or password (`@`); the key alone identifies the user")]
    Credentials(&'static str),
    #[error("{name}={value:?} is not a base URL like http://newapi:3000: {why}")]
    NotAUrl { name: &'static str, value: String, why: &'static str },
}

impl Wanted {
    /// `variable` is the environment.
    pub(super) fn new(
        args: &Args,
        variable: impl Fn(&'static str) -> Option<OsString>,
    ) -> Result<Self, EnvironmentError> {
        let gateway = match (args.gateway_auth, &args.user) {
            (GatewayAuth::Token, _) => {
                let name = env::OPENCLAW_GATEWAY_TOKEN;
                let value = variable(name).ok_or(EnvironmentError::Missing(name))?;
                Gateway::Token(Token::new(name, &text(name, value)?)?)
            }
            (GatewayAuth::TrustedProxy, Some(user)) => Gateway::TrustedProxy(user.clone()),
            // Without a user there is no mode trusted-proxy: clap has seen to that.
            (GatewayAuth::TrustedProxy, None) | (GatewayAuth::None, _) => Gateway::LeftAlone,
        };
        let name = env::NEWAPI_BASE_URL;
        let newapi =
            variable(name).map(|value| ProviderUrl::new(name, &text(name, value)?)).transpose()?;
        Ok(Self { gateway, newapi })
    }
}

impl Token {
    fn new(name: &'static str, value: &str) -> Result<Self, EnvironmentError> {
        let token = value.trim();
        if token.is_empty() {
            return Err(EnvironmentError::Empty(name));
        }
        if !token.bytes().all(|byte| byte.is_ascii_graphic()) {
            return Err(EnvironmentError::NotAToken(name));
        }
        if token.contains(REFERENCE) {
            return Err(EnvironmentError::Reference(name));
        }
        Ok(Self(token.to_owned()))
    }

    /// The secret itself, to be written and for nothing else.
    pub(super) fn expose(&self) -> &str {
        &self.0
    }
}

impl ProviderUrl {
    fn new(name: &'static str, value: &str) -> Result<Self, EnvironmentError> {
        let base = newapi::base(value);
        if base.is_empty() {
            return Err(EnvironmentError::Empty(name));
        }
        if base.contains(REFERENCE) {
            return Err(EnvironmentError::Reference(name));
        }
        // Before anything that repeats the value.
        if base.contains('@') {
            return Err(EnvironmentError::Credentials(name));
        }
        let refused = |why| EnvironmentError::NotAUrl { name, value: base.to_owned(), why };
        if base.contains(['?', '#']) {
            return Err(refused("a path is joined to it, so it has no query and no fragment"));
        }
        let uri: Uri = base.parse().map_err(|_| refused("it is not a URL"))?;
        if !matches!(uri.scheme(), Some(scheme) if [Scheme::HTTP, Scheme::HTTPS].contains(scheme)) {
            return Err(refused("it begins with neither http:// nor https://"));
        }
        if uri.host().is_none_or(str::is_empty) {
            return Err(refused("it names no host"));
        }
        Ok(Self(format!("{base}/v1")))
    }

    pub(super) fn as_str(&self) -> &str {
        &self.0
    }
}

fn text(name: &'static str, value: OsString) -> Result<String, EnvironmentError> {
    value.into_string().map_err(|_| EnvironmentError::NotUtf8(name))
}

#[cfg(test)]
mod tests {
    use super::{EnvironmentError, ProviderUrl, Token};

    #[test]
    fn a_token_is_trimmed_and_otherwise_taken_as_it_is() {
        let token = |text| Token::new("T", text).map(|token| token.expose().to_owned());
        assert_eq!(token(" \n a\"b\\c$'{}~ \r\n").unwrap(), "a\"b\\c$'{}~");
        for empty in ["", " ", "\n", "\t\r\n"] {
            assert_eq!(token(empty), Err(EnvironmentError::Empty("T")), "{empty:?}");
        }
        for bad in ["two words", "a\nb", "a\0b", "tökén", "a\u{7f}"] {
            assert_eq!(token(bad), Err(EnvironmentError::NotAToken("T")), "{bad:?}");
        }
        assert_eq!(token("a${HOME}"), Err(EnvironmentError::Reference("T")));
    }

    #[test]
    fn no_error_repeats_a_token() {
        for bad in ["geheim geheim", "${geheim}"] {
            let error = Token::new("T", bad).map(|_| ()).unwrap_err();
            assert!(!format!("{error} {error:?}").contains("geheim"));
        }
    }

    #[test]
    fn a_base_url_gets_v1_exactly_once() {
        for (given, url) in [
            ("http://newapi:3000", "http://newapi:3000/v1"),
            ("http://newapi:3000/v1", "http://newapi:3000/v1"),
            (" https://newapi.example/team/v1/ \n", "https://newapi.example/team/v1"),
            ("http://[::1]:3000/", "http://[::1]:3000/v1"),
        ] {
            assert_eq!(ProviderUrl::new("U", given).unwrap().as_str(), url);
        }
    }

    #[test]
    fn what_is_no_base_url_is_named_with_the_reason() {
        for (given, reason) in [
            ("", "is empty"),
            ("/v1", "is empty"),
            ("newapi:3000", "begins with neither"),
            ("ftp://newapi", "begins with neither"),
            ("http://", "begins with neither"),
            ("http://:3000", "names no host"),
            ("http://new api", "not a URL"),
            ("http://newapi?key=1", "no query"),
            ("http://newapi#v1", "no fragment"),
            ("http://${HOST}", "reference to a variable"),
        ] {
            let error = ProviderUrl::new("NEWAPI", given).unwrap_err().to_string();
            assert!(error.starts_with("NEWAPI") && error.contains(reason), "{given:?}: {error}");
        }
        let error = ProviderUrl::new("U", "http://me:geheim@newapi").unwrap_err();
        assert!(!format!("{error} {error:?}").contains("geheim"));
    }
}
