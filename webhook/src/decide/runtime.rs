//! Which container is the runtime, and as whom it runs.

use contract::{UserId, annotation, env, secret};
use serde_json::Value;

use super::{choose_container, quoted};
use crate::{
    config::{GatewayAuth, Settings},
    patch,
    plan::RunAs,
    reason::{Denial, Reason},
    view::{Container, Pod},
};

/// The user of our image, for pods whose runtime cannot be followed.
const NOBODY: i64 = 65532;

/// The container that the pod names, else its first one.
pub(super) fn find<'p, 'a>(
    pod: &'p Pod<'a>,
    name: Option<&str>,
    denials: &mut Vec<Denial>,
) -> Option<(usize, &'p Container<'a>)> {
    let mut containers = pod.spec.containers.iter().enumerate();
    let found = match name {
        Some(name) => containers.find(|(_, container)| container.name == name),
        None => containers.next(),
    };
    if found.is_none() {
        let message = match name {
            Some(name) => format!(
                "there is no container {name:?} (annotation {} or {}); there are: {}",
                annotation::CONTAINER,
                annotation::DEFAULT_CONTAINER,
                names(pod)
            ),
            None => "spec.containers is empty".to_owned(),
        };
        denials.push(Denial::new(Reason::NoRuntime, message));
    }
    // The patch tests the name where it uses the index.
    if let Some((index, Container { name: "", .. })) = found {
        let message = format!("spec.containers[{index}].name is missing");
        denials.push(Denial::new(Reason::MalformedPod, message));
    }
    found
}

/// The container that has the user's key already, from an earlier call. Another webhook may have put
/// a container of its own before it since then, and that one must not get the key.
pub(crate) fn keyed<'a>(raw: &'a Value, user: &UserId) -> Option<&'a str> {
    let secret = secret::newapi_key(user);
    let is_key = |entry: &Value| {
        entry.get("name").is_some_and(|name| name == env::NEWAPI_KEY)
            && entry.pointer("/valueFrom/secretKeyRef/name").is_some_and(|name| *name == secret)
    };
    let has_it = |container: &&Value| {
        let entries = container.get("env").and_then(Value::as_array);
        entries.is_some_and(|entries| entries.iter().any(is_key))
    };
    let mut containers = raw.pointer("/spec/containers")?.as_array()?.iter();
    containers.find(has_it)?.get("name")?.as_str()
}

fn names(pod: &Pod<'_>) -> String {
    let names: Vec<&str> = pod.spec.containers.iter().map(|container| container.name).collect();
    names.join(", ")
}

/// As whom the injected containers run: as the runtime, whose files token-sync writes.
///
/// The sidecar shares no file, so without token-sync any user but root will do.
pub(super) fn run_as(
    pod: &Pod<'_>,
    runtime: &Container<'_>,
    wants_sync: bool,
    denials: &mut Vec<Denial>,
) -> RunAs {
    let (own, pods) = (runtime.security_context, pod.spec.security_context);
    let user = own.run_as_user.or(pods.run_as_user);
    let group = own.run_as_group.or(pods.run_as_group);
    match user {
        Some(user) if user != 0 => return RunAs { user, group },
        _ if !wants_sync => {}
        Some(_) => denials.push(Denial::new(
            Reason::RootRuntime,
            format!(
                "{} runs as root, and token-sync, which writes its configuration, never does; \
                set runAsUser to another user, or {}: disabled",
                quoted(runtime),
                annotation::TOKEN_SYNC
            ),
        )),
        None => denials.push(Denial::new(
            Reason::UnknownRuntimeUser,
            format!(
                "set securityContext.runAsUser on the pod or on {}: token-sync has to write its \
                configuration as the same user; if another is the runtime, {}, or set {}: disabled",
                quoted(runtime),
                choose_container(),
                annotation::TOKEN_SYNC
            ),
        )),
    }
    RunAs { user: NOBODY, group: group.filter(|group| *group != 0) }
}

/// In trusted-proxy mode OpenClaw exits when it finds a gateway token, after calls to the model at the
/// user's cost. One of a former injection is taken out; one of the author's has to be theirs to remove.
pub(super) fn check_gateway_token(
    raw: &Value,
    index: usize,
    settings: &Settings,
    denials: &mut Vec<Denial>,
) {
    if settings.gateway_auth != GatewayAuth::TrustedProxy {
        return;
    }
    let entries = raw.pointer(&format!("/spec/containers/{index}/env")).and_then(Value::as_array);
    let own = |entry: &&Value| {
        patch::name(entry) == env::OPENCLAW_GATEWAY_TOKEN && !patch::is_injected_env(entry)
    };
    if entries.is_some_and(|entries| entries.iter().any(|entry| own(&entry))) {
        denials.push(Denial::new(
            Reason::TokenBesideTrustedProxy,
            format!(
                "env {} and {}: trusted-proxy exclude each other in OpenClaw; remove one",
                env::OPENCLAW_GATEWAY_TOKEN,
                annotation::GATEWAY_AUTH
            ),
        ));
    }
}
