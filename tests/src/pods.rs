//! Pods as the tests see them: made, watched, looked into.

use std::{collections::BTreeMap, path::Path, time::Duration};

use anyhow::{Context as _, Result, bail};
use contract::{UserId, annotation, label, pod as names, port};
use futures::future::try_join_all;
use k8s_openapi::api::core::v1::{Container, ContainerStateTerminated, EnvVar, Pod};
use kube::{
    Api, Client, ResourceExt as _,
    api::{DeleteParams, ListParams, PostParams},
    runtime::wait::{Condition, await_condition, conditions},
};
use serde_json::json;
use tokio::time::timeout;

use crate::door::Door;

/// How long a pod may take to become what a test expects.
const PATIENCE: Duration = Duration::from_secs(180);

/// The pods of one namespace, seen and made by one person.
#[derive(Clone, Debug)]
pub struct Pods(Api<Pod>);

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

impl Pods {
    /// Those of `namespace`.
    #[must_use]
    pub fn of(client: Client, namespace: &str) -> Self {
        Self(Api::namespaced(client, namespace))
    }

    /// The API itself.
    #[must_use]
    pub fn api(&self) -> &Api<Pod> {
        &self.0
    }

    /// What the API server would make of this pod: all of admission, and nothing is kept.
    ///
    /// # Errors
    /// It is denied; the error is the API server's.
    pub async fn try_out(&self, pod: &Pod) -> Result<Pod, kube::Error> {
        self.0.create(&PostParams { dry_run: true, ..PostParams::default() }, pod).await
    }

    /// The words with which the API server denies this pod.
    ///
    /// # Errors
    /// It does not.
    pub async fn denial_of(&self, pod: &Pod) -> Result<String> {
        match self.try_out(pod).await {
            Err(kube::Error::Api(status)) => Ok(status.message.clone()),
            Err(error) => Err(error).context("expected a denial"),
            Ok(_) => bail!("expected a denial, but pod {} was let in", pod.name_any()),
        }
    }

    /// Creates it for real.
    ///
    /// # Errors
    /// It is denied, or there is one of that name.
    pub async fn create(&self, pod: &Pod) -> Result<Pod> {
        let name = pod.name_any();
        let created = self.0.create(&PostParams::default(), pod).await;
        created.with_context(|| format!("cannot create pod {name}"))
    }

    /// The pod as it is now.
    ///
    /// # Errors
    /// There is none of that name.
    pub async fn named(&self, name: &str) -> Result<Pod> {
        self.0.get(name).await.with_context(|| format!("expected a pod {name}"))
    }

    /// Waits until the pod is Ready.
    ///
    /// # Errors
    /// It does not become so; the error says how far it is.
    pub async fn ready(&self, name: &str) -> Result<Pod> {
        self.until(name, "Ready", |pod: Option<&Pod>| pod.is_some_and(is_ready)).await
    }

    /// Waits until a container of the pod waits for `reason`.
    ///
    /// # Errors
    /// None does.
    pub async fn waiting_for(&self, name: &str, reason: &str) -> Result<Pod> {
        let waits = |pod: Option<&Pod>| {
            pod.is_some_and(|pod| waiting_reasons(pod).iter().any(|seen| seen == reason))
        };
        self.until(name, &format!("waiting with {reason}"), waits).await
    }

    /// Waits until an init container of the pod has ended, for better or worse.
    ///
    /// # Errors
    /// It does not end.
    pub async fn init_ended(
        &self,
        name: &str,
        container: &str,
    ) -> Result<ContainerStateTerminated> {
        let ended = |pod: Option<&Pod>| pod.is_some_and(|pod| end_of(pod, container).is_some());
        let pod = self.until(name, &format!("the end of {container}"), ended).await?;
        end_of(&pod, container).context("it runs again")
    }

    async fn until(&self, name: &str, what: &str, is: impl Condition<Pod>) -> Result<Pod> {
        let seen = timeout(PATIENCE, await_condition(self.0.clone(), name, is)).await;
        if let Ok(pod) = seen {
            return pod?.with_context(|| format!("there is no pod {name}"));
        }
        let now = match self.0.get_opt(name).await? {
            Some(pod) => state_of(&pod),
            None => "there is no such pod".to_owned(),
        };
        bail!("pod {name}: expected {what} within {} s, saw: {now}", PATIENCE.as_secs())
    }

    /// Deletes the pod, if it is there, and waits until it is gone.
    ///
    /// # Errors
    /// It does not go.
    pub async fn remove(&self, name: &str) -> Result<()> {
        let Some(pod) = self.0.get_opt(name).await? else {
            return Ok(());
        };
        match self.0.delete(name, &DeleteParams::default()).await {
            // Somebody else was faster.
            Err(kube::Error::Api(status)) if status.code == 404 => Ok(()),
            deleted => {
                deleted?;
                self.gone(&pod).await
            }
        }
    }

    /// Deletes the pods of all users and waits until they are gone.
    ///
    /// # Errors
    /// One does not go.
    pub async fn remove_all_of_users(&self) -> Result<()> {
        let pods = self.0.list(&ListParams::default().labels(label::USER)).await?;
        let removing = pods.iter().map(|pod| async { self.remove(&pod.name_any()).await });
        try_join_all(removing).await.map(drop)
    }

    /// Waits until this very pod is gone.
    ///
    /// # Errors
    /// It does not go.
    pub async fn gone(&self, pod: &Pod) -> Result<()> {
        let (name, uid) = (pod.name_any(), pod.uid().unwrap_or_default());
        let deleted = await_condition(self.0.clone(), &name, conditions::is_deleted(&uid));
        let seen = timeout(PATIENCE, deleted).await;
        seen.with_context(|| format!("pod {name} does not go"))?.map(drop).map_err(Into::into)
    }

    /// The pod's auth sidecar, reached at the pod itself and not through the spawner.
    #[must_use]
    pub fn sidecar_of(&self, pod: &str) -> Door {
        self.door(pod, port::SIDECAR_DATA, "the sidecar of")
    }

    /// A port of the pod.
    #[must_use]
    pub fn door(&self, pod: &str, port: u16, what: &str) -> Door {
        Door::of_pod(&format!("{what} pod"), self.0.clone(), pod, port)
    }
}

/// A pod with one container and a home, as anybody might write it: restricted, and without a label
/// of ours.
///
/// # Errors
/// Never, unless this file is wrong.
pub fn plain(name: &str) -> Result<Pod> {
    let home = Path::new(names::CONFIG_PATH).parent().context("a path without a folder")?;
    let container = json!({
        "name": "main",
        "image": "registry.example/main:1",
        "env": [{"name": "GREETING", "value": "hello"}],
        "volumeMounts": [{"name": "home", "mountPath": home}],
        "securityContext": {
            "allowPrivilegeEscalation": false,
            "capabilities": {"drop": ["ALL"]},
            "runAsNonRoot": true,
            "runAsUser": 1000,
            "seccompProfile": {"type": "RuntimeDefault"},
        },
    });
    let spec = json!({
        "automountServiceAccountToken": false,
        "containers": [container],
        "volumes": [{"name": "home", "emptyDir": {}}],
    });
    Ok(serde_json::from_value(json!({"metadata": {"name": name}, "spec": spec}))?)
}

/// The same with the label of `user`, which may be any text.
///
/// # Errors
/// Never, unless this file is wrong.
pub fn labeled(name: &str, user: &str) -> Result<Pod> {
    let mut pod = plain(name)?;
    pod.labels_mut().insert(label::USER.to_owned(), user.to_owned());
    Ok(pod)
}

/// The pod with a volume of this Secret.
///
/// # Errors
/// Never, unless this file is wrong.
pub fn mounting(mut pod: Pod, secret: &str) -> Result<Pod> {
    let volume = json!({"name": "loot", "secret": {"secretName": secret}});
    let spec = pod.spec.get_or_insert_default();
    spec.volumes.get_or_insert_default().push(serde_json::from_value(volume)?);
    Ok(pod)
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

/// Whose pod it is.
#[must_use]
pub fn user_of(pod: &Pod) -> Option<UserId> {
    pod.labels().get(label::USER)?.parse().ok()
}

/// Restarts of each container, ours too.
#[must_use]
pub fn restarts(pod: &Pod) -> BTreeMap<String, i32> {
    let Some(status) = &pod.status else {
        return BTreeMap::new();
    };
    let init = status.init_container_statuses.iter().flatten();
    let all = init.chain(status.container_statuses.iter().flatten());
    all.map(|container| (container.name.clone(), container.restart_count)).collect()
}

pub(crate) fn is_ready(pod: &Pod) -> bool {
    let conditions = pod.status.iter().flat_map(|status| status.conditions.iter().flatten());
    let leaving = pod.metadata.deletion_timestamp.is_some();
    !leaving && conditions.into_iter().any(|c| c.type_ == "Ready" && c.status == "True")
}

fn end_of(pod: &Pod, container: &str) -> Option<ContainerStateTerminated> {
    let statuses = pod.status.as_ref()?.init_container_statuses.as_ref()?;
    let status = statuses.iter().find(|status| status.name == container)?;
    status.state.as_ref()?.terminated.clone()
}

fn waiting_reasons(pod: &Pod) -> Vec<String> {
    let Some(status) = &pod.status else {
        return Vec::new();
    };
    let init = status.init_container_statuses.iter().flatten();
    let all = init.chain(status.container_statuses.iter().flatten());
    let waiting = all.filter_map(|container| container.state.as_ref()?.waiting.as_ref());
    waiting.filter_map(|waiting| waiting.reason.clone()).collect()
}

/// How far a pod is, for a message.
pub(crate) fn state_of(pod: &Pod) -> String {
    let Some(status) = &pod.status else {
        return "no status yet".to_owned();
    };
    let init = status.init_container_statuses.iter().flatten();
    let all = init.chain(status.container_statuses.iter().flatten());
    let mut words = vec![status.phase.clone().unwrap_or_default()];
    for container in all {
        let state = container.state.clone().unwrap_or_default();
        let detail = match (state.waiting, state.terminated) {
            (Some(waiting), _) => waiting.message.or(waiting.reason),
            (_, Some(ended)) => Some(format!("ended with {}", ended.exit_code)),
            _ => Some(if container.ready { "ready" } else { "running" }.to_owned()),
        };
        words.push(format!("{}: {}", container.name, detail.unwrap_or_default()));
    }
    words.join("; ")
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

    use super::*;

    #[test]
    fn what_was_injected_is_told_in_words() {
        let mut pod = labeled("p", "11111111-2222-4333-8444-555555555555").unwrap();
        assert_eq!(injected(&pod), Injected::default());
        assert!(user_of(&pod).is_some());
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
