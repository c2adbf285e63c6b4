//! The webhook's configuration: one YAML file, checked as a whole before any port is bound.

mod check;
mod file;
mod settings;
mod watch;

use std::path::{Path, PathBuf};

use serde::Serialize;
use sha2::{Digest, Sha256};

use crate::authority::Lives;

pub use self::{
    file::PullPolicy,
    settings::{BrokenConfig, ConfigPath, GatewayAuth, NotAllowed, Resources, Settings, TokenSync},
    watch::{Reload, Watched},
};

/// A checked configuration.
#[derive(Clone, Debug)]
pub struct Config {
    /// What decides how a pod is injected.
    pub injection: Injection,
    /// Namespaces whose pods are left alone, label or not.
    pub excluded_namespaces: Vec<String>,
    /// Where the serving certificate comes from. Offline commands need none.
    pub tls: Option<Tls>,
    /// Of [`Self::injection`], in [`contract::annotation::INJECTED`].
    pub hash: String,
}

/// What decides how a pod is injected. Everything in it, and nothing else, makes the hash.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Injection {
    /// Image of the auth sidecar and of token-sync.
    pub image: String,
    pub pull_policy: PullPolicy,
    pub oidc: Oidc,
    pub gateway: GatewayToken,
    /// ConfigMap in the tenant namespace with the seed of `openclaw.json`.
    pub seed_config_map: Option<String>,
    /// For pods without annotations.
    pub defaults: Settings,
}

/// What the sidecar accepts as a token.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Oidc {
    pub issuer: String,
    /// Where the keys are, when the issuer's own address does not answer inside the cluster.
    pub jwks_url: Option<String>,
    pub audience: String,
    pub user_claim: String,
    /// What follows is the sidecar's own default where it is not there, and is then no part of the hash.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub authorized_parties: Vec<String>,
    /// As it was written, since the policy on the final pod compares it: `30s`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub leeway: Option<String>,
    /// As it was written.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_token_lifetime: Option<String>,
    /// The client whose back-channel logouts end sessions.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub logout_client: Option<String>,
    /// ConfigMap in the pod's namespace with the CA of the issuer, beside the public ones.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ca_config_map: Option<String>,
}

/// Which Secret holds a pod's gateway token.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub enum GatewayToken {
    /// One for each user.
    PerUser,
    /// This one for all.
    Shared(String),
}

/// How admissions are served over TLS.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tls {
    /// Where the serving certificate comes from.
    pub source: TlsSource,
    /// CAs (PEM) of clients: without a certificate signed by one of them nobody is let in.
    pub client_ca: Option<PathBuf>,
}

/// Where the serving certificate comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TlsSource {
    /// From the webhook's own CA.
    Own(Own),
    /// From files, re-read when their content changes. cert-manager mounts them as well.
    Files(Files),
}

/// A serving certificate that somebody else renews.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Files {
    /// The chain, leaf first.
    pub cert: PathBuf,
    pub key: PathBuf,
    /// What the API server trusts, where that is known here too.
    pub trusted: Option<Trusted>,
}

/// What the API server trusts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Trusted {
    /// PEM, as in the `caBundle`.
    pub ca: PathBuf,
    /// As the API server calls the webhook: `<service>.<namespace>.svc`.
    pub name: String,
}

/// What the webhook's own CA has to know.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Own {
    /// Secret that holds the CA, shared by all replicas.
    pub secret: String,
    /// MutatingWebhookConfiguration whose `caBundle` is kept up to date.
    pub webhook_configuration: String,
    /// Service through which the API server calls.
    pub service: String,
    /// Namespace of Secret and Service.
    pub namespace: String,
    /// How long its certificates last.
    pub lives: Lives,
}

/// The configuration cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    #[error("cannot read {path}")]
    Read { path: PathBuf, source: std::io::Error },
    /// YAML that is none, an unknown key, a value of a wrong type: with its line.
    #[error("{0}")]
    Syntax(String),
    /// Every value that cannot be, with its key.
    #[error("{}", .0.join("; "))]
    Invalid(Vec<String>),
}

impl Config {
    /// Reads and checks the file at `path`.
    pub fn load(path: &Path) -> Result<Self, ConfigError> {
        read(path)?.parse()
    }
}

fn read(path: &Path) -> Result<String, ConfigError> {
    std::fs::read_to_string(path)
        .map_err(|source| ConfigError::Read { path: path.to_owned(), source })
}

impl std::str::FromStr for Config {
    type Err = ConfigError;

    fn from_str(text: &str) -> Result<Self, ConfigError> {
        let file = serde_norway::from_str(text).map_err(|error| syntax(&error))?;
        check::config(file).map_err(ConfigError::Invalid)
    }
}

impl Injection {
    /// 12 hex digits of the SHA-256 of everything in it.
    fn hash(&self) -> String {
        // Serializing plain structs of strings and numbers to memory cannot fail.
        let bytes = serde_json::to_vec(self).unwrap_or_default();
        let digest = Sha256::digest(&bytes);
        digest.iter().take(6).map(|byte| format!("{byte:02x}")).collect()
    }
}

/// The parser's own words, and what was probably meant.
fn syntax(error: &serde_norway::Error) -> ConfigError {
    let words = error.to_string();
    // serde says: unknown field `X`, expected one of `A`, `B`. There is no structured form of it;
    // should the wording change, only the suggestion is lost.
    let mut names = words.split('`').skip(1).step_by(2);
    let suggestion = match names.next() {
        Some(unknown) if words.contains("unknown ") => nearest(unknown, &names.collect::<Vec<_>>())
            .map(|near| format!("; did you mean `{near}`?")),
        _ => None,
    };
    ConfigError::Syntax(words.clone() + &suggestion.unwrap_or_default())
}

/// How many slips of the keyboard make a likely misspelling.
const SLIPS: usize = 3;

/// The candidate that `word` is probably a misspelling of.
#[must_use]
pub fn nearest<'c>(word: &str, candidates: &[&'c str]) -> Option<&'c str> {
    let slips = |candidate: &&&str| strsim::damerau_levenshtein(word, candidate);
    let near = candidates.iter().min_by_key(slips)?;
    let distance = strsim::damerau_levenshtein(word, near);
    (distance <= SLIPS && distance < near.chars().count()).then_some(near)
}

#[cfg(test)]
mod tests {
    use super::*;

    const MINIMAL: &str = "
sidecar: {image: registry/sidecar:1}
oidc: {issuer: https://id.example/realms/acme, audience: openclaw}
";

    fn load(extra: &str) -> Result<Config, ConfigError> {
        format!("{MINIMAL}{extra}").parse()
    }

    fn problem(extra: &str) -> String {
        load(extra).unwrap_err().to_string()
    }

    #[test]
    fn everything_but_image_and_issuer_has_a_default() {
        let config = load("").unwrap();
        assert_eq!(config.injection.defaults, Settings::default());
        assert_eq!(config.injection.gateway, GatewayToken::PerUser);
        assert_eq!(config.injection.oidc.user_claim, "sub");
        assert_eq!(config.tls, None);
    }

    #[test]
    fn an_unknown_key_is_refused_with_line_and_suggestion() {
        let words = problem("defaults:\n  upstreamPrt: 80\n");
        for part in ["upstreamPrt", "line 5", "did you mean `upstreamPort`?"] {
            assert!(words.contains(part), "{words}");
        }
        let words = problem("defaults: {gatewayAuth: trusted_proxy}\n");
        assert!(words.contains("did you mean `trusted-proxy`?"), "{words}");
        let words = problem("excludedNamespace: []\n");
        assert!(words.contains("did you mean `excludedNamespaces`?"), "{words}");
    }

    #[test]
    fn all_wrong_values_come_at_once_with_their_keys() {
        let words = "
sidecar: {image: ' ', resources: {cpuRequest: 2, cpuLimit: 1}}
oidc: {issuer: id.example, audience: '', jwksUrl: 'ftp://x'}
gateway: {scope: shared}
defaults: {upstreamPort: 4180, configPath: relative}
seedConfigMap: Not_A_Name
tls: {mode: self, secret: ca, certFile: /x}
"
        .parse::<Config>()
        .unwrap_err()
        .to_string();
        for key in [
            "sidecar.image",
            "sidecar.resources",
            "oidc.issuer",
            "oidc.audience",
            "oidc.jwksUrl",
            "gateway.sharedSecret",
            "defaults.upstreamPort",
            "defaults.configPath",
            "seedConfigMap",
            "tls.webhookConfiguration",
            "tls.service",
            "tls.certFile",
        ] {
            assert!(words.contains(&format!("{key}:")), "{key} in {words}");
        }
    }

    #[test]
    fn each_key_of_tls_belongs_to_its_mode() {
        let own = "mode: self, secret: ca, webhookConfiguration: w, service: s, namespace: n";
        let files = "mode: provided, certFile: /c, keyFile: /k";
        for (keys, wrong) in [
            (format!("{own}, caFile: /x"), "tls.caFile: has no meaning with mode self"),
            (format!("{files}, settle: 5m"), "tls.settle: has meaning with mode self only"),
            (format!("{own}, settle: soon"), "tls.settle: must be a time"),
            (format!("{own}, settle: 4000h"), "tls.settle: must be less than a third"),
            (format!("{own}, caLifetime: 1h"), "tls.caLifetime: must be longer than leafLifetime"),
            (format!("{own}, leafLifetime: 1m"), "tls.leafLifetime: must be five minutes"),
            (format!("{files}, caFile: /x"), "tls.serverName: is missing"),
            (format!("{files}, caFile: /x, serverName: A_B"), "tls.serverName: must be the name"),
            (format!("{files}, clientCa: ''"), "tls.clientCa: must be the path"),
        ] {
            let words = problem(&format!("tls: {{{keys}}}\n"));
            assert!(words.contains(wrong), "{wrong} in {words}");
        }
        let tls = load(&format!("tls: {{{own}, settle: 5s, clientCa: /ca.crt}}\n")).unwrap().tls;
        let Some(Tls { source: TlsSource::Own(own), client_ca }) = tls else { panic!("{tls:?}") };
        assert_eq!(own.lives.settle, std::time::Duration::from_secs(5));
        assert_eq!(client_ca, Some("/ca.crt".into()));
    }

    #[test]
    fn the_hash_follows_what_decides_an_injection() {
        let hash = |extra: &str| load(extra).unwrap().hash;
        let tls = "tls: {mode: provided, certFile: /tls.crt, keyFile: /tls.key}\n";
        assert_eq!(hash(""), hash("# a comment\nexcludedNamespaces: [kube-system]\n"));
        assert_eq!(hash(""), hash(tls));
        assert_ne!(hash(""), hash("defaults: {upstreamPort: 8080}\n"));
        assert_ne!(hash(""), hash("seedConfigMap: seed\n"));
        assert_eq!(hash("").len(), 12);
    }

    #[test]
    fn a_suggestion_is_near_or_absent() {
        assert_eq!(nearest("isuer", &["issuer", "audience"]), Some("issuer"));
        assert_eq!(nearest("abc", &["xyz"]), None);
        assert_eq!(nearest("a", &[]), None);
    }
}
