//! Which tokens the sidecar accepts is the configuration's to say, word for word.

use serde_json::{Value, json};
use webhook::{admission::judge, config::Config};

use crate::common::{patched, pod};

fn config(oidc: &str) -> Result<Config, String> {
    let text = format!(
        "
sidecar: {{image: 'registry.example/sidecar:1.0.0'}}
oidc: {{issuer: https://id.example/realms/acme, audience: openclaw{oidc}}}
"
    );
    text.parse().map_err(|error: webhook::config::ConfigError| error.to_string())
}

fn args(config: &Config) -> Vec<String> {
    let pod = pod();
    let after = patched(&pod, &judge(&pod, "tenant", config));
    let containers = after["spec"]["initContainers"].as_array().unwrap();
    let sidecar = containers.iter().find(|c| c["name"] == "openclaw-auth").unwrap();
    serde_json::from_value(sidecar["args"].clone()).unwrap()
}

#[test]
fn the_sidecar_is_told_which_tokens_to_accept() {
    let with = config(
        ", authorizedParties: [openclaw, cli$(X)], leeway: 1m30s, maxTokenLifetime: 10m, logoutClient: web",
    );
    let (with, without) = (with.unwrap(), config("").unwrap());
    let before = args(&without);
    let more: Vec<_> = args(&with).into_iter().filter(|arg| !before.contains(arg)).collect();
    assert_eq!(
        more,
        [
            "--authorized-party=openclaw",
            // The kubelet would put a variable's value there.
            "--authorized-party=cli$$(X)",
            "--leeway=1m30s",
            "--max-lifetime=10m",
            "--logout-client=web"
        ]
    );
    assert_ne!(with.hash, without.hash);
}

#[test]
fn what_the_sidecar_would_refuse_as_a_flag_is_refused_here() {
    for (oidc, key) in [
        (", authorizedParties: ['']", "oidc.authorizedParties"),
        (", authorizedParties: ['a,b']", "oidc.authorizedParties"),
        (", leeway: soon", "oidc.leeway"),
        (", leeway: 6m", "oidc.leeway"),
        (", maxTokenLifetime: long", "oidc.maxTokenLifetime"),
        (", maxTokenLifetime: 0s", "oidc.maxTokenLifetime"),
        (", logoutClient: ' '", "oidc.logoutClient"),
        (", caConfigMap: Not_A_Name", "oidc.caConfigMap"),
    ] {
        let words = config(oidc).unwrap_err();
        assert!(words.contains(key), "{oidc}: {words}");
    }
    let words = config(", authorisedParties: [a]").unwrap_err();
    assert!(words.contains("did you mean `authorizedParties`?"), "{words}");
}

#[test]
fn the_issuers_ca_reaches_the_sidecar_and_nobody_else() {
    let config = config(", caConfigMap: openclaw-ca").unwrap();
    let pod = pod();
    let after = patched(&pod, &judge(&pod, "tenant", &config));
    let volume = json!({"name": "openclaw-ca", "configMap": {"name": "openclaw-ca"}});
    assert!(after["spec"]["volumes"].as_array().unwrap().contains(&volume));
    let mount = json!({"name": "openclaw-ca", "mountPath": "/var/run/secrets/openclaw-ca", "readOnly": true});
    for list in ["initContainers", "containers"] {
        for container in after["spec"][list].as_array().unwrap() {
            let mounts = container["volumeMounts"].as_array().unwrap();
            let is_sidecar = container["name"] == "openclaw-auth";
            assert_eq!(mounts.contains(&mount), is_sidecar, "{container}");
        }
    }
    let file = "--ca-file=/var/run/secrets/openclaw-ca/ca.crt";
    assert!(args(&config).iter().any(|arg| arg == file));
    // Once more changes nothing; without a CA the volume goes.
    assert!(judge(&after, "tenant", &config).operations.is_empty());
    let without = self::config("").unwrap();
    let back = patched(&after, &judge(&after, "tenant", &without));
    assert!(!back["spec"]["volumes"].as_array().unwrap().contains(&volume));
}

#[test]
fn a_volume_by_the_cas_name_is_the_webhooks() {
    let mut pod = pod();
    let forged = json!({"name": "openclaw-ca", "configMap": {"name": "forged"}});
    pod["spec"]["volumes"].as_array_mut().unwrap().push(forged.clone());
    let config = config(", caConfigMap: openclaw-ca").unwrap();
    let after = patched(&pod, &judge(&pod, "tenant", &config));
    assert!(!after["spec"]["volumes"].as_array().unwrap().contains(&forged));
    let mount = json!({"name": "openclaw-ca", "mountPath": "/ca"});
    pod["spec"]["containers"][0]["volumeMounts"].as_array_mut().unwrap().push(mount);
    assert_eq!(judge(&pod, "tenant", &config).codes(), ["name-clash"]);
}

#[test]
fn another_list_of_parties_repairs_an_injected_pod() {
    let (old, new) = (config("").unwrap(), config(", authorizedParties: [web]").unwrap());
    let pod = pod();
    let before = patched(&pod, &judge(&pod, "tenant", &old));
    let after = patched(&before, &judge(&before, "tenant", &new));
    let fresh = patched(&pod, &judge(&pod, "tenant", &new));
    let of = |pod: &Value| pod["spec"]["initContainers"].clone();
    assert_eq!(of(&after), of(&fresh));
    assert_ne!(of(&after), json!(null));
}
