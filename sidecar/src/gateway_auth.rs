//! How the sidecar presents itself to the runtime, once the user's own token has served.

use std::{
    fmt,
    net::{IpAddr, Ipv4Addr},
    sync::Arc,
};

use contract::{UserId, env};
use edge::proxy::FirstMessage;
use http::{HeaderMap, HeaderName, HeaderValue, header};

use crate::openclaw::ConnectFrame;

/// The annotation `gateway-auth`, and the flag `--gateway-auth`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
pub enum GatewayAuth {
    #[default]
    /// `Authorization: Bearer` with the gateway token of `OPENCLAW_GATEWAY_TOKEN`; the same token in the
    /// first message of a WebSocket that connects to OpenClaw
    Token,
    /// The user's id in `X-Forwarded-User`, for OpenClaw's mode `trusted-proxy`
    TrustedProxy,
    /// Nothing: the user's token is removed, and nothing is put in its place
    None,
}

/// Names the user in mode [`GatewayAuth::TrustedProxy`]; OpenClaw's `trustedProxy.userHeader`.
pub const USER_HEADER: HeaderName = HeaderName::from_static("x-forwarded-user");

/// Names the client's address in the same mode.
const CLIENT_HEADER: HeaderName = HeaderName::from_static("x-forwarded-for");

/// An address of nobody (RFC 5737). OpenClaw refuses a trusted proxy whose client is on loopback,
/// which is where `kubectl port-forward` comes from.
const NOBODY: IpAddr = IpAddr::V4(Ipv4Addr::new(192, 0, 2, 1));

/// The gateway token cannot be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum GatewayTokenError {
    /// Unset, empty or blank.
    #[error("{} is empty, and --gateway-auth token needs it", env::OPENCLAW_GATEWAY_TOKEN)]
    Missing,
    /// Characters that no header can carry.
    #[error("{} contains characters that a header cannot carry", env::OPENCLAW_GATEWAY_TOKEN)]
    Unprintable,
}

/// What the runtime trusts. Its secrets do not print.
#[derive(Clone)]
pub enum Credentials {
    /// The whole value of `Authorization`, and the same for OpenClaw's WebSocket.
    Token(HeaderValue, Arc<ConnectFrame>),
    /// The whole value of [`USER_HEADER`].
    TrustedProxy(HeaderValue),
    /// Nothing.
    None,
}

impl Credentials {
    /// Prepares the headers once. `token` is the value of `OPENCLAW_GATEWAY_TOKEN`, trimmed as
    /// token-sync trims it.
    ///
    /// # Errors
    /// When the mode needs a token and there is no usable one.
    pub fn new(
        mode: GatewayAuth,
        user: &UserId,
        token: Option<&str>,
    ) -> Result<Self, GatewayTokenError> {
        match mode {
            GatewayAuth::Token => {
                let token = token.map(str::trim).filter(|token| !token.is_empty());
                let token = token.ok_or(GatewayTokenError::Missing)?;
                let connect = Arc::new(ConnectFrame::new(token.to_owned()));
                Ok(Self::Token(sensitive(&format!("Bearer {token}"))?, connect))
            }
            GatewayAuth::TrustedProxy => sensitive(user.as_str()).map(Self::TrustedProxy),
            GatewayAuth::None => Ok(Self::None),
        }
    }

    /// What they make of the first message of a WebSocket. A runtime that is no OpenClaw does not
    /// notice: its messages do not look like one of OpenClaw's.
    #[must_use]
    pub fn first_message(&self) -> Option<Arc<dyn FirstMessage>> {
        match self {
            Self::Token(_, connect) => Some(Arc::clone(connect) as Arc<dyn FirstMessage>),
            Self::TrustedProxy(_) | Self::None => None,
        }
    }

    /// The gateway token, if there is one.
    #[must_use]
    pub fn token(&self) -> Option<&str> {
        match self {
            Self::Token(_, connect) => Some(connect.token()),
            Self::TrustedProxy(_) | Self::None => None,
        }
    }

    /// Adds them to a request from which every header of that kind has been removed.
    pub fn present(&self, headers: &mut HeaderMap, client: Option<IpAddr>) {
        match self {
            Self::Token(value, _) => {
                headers.insert(header::AUTHORIZATION, value.clone());
            }
            Self::TrustedProxy(user) => {
                headers.insert(USER_HEADER, user.clone());
                let client = client.map(|ip| ip.to_canonical()).filter(|ip| !ip.is_loopback());
                if let Ok(client) = client.unwrap_or(NOBODY).to_string().parse() {
                    headers.insert(CLIENT_HEADER, client);
                }
            }
            Self::None => {}
        }
    }
}

fn sensitive(value: &str) -> Result<HeaderValue, GatewayTokenError> {
    let mut value = HeaderValue::from_str(value).map_err(|_| GatewayTokenError::Unprintable)?;
    value.set_sensitive(true);
    Ok(value)
}

impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Token(..) => "Token(..)",
            Self::TrustedProxy(_) => "TrustedProxy(..)",
            Self::None => "None",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ALICE: &str = "11111111-2222-4333-8444-555555555555";

    fn headers(mode: GatewayAuth, client: Option<&str>) -> Vec<(String, String)> {
        let credentials =
            Credentials::new(mode, &ALICE.parse().unwrap(), Some(" secret\n")).unwrap();
        let mut headers = HeaderMap::new();
        credentials.present(&mut headers, client.map(|ip| ip.parse().unwrap()));
        let text = |(name, value): (&HeaderName, &HeaderValue)| {
            (name.to_string(), value.to_str().unwrap().to_owned())
        };
        headers.iter().map(text).collect()
    }

    #[test]
    fn token_mode_sends_the_trimmed_token() {
        let expected = [("authorization".to_owned(), "Bearer secret".to_owned())];
        assert_eq!(headers(GatewayAuth::Token, None), expected);
        assert_eq!(headers(GatewayAuth::None, None), []);
    }

    #[test]
    fn trusted_proxy_names_the_user_and_a_client_that_is_not_loopback() {
        for (client, named) in [
            (Some("10.1.2.3"), "10.1.2.3"),
            (Some("::ffff:10.1.2.3"), "10.1.2.3"),
            (Some("fd00::7"), "fd00::7"),
            (Some("127.0.0.1"), "192.0.2.1"),
            (Some("::1"), "192.0.2.1"),
            (Some("::ffff:127.0.0.1"), "192.0.2.1"),
            (None, "192.0.2.1"),
        ] {
            let expected = [("x-forwarded-user", ALICE), ("x-forwarded-for", named)];
            let expected = expected.map(|(name, value)| (name.to_owned(), value.to_owned()));
            assert_eq!(headers(GatewayAuth::TrustedProxy, client), expected, "{client:?}");
        }
    }

    #[test]
    fn token_mode_needs_a_token() {
        let made = |token| {
            Credentials::new(GatewayAuth::Token, &ALICE.parse().unwrap(), token).map(|_| ())
        };
        assert_eq!(made(None), Err(GatewayTokenError::Missing));
        assert_eq!(made(Some(" \n")), Err(GatewayTokenError::Missing));
        assert_eq!(made(Some("a\nb")), Err(GatewayTokenError::Unprintable));
    }

    #[test]
    fn credentials_do_not_print() {
        let credentials =
            Credentials::new(GatewayAuth::Token, &ALICE.parse().unwrap(), Some("secret"));
        assert_eq!(format!("{:?}", credentials.unwrap()), "Token(..)");
    }
}
