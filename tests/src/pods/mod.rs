//! Pods as the tests see them: made, watched, looked into.

mod look;
mod manifest;

use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use contract::{label, port};
use futures::future::try_join_all;
use k8s_openapi::api::core::v1::{ContainerStateTerminated, Pod};
use kube::{
    Api, Client, ResourceExt as _,
    api::{DeleteParams, ListParams, PostParams},
    runtime::wait::{Condition, await_condition, conditions},
};
use tokio::time::timeout;

pub use look::{Injected, injected, restarts, variable};
pub(crate) use look::{is_ready, state_of};
pub use manifest::{labeled, mounting, plain};

use crate::door::Door;
use look::{end_of, waiting_reasons};

/// How long a pod may take to become what a test expects.
const PATIENCE: Duration = Duration::from_secs(180);

/// The pods of one namespace, seen and made by one person.
#[derive(Clone, Debug)]
pub struct Pods(Api<Pod>);

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
