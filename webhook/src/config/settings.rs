//! What a pod may override by annotation, and the defaults that the configuration sets for it.

use std::{fmt, str::FromStr};

use contract::{pod, port};
use serde::{Deserialize, Serialize};

use crate::quantity::Quantity;

/// How one pod is injected.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Settings {
    /// Port on which the runtime listens on loopback.
    pub upstream_port: u16,
    /// How the sidecar presents itself to the runtime.
    pub gateway_auth: GatewayAuth,
    /// Whether the token-sync init container is injected.
    pub token_sync: TokenSync,
    /// What token-sync does with an `openclaw.json` that is not valid. There is no default to configure:
    /// to lose what a file says is a decision about single pods.
    #[serde(skip)]
    pub broken_config: BrokenConfig,
    /// `openclaw.json` in the runtime container.
    pub config_path: ConfigPath,
    /// Of the auth sidecar.
    pub resources: Resources,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            upstream_port: port::RUNTIME,
            gateway_auth: GatewayAuth::Token,
            token_sync: TokenSync::Enabled,
            broken_config: BrokenConfig::Refuse,
            config_path: ConfigPath(pod::CONFIG_PATH.to_owned()),
            resources: Resources::default(),
        }
    }
}

/// How the sidecar presents itself to the runtime.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum GatewayAuth {
    /// With the gateway token instead of the user's.
    Token,
    /// With headers that name the user; excludes a gateway token.
    TrustedProxy,
    /// Not at all.
    None,
}

impl GatewayAuth {
    /// The word in annotations, flags and the configuration.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Token => "token",
            Self::TrustedProxy => "trusted-proxy",
            Self::None => "none",
        }
    }
}

/// Whether the token-sync init container is injected.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum TokenSync {
    Enabled,
    Disabled,
}

/// What token-sync does with an `openclaw.json` that is not valid.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BrokenConfig {
    /// The pod does not start.
    Refuse,
    /// It is kept aside, and a new one made from the seed.
    Reseed,
}

/// The text is none of the allowed words, or breaks the rules of its kind.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("must be {0}")]
pub struct NotAllowed(pub(super) &'static str);

impl FromStr for GatewayAuth {
    type Err = NotAllowed;

    fn from_str(text: &str) -> Result<Self, NotAllowed> {
        [Self::Token, Self::TrustedProxy, Self::None]
            .into_iter()
            .find(|mode| mode.as_str() == text)
            .ok_or(NotAllowed("token, trusted-proxy or none"))
    }
}

impl FromStr for TokenSync {
    type Err = NotAllowed;

    fn from_str(text: &str) -> Result<Self, NotAllowed> {
        match text {
            "enabled" => Ok(Self::Enabled),
            "disabled" => Ok(Self::Disabled),
            _ => Err(NotAllowed("enabled or disabled")),
        }
    }
}

impl FromStr for BrokenConfig {
    type Err = NotAllowed;

    fn from_str(text: &str) -> Result<Self, NotAllowed> {
        match text {
            "refuse" => Ok(Self::Refuse),
            "reseed" => Ok(Self::Reseed),
            _ => Err(NotAllowed("refuse or reseed")),
        }
    }
}

/// An absolute path to a file, in its one spelling: it is compared with mount paths.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ConfigPath(String);

impl ConfigPath {
    /// The path.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// What is left of the path below `mount`; empty when `mount` is the file itself.
    #[must_use]
    pub fn below(&self, mount: &str) -> Option<&str> {
        let rest = self.0.strip_prefix(mount.trim_end_matches('/'))?;
        (rest.is_empty() || rest.starts_with('/')).then(|| rest.trim_start_matches('/'))
    }
}

/// The longest path that Linux takes, in bytes.
const PATH_MAX: usize = 4096;

impl FromStr for ConfigPath {
    type Err = NotAllowed;

    fn from_str(text: &str) -> Result<Self, NotAllowed> {
        let rule = NotAllowed("the absolute path of a file, in its shortest form");
        let parts = text.strip_prefix('/').ok_or(rule)?;
        let one_spelling = parts.split('/').all(|part| !matches!(part, "" | "." | ".."));
        let printable = !text.chars().any(char::is_control);
        if one_spelling && printable && text.len() < PATH_MAX {
            Ok(Self(text.to_owned()))
        } else {
            Err(rule)
        }
    }
}

/// Requests and limits of an injected container.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase", deny_unknown_fields)]
pub struct Resources {
    pub cpu_request: Quantity,
    pub cpu_limit: Quantity,
    pub memory_request: Quantity,
    pub memory_limit: Quantity,
}

impl Resources {
    /// What contradicts itself, in words.
    #[must_use]
    pub fn problems(&self) -> Vec<String> {
        let pairs = [
            ("cpu", &self.cpu_request, &self.cpu_limit),
            ("memory", &self.memory_request, &self.memory_limit),
        ];
        let exceeds = |&(_, request, limit): &(&str, &Quantity, &Quantity)| request > limit;
        let words = |(what, request, limit): (&str, &Quantity, &Quantity)| {
            format!("{what} request {request} exceeds its limit {limit}")
        };
        pairs.into_iter().filter(exceeds).map(words).collect()
    }
}

impl Default for Resources {
    /// A proxy that idles: the request is what it needs at rest, the limit what a burst may take.
    fn default() -> Self {
        Self {
            cpu_request: Quantity::milli(10),
            cpu_limit: Quantity::milli(500),
            memory_request: Quantity::mebi(16),
            memory_limit: Quantity::mebi(64),
        }
    }
}

impl fmt::Display for GatewayAuth {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_default_resources_are_consistent() {
        assert_eq!(Resources::default().problems(), Vec::<String>::new());
    }

    #[test]
    fn a_path_has_one_spelling() {
        for bad in ["", "/", "a/b", "/a/", "/a//b", "/a/./b", "/a/../b", "/a\nb"] {
            assert!(bad.parse::<ConfigPath>().is_err(), "{bad:?}");
        }
        assert_eq!(pod::CONFIG_PATH.parse(), Ok(Settings::default().config_path));
    }

    #[test]
    fn a_path_is_below_whole_components_only() {
        let path: ConfigPath = "/home/node/.openclaw/openclaw.json".parse().unwrap();
        assert_eq!(path.below("/home/node/"), Some(".openclaw/openclaw.json"));
        assert_eq!(path.below("/home/no"), None);
        assert_eq!(path.below("/"), Some("home/node/.openclaw/openclaw.json"));
        assert_eq!(path.below("/home/node/.openclaw/openclaw.json"), Some(""));
        assert_eq!(path.below("/data"), None);
    }
}
