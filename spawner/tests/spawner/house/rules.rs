//! What a house is configured with.

use std::time::Duration;

use clap::Parser as _;
use edge::{
    args::DrainArgs,
    client::Fetcher,
    oidc::{OidcArgs, Verifier, testing::Idp},
    readiness::Readiness,
    shutdown::Shutdown,
};
use spawner::{
    login::{LoginConfig, public_url},
    reap::{CooperativeSleep, Policy, WhenUnreachable},
    servers::ServerLimitArgs,
    setup::LoginSetup,
};

use super::{CONTROL, ORIGIN};
use crate::issuer;

/// What an operator configures. By default nothing sleeps, and there are no limits.
pub(crate) struct Rules {
    pub(crate) sleep: Policy,
    pub(crate) limits: ServerLimitArgs,
    pub(crate) start_timeout: Duration,
    pub(crate) drain: DrainArgs,
    pub(crate) control_url: Option<&'static str>,
    /// Whether homes last.
    pub(crate) homes: bool,
}

impl Default for Rules {
    fn default() -> Self {
        let start_timeout = Duration::from_secs(60);
        let (limits, drain) = (ServerLimitArgs::default(), DrainArgs::default());
        Self {
            sleep: awake(),
            limits,
            start_timeout,
            drain,
            control_url: Some(CONTROL),
            homes: true,
        }
    }
}

/// Rules by which nothing sleeps.
pub(crate) fn awake() -> Policy {
    Policy {
        idle_timeout: None,
        ws_idle: Duration::from_secs(3600),
        max_age: None,
        max_age_grace: Duration::from_secs(3600),
        when_unreachable: WhenUnreachable::Keep,
        cooperation: CooperativeSleep::Preferred,
    }
}

#[derive(clap::Parser)]
struct Oidc {
    #[command(flatten)]
    oidc: OidcArgs,
}

pub(super) fn verifier(readiness: &Readiness, issuer: &str) -> std::sync::Arc<Verifier> {
    let keys = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(keys.path(), Idp::shared().jwks().to_string()).unwrap();
    let file = keys.path().to_str().unwrap();
    let flags = [
        "test",
        "--issuer",
        issuer,
        "--leeway",
        "4s",
        "--audience",
        "openclaw",
        "--jwks-file",
        file,
    ];
    let Oidc { oidc } = Oidc::parse_from(flags);
    let (_, shutdown) = Shutdown::manual();
    Verifier::start(oidc, readiness.gate("keys"), shutdown).unwrap()
}

pub(super) fn login(readiness: &Readiness, control_url: Option<&str>) -> LoginSetup {
    let config = LoginConfig {
        public_url: public_url(ORIGIN).unwrap(),
        control_url: control_url.map(|url| public_url(url).unwrap()),
        client_id: issuer::CLIENT.to_owned(),
        client_secret: issuer::SECRET.into(),
        internal_issuer: None,
        cookie_keys_secret: "openclaw-cookie-keys".to_owned(),
    };
    LoginSetup {
        config,
        fetcher: Fetcher::new(None).unwrap(),
        keys_gate: readiness.gate("cookie keys"),
        signed_out_gate: readiness.gate("ended sessions"),
    }
}
