//! All parts together, brought up once and found again: what the demo tells its story on, and what
//! the cluster tests play on.

use std::{
    fs::File,
    sync::{Arc, OnceLock},
};

use anyhow::{Context as _, Result, anyhow, bail, ensure};
use contract::{object, port};
use k8s_openapi::api::{admissionregistration::v1::MutatingWebhookConfiguration, core::v1::Pod};
use kube::{Api, Client, ResourceExt as _};
use tokio::{sync::OnceCell, task::spawn_blocking};

use crate::{
    admission,
    cluster::Cluster,
    door::Door,
    install,
    keycloak::{Keycloak, Tokens},
    newapi::NewApi,
    patience,
    people::{self, Person},
    pods::{Pods, is_ready, restarts},
};

/// The cluster with everything on it.
#[derive(Clone)]
#[expect(missing_debug_implementations, reason = "kube::Client has none")]
pub struct Stage {
    /// The cluster.
    pub cluster: Cluster,
    /// The Kubernetes API, as cluster-admin.
    pub kube: Client,
    /// The tenant's pods, as cluster-admin sees them.
    pub pods: Pods,
    /// A real Keycloak.
    pub keycloak: Keycloak,
    /// The stand-in, or yours.
    pub new_api: NewApi,
    /// The address that users open.
    pub spawner: Door,
}

/// The part of it that a control plane alone has: everything about creating pods.
#[derive(Clone)]
#[expect(missing_debug_implementations, reason = "kube::Client has none")]
pub struct Admission {
    /// The cluster.
    pub cluster: Cluster,
    /// The Kubernetes API, as cluster-admin.
    pub kube: Client,
    /// The tenant's pods, as cluster-admin sees them.
    pub pods: Pods,
}

/// Somebody who has signed in.
#[derive(Clone, Debug)]
pub struct SignedIn {
    /// Who.
    pub person: Person,
    /// With which tokens.
    pub tokens: Tokens,
    /// The name of their pod.
    pub pod: String,
}

/// What is the same for every test of one program: brought up by the first, failed for all.
static PARTS: OnceCell<Result<(Keycloak, NewApi), Arc<anyhow::Error>>> = OnceCell::const_new();
static LOCAL_ADMISSION: OnceCell<Result<(), Arc<anyhow::Error>>> = OnceCell::const_new();

impl Stage {
    /// Sets it with our stand-in for NewAPI, or finds it set.
    ///
    /// # Errors
    /// No cluster is running, it runs no pods, or a part cannot be brought up.
    pub async fn set() -> Result<Self> {
        let cluster = Cluster::running()?;
        let new_api = NewApi::stand_in(&cluster);
        Self::set_with(cluster, new_api).await
    }

    /// The same with this NewAPI, and that one for the rest of the program.
    ///
    /// # Errors
    /// As [`Stage::set`].
    pub async fn set_with(cluster: Cluster, new_api: NewApi) -> Result<Self> {
        ensure!(
            cluster.runs_pods(),
            "this cluster runs no pods: start another (`make down up`), or leave out the feature `pods`"
        );
        let parts = PARTS
            .get_or_init(|| async { bring_up(&cluster, new_api).await.map_err(Arc::new) })
            .await;
        let (keycloak, new_api) = parts.clone().map_err(|error| anyhow!("{error:#}"))?;
        let kube = cluster.api().await?;
        let address = format!("{}:{}", cluster.node_address, install::SPAWNER_NODE_PORT);
        Ok(Self {
            pods: Pods::of(kube.clone(), install::TENANT),
            spawner: Door::at("the spawner", &address),
            cluster,
            kube,
            keycloak,
            new_api,
        })
    }

    /// Signs somebody in.
    ///
    /// # Errors
    /// The realm has nobody of that name, or Keycloak refuses.
    pub async fn sign_in(&self, name: &str) -> Result<SignedIn> {
        let person = people::person(name)?;
        let tokens = self.keycloak.sign_in(&person).await?;
        Ok(SignedIn { pod: object::pod(&person.id), person, tokens })
    }

    /// Has the user's pod started by the spawner, unless it runs, and waits until it is Ready.
    ///
    /// # Errors
    /// The spawner refuses, or the pod does not become Ready.
    pub async fn start_pod_of(&self, user: &SignedIn) -> Result<Pod> {
        let call = self.spawner.post(SERVER).bearer(&user.tokens.access);
        let answer = call.send().await?;
        if !answer.status.is_success() {
            bail!("the spawner does not start {}: {}", user.pod, answer.text().await?);
        }
        self.pods.ready(&user.pod).await
    }

    /// The auth sidecar of the user's pod, reached at the pod itself.
    #[must_use]
    pub fn sidecar_of(&self, user: &SignedIn) -> Door {
        self.pods.sidecar_of(&user.pod)
    }
}

/// The caller's own server, in the spawner's API.
pub const SERVER: &str = "/-/api/v1/me/server";

impl Admission {
    /// That of a whole stage.
    #[must_use]
    pub fn of(stage: &Stage) -> Self {
        let Stage { cluster, kube, pods, .. } = stage.clone();
        Self { cluster, kube, pods }
    }

    /// Sets it, or finds it set: by the chart where pods run, else by a webhook on this host.
    ///
    /// # Errors
    /// No cluster is running, or a part cannot be brought up.
    pub async fn set() -> Result<Self> {
        let cluster = Cluster::running()?;
        if cluster.runs_pods() {
            let stage = Stage::set().await?;
            return Ok(Self::of(&stage));
        }
        let kube = cluster.api().await?;
        let local = LOCAL_ADMISSION.get_or_init(|| async {
            occupy(&cluster).await.map_err(Arc::new)?;
            admission::bring_up(&cluster, &kube).await.map_err(Arc::new)
        });
        local.await.clone().map_err(|error| anyhow!("{error:#}"))?;
        Ok(Self { pods: Pods::of(kube.clone(), install::TENANT), cluster, kube })
    }

    /// The webhook, reached as the API server reaches it.
    ///
    /// # Errors
    /// The API server knows none, or none runs.
    pub async fn webhook(&self) -> Result<Door> {
        webhook_of(&self.kube).await
    }

    /// How often the containers of the release have been restarted so far.
    ///
    /// # Errors
    /// The API server refuses.
    pub async fn restarts(&self) -> Result<i32> {
        let pods: Api<Pod> = Api::namespaced(self.kube.clone(), install::SYSTEM);
        let pods = pods.list(&install::of_release()).await?;
        Ok(pods.iter().flat_map(|pod| restarts(pod).into_values()).sum())
    }

    /// The tenant's pods as `somebody` else, who may create pods but for no user.
    ///
    /// # Errors
    /// The API server refuses.
    pub async fn pods_as(&self, somebody: &str) -> Result<Pods> {
        admission::allow_creating_pods(&self.kube, somebody).await?;
        let client = self.cluster.api_as(Some(somebody)).await?;
        Ok(Pods::of(client, install::TENANT))
    }
}

/// The webhook of a configuration, reached as the API server reaches it: by TLS, with the CA that the
/// configuration names.
async fn webhook_of(client: &Client) -> Result<Door> {
    let configurations: Api<MutatingWebhookConfiguration> = Api::all(client.clone());
    let ours = configurations.list(&install::of_release()).await?;
    let webhook =
        ours.items.into_iter().flat_map(|found| found.webhooks.unwrap_or_default()).next();
    let config = webhook.context("the API server knows no webhook of ours")?.client_config;
    let ca = config.ca_bundle.context("the webhook's configuration has no CA")?;
    let Some(service) = config.service else {
        return admission::local_webhook().over_tls("localhost", &ca.0);
    };
    let pods: Api<Pod> = Api::namespaced(client.clone(), install::SYSTEM);
    let running = pods.list(&install::of_component("webhook")).await?;
    let pod = running.iter().find(|pod| is_ready(pod)).context("no webhook is ready")?;
    let host = format!("{}.{}.svc", service.name, service.namespace);
    Door::of_pod("the webhook", pods, &pod.name_any(), port::WEBHOOK).over_tls(&host, &ca.0)
}

async fn bring_up(cluster: &Cluster, new_api: NewApi) -> Result<(Keycloak, NewApi)> {
    occupy(cluster).await?;
    let kube = cluster.api().await?;
    let keycloak = Keycloak::of(cluster);
    new_api.ensure_running(cluster).await?;
    install::tenant(&kube).await?;
    install::client_secret(&kube).await?;
    for person in people::everybody()? {
        install::give_key(&kube, &person, &new_api).await?;
    }
    let values = install::values(cluster, &keycloak.issuer(), new_api.base_url())?;
    // Keycloak takes its time, and the chart's programs start without it.
    let starting = keycloak.ensure_running(cluster);
    tokio::try_join!(starting, install::chart(cluster, &kube, &values))?;
    admission::policies_hold(cluster, &kube).await?;
    // Those of an earlier run have the key and the images of their day.
    Pods::of(kube, install::TENANT).remove_all_of_users().await?;
    Ok((keycloak, new_api))
}

/// Keeps other programs off the stage until this one ends: two stories at once would stop each
/// other's pods.
async fn occupy(cluster: &Cluster) -> Result<()> {
    static OCCUPIED: OnceLock<File> = OnceLock::new();
    let path = cluster.state.join("stage.lock");
    let file = File::create(&path).with_context(|| format!("cannot write {}", path.display()))?;
    let file = match file.try_lock() {
        Ok(()) => file,
        Err(_) => {
            let freed = spawn_blocking(move || file.lock().map(|()| file));
            let waiting = async { Ok(freed.await??) };
            patience::during("another demo or test run has this cluster", waiting).await?
        }
    };
    // Kept for as long as the program runs, because that is how long it plays.
    OCCUPIED.get_or_init(|| file);
    Ok(())
}
