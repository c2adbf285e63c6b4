//! Whether a pod is injected, and how: pure, from the pod and the configuration alone.
//!
//! Everything that is wrong with a pod is found in one go. A pod that gets a [`Plan`] can be injected.

mod config_volume;
mod isolation;
mod probes;
pub(crate) mod runtime;

use contract::{UserId, annotation, label};
use serde_json::Value;

use crate::{
    annotations::{self, Asked},
    config::{Config, TokenSync},
    original::Original,
    plan::Plan,
    reason::{Denial, Reason},
    view::{Container, Pod},
};

/// What becomes of a pod.
#[derive(Debug)]
pub enum Decision {
    /// Not ours: left alone.
    Skip(Reason),
    /// Ours, and impossible: everything that has to change first.
    Deny(Vec<Denial>),
    /// Ours.
    Inject(Box<Plan>),
}

/// Decides about `pod`, which is to be created in `namespace`.
#[must_use]
pub fn decide(pod: &Value, namespace: &str, config: &Config) -> Decision {
    // Before anything is read of it: a pod without the label is none of our business, however odd.
    if pod.pointer("/metadata/labels").is_none_or(|labels| labels.get(label::USER).is_none()) {
        return Decision::Skip(Reason::NotLabeled);
    }
    if config.excluded_namespaces.iter().any(|excluded| excluded == namespace) {
        return Decision::Skip(Reason::ExcludedNamespace);
    }
    let mut denials = Vec::new();
    match Pod::of(pod) {
        Ok(view) => match plan(pod, &view, config, &mut denials) {
            Some(plan) if denials.is_empty() => Decision::Inject(Box::new(plan)),
            _ => Decision::Deny(denials),
        },
        Err(malformed) => {
            Decision::Deny(vec![Denial::new(Reason::MalformedPod, malformed.to_string())])
        }
    }
}

/// The plan, when nothing is in its way. Whenever it is `None`, `denials` says why.
fn plan(raw: &Value, pod: &Pod<'_>, config: &Config, denials: &mut Vec<Denial>) -> Option<Plan> {
    let user = user(pod, denials);
    isolation::check(pod, denials);
    let Asked { container, settings } = annotations::read(pod, &config.injection.defaults, denials);
    let original = original(pod, denials);
    let keyed = || user.as_ref().and_then(|user| runtime::keyed(raw, user));
    let runtime = runtime::find(pod, container.or_else(keyed), denials);

    // From here on everything is about the runtime container.
    let (index, runtime) = runtime?;
    let wants_sync = settings.token_sync == TokenSync::Enabled;
    runtime::check_gateway_token(raw, index, &settings, denials);
    let run_as = runtime::run_as(pod, runtime, wants_sync, denials);
    let token_sync = if wants_sync {
        config_volume::find(pod, runtime, &settings.config_path, denials)
    } else {
        None
    };
    let mut warnings = Vec::new();
    let seat = probes::Seat { raw, index, runtime, upstream: settings.upstream_port };
    let (probes, original) = probes::plan(&seat, original, denials, &mut warnings);
    let keep_out_token = pod.spec.automount_service_account_token != Some(false);
    Some(Plan {
        user: user?,
        runtime: index,
        settings,
        run_as,
        token_sync,
        probes,
        keep_out_token,
        original,
        warnings,
    })
}

fn user(pod: &Pod<'_>, denials: &mut Vec<Denial>) -> Option<UserId> {
    let text = pod.label(label::USER).unwrap_or_default();
    text.parse()
        .map_err(|error| {
            let message = format!("label {}: {error}", label::USER);
            denials.push(Denial::new(Reason::InvalidUser, message));
        })
        .ok()
}

fn original(pod: &Pod<'_>, denials: &mut Vec<Denial>) -> Original {
    Original::of(pod).unwrap_or_else(|error| {
        let message = format!(
            "annotation {}: {error}; the webhook writes it, remove it",
            annotations::ORIGINAL
        );
        denials.push(Denial::new(Reason::InvalidAnnotation, message));
        Original::default()
    })
}

/// How a container is named in a message.
fn quoted(container: &Container<'_>) -> String {
    format!("container {:?}", container.name)
}

/// How a message tells the way out through an annotation.
fn choose_container() -> String {
    format!("name it with the annotation {}", annotation::CONTAINER)
}

#[cfg(test)]
mod tests {
    use contract::env;
    use serde_json::json;

    use super::*;

    const USER: &str = "11111111-2222-4333-8444-555555555555";

    fn runtime_of(secret: &str) -> usize {
        let key = json!({"name": env::NEWAPI_KEY, "valueFrom": {"secretKeyRef": {"name": secret, "key": "k"}}});
        let pod = json!({
            "metadata": {"labels": {label::USER: USER}, "annotations": {annotation::TOKEN_SYNC: "disabled"}},
            "spec": {"containers": [{"name": "late"}, {"name": "main", "env": [key]}]},
        });
        let config = "sidecar: {image: 'a:1'}\noidc: {issuer: https://id.example, audience: a}\n";
        match decide(&pod, "tenant", &config.parse().unwrap()) {
            Decision::Inject(plan) => plan.runtime,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn a_container_put_before_the_runtime_later_does_not_become_it() {
        assert_eq!(runtime_of(&format!("newapi-key-{USER}")), 1);
        assert_eq!(runtime_of("somebody-elses"), 0, "only this user's key tells");
    }
}
