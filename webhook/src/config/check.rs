//! From what was written to what can be used, with every problem found.

mod tls;

use edge::oidc::leeway;
use http::Uri;

use super::{
    Config, GatewayToken, Injection, Oidc, Settings,
    file::{self, File, Scope, TAKEN},
    settings::ConfigPath,
};

/// Problems so far, each with the key that it is about.
#[derive(Default)]
struct Problems(Vec<String>);

pub(super) fn config(file: File) -> Result<Config, Vec<String>> {
    let File { sidecar, oidc, gateway, defaults, seed_config_map, excluded_namespaces, tls } = file;
    let mut problems = Problems::default();
    problems.check("sidecar.image", is_word(&sidecar.image), "must be an image reference");
    for problem in sidecar.resources.problems() {
        problems.add("sidecar.resources", &problem);
    }
    if let Some(name) = &seed_config_map {
        problems.check("seedConfigMap", is_object_name(name), OBJECT_NAME);
    }
    for name in &excluded_namespaces {
        problems.check("excludedNamespaces", is_object_name(name), OBJECT_NAME);
    }
    let injection = Injection {
        image: sidecar.image,
        pull_policy: sidecar.image_pull_policy,
        oidc: self::oidc(oidc, &mut problems),
        gateway: self::gateway(gateway, &mut problems),
        seed_config_map,
        defaults: settings(defaults, sidecar.resources, &mut problems),
    };
    let tls = tls.and_then(|tls| tls::tls(tls, &mut problems));
    if problems.0.is_empty() {
        Ok(Config { hash: injection.hash(), injection, excluded_namespaces, tls })
    } else {
        Err(problems.0)
    }
}

fn oidc(oidc: file::Oidc, problems: &mut Problems) -> Oidc {
    let file::Oidc { issuer, jwks_url, audience, user_claim, .. } = &oidc;
    problems.check("oidc.issuer", is_http_url(issuer), HTTP_URL);
    if let Some(url) = jwks_url {
        problems.check("oidc.jwksUrl", is_http_url(url), HTTP_URL);
    }
    problems.check("oidc.audience", is_word(audience), "must not be empty");
    problems.check("oidc.userClaim", is_word(user_claim), "must be the name of a claim");
    tokens(&oidc, problems);
    let file::Oidc {
        issuer,
        jwks_url,
        audience,
        user_claim,
        authorized_parties,
        leeway,
        max_token_lifetime,
        logout_client,
        ca_config_map,
    } = oidc;
    Oidc {
        issuer,
        jwks_url,
        audience,
        user_claim,
        authorized_parties,
        leeway,
        max_token_lifetime,
        logout_client,
        ca_config_map,
    }
}

/// What the sidecar would refuse as a flag, it would refuse in every pod.
fn tokens(oidc: &file::Oidc, problems: &mut Problems) {
    for party in &oidc.authorized_parties {
        // The sidecar's flag takes a list, with commas in between.
        let one = is_word(party) && !party.contains(',');
        problems.check("oidc.authorizedParties", one, "must be client ids, without commas");
    }
    if let Some(Err(error)) = oidc.leeway.as_deref().map(leeway) {
        problems.add("oidc.leeway", &error);
    }
    let lifetime = oidc.max_token_lifetime.as_deref().map(humantime::parse_duration);
    let positive = lifetime.is_none_or(|time| time.is_ok_and(|time| !time.is_zero()));
    problems.check("oidc.maxTokenLifetime", positive, "must be a time such as 10m");
    let client = oidc.logout_client.as_deref().is_none_or(is_word);
    problems.check("oidc.logoutClient", client, "must not be empty");
    if let Some(name) = &oidc.ca_config_map {
        problems.check("oidc.caConfigMap", is_object_name(name), OBJECT_NAME);
    }
}

fn gateway(gateway: file::Gateway, problems: &mut Problems) -> GatewayToken {
    const KEY: &str = "gateway.sharedSecret";
    match (gateway.scope, gateway.shared_secret) {
        (Scope::PerUser, secret) => {
            problems.check(KEY, secret.is_none(), "has no meaning with scope perUser");
            GatewayToken::PerUser
        }
        (Scope::Shared, secret) => {
            let secret = secret.unwrap_or_default();
            problems.check(KEY, is_object_name(&secret), "scope shared needs the name of a Secret");
            GatewayToken::Shared(secret)
        }
    }
}

fn settings(
    defaults: file::Defaults,
    resources: super::Resources,
    problems: &mut Problems,
) -> Settings {
    let file::Defaults { upstream_port, gateway_auth, token_sync, config_path } = defaults;
    let free = !TAKEN.contains(&upstream_port);
    problems.check(
        "defaults.upstreamPort",
        free,
        "must be a port that is not one of the sidecar's",
    );
    let config_path: ConfigPath = config_path.parse().unwrap_or_else(|error| {
        problems.add("defaults.configPath", &format!("{error}"));
        Settings::default().config_path
    });
    Settings {
        upstream_port,
        gateway_auth,
        token_sync,
        config_path,
        resources,
        ..Settings::default()
    }
}

impl Problems {
    fn add(&mut self, key: &str, problem: &str) {
        self.0.push(format!("{key}: {problem}"));
    }

    fn check(&mut self, key: &str, holds: bool, rule: &str) {
        if !holds {
            self.add(key, rule);
        }
    }

    /// None of these keys may be there.
    fn none<const N: usize>(&mut self, keys: [(&str, Option<String>); N], rule: &str) {
        for (key, value) in keys {
            self.check(key, value.is_none(), rule);
        }
    }

    /// All of these keys must be there.
    fn all<const N: usize>(&mut self, keys: [(&str, Option<String>); N]) -> Option<[String; N]> {
        let before = self.0.len();
        let values = keys.map(|(key, value)| {
            let value = value.unwrap_or_default();
            self.check(key, is_word(&value), "is missing");
            value
        });
        (self.0.len() == before).then_some(values)
    }
}

const HTTP_URL: &str = "must be an http or https URL";
const OBJECT_NAME: &str = "must be a name: lowercase letters, digits, `-` and `.`";

fn is_word(text: &str) -> bool {
    !text.trim().is_empty() && !text.chars().any(char::is_control)
}

fn is_http_url(text: &str) -> bool {
    let Ok(uri) = text.parse::<Uri>() else {
        return false;
    };
    matches!(uri.scheme_str(), Some("http" | "https"))
        && uri.host().is_some_and(|host| !host.is_empty())
}

/// An RFC 1123 subdomain, as Kubernetes wants of most names.
fn is_object_name(text: &str) -> bool {
    let inner = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
    let part = |part: &str| {
        part.bytes().all(|byte| inner(byte) || byte == b'-')
            && part.bytes().next().is_some_and(inner)
            && part.bytes().last().is_some_and(inner)
    };
    text.len() <= 253 && text.split('.').all(part)
}
