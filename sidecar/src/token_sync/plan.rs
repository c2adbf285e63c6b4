//! What changes in the file: text in, text out.
//!
//! How the gateway is reached and the provider `newapi` are the platform's, all else the user's. Of the
//! allowed origins some are the one's and some the other's.

use contract::{UserId, env};
use serde_json::{Value, json};

use super::{
    json5::{self, EditError, Node, SyntaxError},
    origins::{ALLOWED_ORIGINS, Origins},
    wanted::{Gateway, Wanted},
};
use crate::gateway_auth::USER_HEADER;

const BIND: &[&str] = &["gateway", "bind"];
const AUTH_MODE: &[&str] = &["gateway", "auth", "mode"];
const AUTH_TOKEN: &[&str] = &["gateway", "auth", "token"];
/// The credential of OpenClaw's own command line in the pod.
const REMOTE_TOKEN: &[&str] = &["gateway", "remote", "token"];
const TRUSTED_PROXY: &[&str] = &["gateway", "auth", "trustedProxy"];
const TRUSTED_PROXIES: &[&str] = &["gateway", "trustedProxies"];
const PROVIDER_KEY: &[&str] = &["models", "providers", "newapi", "apiKey"];
const PROVIDER_URL: &[&str] = &["models", "providers", "newapi", "baseUrl"];

/// Where the sidecar connects from.
const LOOPBACK: [&str; 2] = ["127.0.0.1", "::1"];

/// A file as it should be, and what that took.
#[derive(Debug)]
pub(super) struct Plan {
    pub(super) text: String,
    pub(super) origins: Effect,
    pub(super) newapi: Effect,
    pub(super) bind: Effect,
    pub(super) gateway: Effect,
}

/// What became of one concern.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Effect {
    Matches,
    Written,
    /// Not touched, for this reason.
    LeftAlone(&'static str),
}

impl Plan {
    /// Makes `text` say what is wanted.
    pub(super) fn new(text: &str, wanted: &Wanted, origins: &Origins) -> Result<Self, EditError> {
        // Also where nothing is to be written: a broken file is better named here than by a runtime
        // that does not start.
        json5::parse(text)?;
        let mut draft = Draft(text.to_owned());
        let newapi = match &wanted.newapi {
            None => Effect::LeftAlone("NEWAPI_BASE_URL is not set"),
            Some(_) if !draft.provider_is_ours()? => {
                Effect::LeftAlone("models.providers.newapi is absent or has a key of its own")
            }
            Some(url) => draft.write(|draft| draft.set(PROVIDER_URL, &url.as_str().into()))?,
        };
        let gateway = match &wanted.gateway {
            Gateway::Token(token) => draft.write(|draft| draft.token(&token.expose().into()))?,
            Gateway::TrustedProxy(user) => draft.write(|draft| draft.trusted_proxy(user))?,
            Gateway::LeftAlone => Effect::LeftAlone(NOT_OURS),
        };
        let (bind, origins) = match &wanted.gateway {
            Gateway::LeftAlone => (Effect::LeftAlone(NOT_OURS), Effect::LeftAlone(NOT_OURS)),
            _ => {
                (draft.write(|draft| draft.set(BIND, &"loopback".into()))?, draft.origins(origins)?)
            }
        };
        Ok(Self { text: draft.0, origins, newapi, bind, gateway })
    }
}

const NOT_OURS: &str = "gateway-auth is none";

/// The text on its way.
struct Draft(String);

impl Draft {
    /// OpenClaw takes the token in the file before the one in the environment, so an old one in a
    /// volume has to go.
    fn token(&mut self, token: &Value) -> Result<(), EditError> {
        if self.means(AUTH_MODE, &"trusted-proxy".into())? {
            self.leave_trusted_proxy()?;
        }
        // Absent means token. Any other mode would not accept what the sidecar sends.
        if self.has(AUTH_MODE)? {
            self.set(AUTH_MODE, &"token".into())?;
        }
        self.set(AUTH_TOKEN, token)?;
        if self.has(REMOTE_TOKEN)? {
            self.set(REMOTE_TOKEN, token)?;
        }
        Ok(())
    }

    /// Takes back what [`Self::trusted_proxy`] wrote: with loopback among the trusted proxies, and
    /// without the headers that only that mode sends, OpenClaw answers every request with 403.
    fn leave_trusted_proxy(&mut self) -> Result<(), SyntaxError> {
        self.remove(TRUSTED_PROXY)?;
        if self.means(TRUSTED_PROXIES, &json!(LOOPBACK))? {
            self.remove(TRUSTED_PROXIES)?;
        }
        Ok(())
    }

    /// Whatever else stands in `trustedProxy` stays: which scopes a new browser gets, for one, is
    /// for the seed and the user to say.
    fn trusted_proxy(&mut self, user: &UserId) -> Result<(), EditError> {
        let mut set = |key: &[&str], value: Value| self.set(&[TRUSTED_PROXY, key].concat(), &value);
        set(&["userHeader"], USER_HEADER.as_str().into())?;
        set(&["allowUsers"], json!([user.as_str()]))?;
        set(&["allowLoopback"], true.into())?;
        let approve = [TRUSTED_PROXY, &["deviceAutoApprove", "enabled"]].concat();
        if !self.has(&approve)? {
            self.set(&approve, &true.into())?;
        }
        self.set(AUTH_MODE, &"trusted-proxy".into())?;
        self.set(TRUSTED_PROXIES, &json!(LOOPBACK))?;
        // The two exclude each other: with a token OpenClaw does not start.
        self.remove(AUTH_TOKEN)?;
        Ok(())
    }

    /// Adds the origins that are missing.
    fn origins(&mut self, origins: &Origins) -> Result<Effect, EditError> {
        let wanted = match origins {
            Origins::Named(wanted) => wanted,
            Origins::Unknown(reason) => return Ok(Effect::LeftAlone(reason)),
        };
        let root = json5::parse(&self.0)?;
        let Some(list) = root.at(ALLOWED_ORIGINS) else {
            return self.write(|draft| draft.set(ALLOWED_ORIGINS, &json!(wanted)));
        };
        let Some(present) = list.as_array() else {
            return Ok(Effect::LeftAlone("gateway.controlUi.allowedOrigins is no list"));
        };
        let present: Vec<_> = present.iter().filter_map(Node::as_str).collect();
        let wanted = wanted.iter().map(String::as_str);
        let missing: Vec<_> = wanted.filter(|origin| !present.contains(origin)).collect();
        if missing.is_empty() {
            return Ok(Effect::Matches);
        }
        self.0 = json5::prepend(&self.0, ALLOWED_ORIGINS, &missing)?;
        Ok(Effect::Written)
    }

    /// Whether the provider is the one that the seed made: its address refers to ours, or its key
    /// does. A key must not go to another address than its own, so an address beside our key is
    /// ours as well, be it one we wrote earlier. A user who wants another address has another key.
    fn provider_is_ours(&self) -> Result<bool, SyntaxError> {
        let root = json5::parse(&self.0)?;
        let refers = |path: &[&str], name: &str| {
            let value = root.at(path).and_then(|node| node.as_str());
            value.is_some_and(|value| value.contains(&format!("${{{name}}}")))
        };
        Ok(refers(PROVIDER_URL, env::NEWAPI_BASE_URL) || refers(PROVIDER_KEY, env::NEWAPI_KEY))
    }

    fn write(
        &mut self,
        change: impl FnOnce(&mut Self) -> Result<(), EditError>,
    ) -> Result<Effect, EditError> {
        let before = self.0.clone();
        change(self)?;
        Ok(if self.0 == before { Effect::Matches } else { Effect::Written })
    }

    fn has(&self, path: &[&str]) -> Result<bool, SyntaxError> {
        Ok(json5::parse(&self.0)?.at(path).is_some())
    }

    fn means(&self, path: &[&str], value: &Value) -> Result<bool, SyntaxError> {
        let root = json5::parse(&self.0)?;
        Ok(root.at(path).is_some_and(|node| node.means(&self.0, value)))
    }

    fn set(&mut self, path: &[&str], value: &Value) -> Result<(), EditError> {
        self.0 = json5::set(&self.0, path, value)?;
        Ok(())
    }

    fn remove(&mut self, path: &[&str]) -> Result<(), SyntaxError> {
        self.0 = json5::remove(&self.0, path)?;
        Ok(())
    }
}
