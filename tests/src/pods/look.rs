//! What a pod looks like: what was injected, and how far it is.

use std::collections::BTreeMap;

use contract::{annotation, pod as names};
use k8s_openapi::api::core::v1::{
    Container, ContainerStateTerminated, ContainerStatus, EnvVar, Pod,
};
use kube::ResourceExt as _;

/// What the webhook put into a pod, in the order in which it runs.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Injected {
    /// The annotation `injected`: version and config hash.
    pub note: Option<String>,
    /// Our init containers.
    pub init_containers: Vec<String>,
    /// Variables with a Secret's value: container, variable, Secret and key.
    pub secrets: Vec<(String, String, String)>,
}

/// What the webhook put into this pod.
#[must_use]
pub fn injected(pod: &Pod) -> Injected {
    let Some(spec) = &pod.spec else {
        return Injected::default();
    };
    let init = spec.init_containers.iter().flatten();
    let ours = |name: &&str| matches!(*name, names::TOKEN_SYNC | names::AUTH_SIDECAR);
    let all = init.clone().chain(&spec.containers);
    Injected {
        note: pod.annotations().get(annotation::INJECTED).cloned(),
        init_containers: init.map(|c| c.name.as_str()).filter(ours).map(str::to_owned).collect(),
        secrets: all.flat_map(secrets_of).collect(),
    }
}

fn secrets_of(container: &Container) -> impl Iterator<Item = (String, String, String)> {
    container.env.iter().flatten().filter_map(|variable| {
        let secret = variable.value_from.as_ref()?.secret_key_ref.as_ref()?;
        let from = format!("{}/{}", secret.name, secret.key);
        Some((container.name.clone(), variable.name.clone(), from))
    })
}

/// A variable of a container.
#[must_use]
pub fn variable<'a>(pod: &'a Pod, container: &str, name: &str) -> Option<&'a EnvVar> {
    let spec = pod.spec.as_ref()?;
    let mut all = spec.init_containers.iter().flatten().chain(&spec.containers);
    let container = all.find(|candidate| candidate.name == container)?;
    container.env.iter().flatten().find(|variable| variable.name == name)
}

/// Restarts of each container, ours too.
#[must_use]
pub fn restarts(pod: &Pod) -> BTreeMap<String, i32> {
    statuses(pod).map(|container| (container.name.clone(), container.restart_count)).collect()
}

pub(crate) fn is_ready(pod: &Pod) -> bool {
    let conditions = pod.status.iter().flat_map(|status| status.conditions.iter().flatten());
    let leaving = pod.metadata.deletion_timestamp.is_some();
    !leaving && conditions.into_iter().any(|c| c.type_ == "Ready" && c.status == "True")
}

/// How an init container ended, if it has.
pub(super) fn end_of(pod: &Pod, container: &str) -> Option<ContainerStateTerminated> {
    let status = statuses(pod).find(|status| status.name == container)?;
    status.state.as_ref()?.terminated.clone()
}

/// Why containers wait.
pub(super) fn waiting_reasons(pod: &Pod) -> Vec<String> {
    let waiting = statuses(pod).filter_map(|container| container.state.as_ref()?.waiting.as_ref());
    waiting.filter_map(|waiting| waiting.reason.clone()).collect()
}

/// How far a pod is, for a message.
pub(crate) fn state_of(pod: &Pod) -> String {
    let phase = pod.status.as_ref().and_then(|status| status.phase.clone());
    let mut words = vec![phase.unwrap_or_else(|| "no status yet".to_owned())];
    for container in statuses(pod) {
        let state = container.state.clone().unwrap_or_default();
        let detail = match (state.waiting, state.terminated) {
            (Some(waiting), _) => waiting.message.or(waiting.reason).unwrap_or_default(),
            (_, Some(ended)) => format!("ended with {}", ended.exit_code),
            _ => if container.ready { "ready" } else { "running" }.to_owned(),
        };
        words.push(format!("{}: {detail}", container.name));
    }
    words.join("; ")
}

/// Of all containers, in the order in which they start.
fn statuses(pod: &Pod) -> impl Iterator<Item = &ContainerStatus> {
    let init = pod.status.iter().flat_map(|status| status.init_container_statuses.iter().flatten());
    let main = pod.status.iter().flat_map(|status| status.container_statuses.iter().flatten());
    init.chain(main)
}

impl Injected {
    /// One line for each thing.
    #[must_use]
    pub fn lines(&self) -> Vec<String> {
        let init = self.init_containers.iter().map(|name| format!("init container {name}"));
        let secrets = self.secrets.iter().map(|(container, variable, secret)| {
            format!("container {container}: {variable} from Secret {secret}")
        });
        init.chain(secrets).collect()
    }
}

#[cfg(test)]
mod tests {
    use contract::env;
    use serde_json::json;

    use super::*;
    use crate::pods::labeled;

    #[test]
    fn what_was_injected_is_told_in_words() {
        let mut pod = labeled("p", "11111111-2222-4333-8444-555555555555").unwrap();
        assert_eq!(injected(&pod), Injected::default());
        let secret = json!({"secretKeyRef": {"name": "s", "key": "k"}});
        let sidecar = json!({"name": names::AUTH_SIDECAR,
            "env": [{"name": env::OPENCLAW_GATEWAY_TOKEN, "valueFrom": secret}]});
        let spec = pod.spec.as_mut().unwrap();
        spec.init_containers = Some(vec![serde_json::from_value(sidecar).unwrap()]);
        assert_eq!(
            injected(&pod).lines(),
            [
                "init container openclaw-auth",
                "container openclaw-auth: OPENCLAW_GATEWAY_TOKEN from Secret s/k"
            ]
        );
    }

    #[test]
    fn a_state_names_what_a_container_waits_for() {
        let pod: Pod = serde_json::from_value(json!({"status": {"phase": "Pending",
            "containerStatuses": [{"name": "main", "ready": false, "restartCount": 2, "image": "i",
                "imageID": "", "state": {"waiting": {"reason": "CreateContainerConfigError",
                "message": "secret \"s\" not found"}}}]}}))
        .unwrap();
        assert_eq!(state_of(&pod), "Pending; main: secret \"s\" not found");
        assert_eq!(waiting_reasons(&pod), ["CreateContainerConfigError"]);
        assert_eq!(restarts(&pod)["main"], 2);
        assert!(!is_ready(&pod));
    }
}
