//! The API server, with what the chart installs for a spawner, and the hand that plays the kubelet.
//!
//! Not kwok: it does not tell when its write of `Ready` was answered, which is where a measurement
//! begins.

use std::{
    io::Write as _,
    net::Ipv4Addr,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use anyhow::{Context as _, Result, ensure};
use contract::object;
use k8s_openapi::api::{
    authentication::v1::{TokenRequest, TokenRequestSpec},
    core::v1::{ConfigMap, Namespace, Pod, ServiceAccount},
};
use kube::{
    Api, Client, Config, ResourceExt as _,
    api::{DeleteParams, ListParams, Patch, PatchParams, PostParams},
    config::{AuthInfo, KubeConfigOptions, Kubeconfig, NamedAuthInfo},
};
use serde_json::{Value, json};
use tokio::task::JoinSet;

use crate::load::HOST;

/// Where the spawner would run.
const HOME: &str = "bench";
/// Where the users' pods are.
pub(super) const TENANT: &str = "bench-tenant";
/// How long the spawner's token is good, in seconds.
const TOKEN_SECONDS: i64 = 4 * 3600;
/// How many writes are under way at once when many are to be made.
pub(super) const AT_ONCE: usize = 16;
/// How many pods one call removes.
pub(super) const PAGE: u32 = 500;
/// What of the chart is installed: what the spawner needs to be allowed and told. The admission webhook
/// and the policies are left out: nothing here runs pods.
const INSTALLED: [&str; 3] =
    ["spawner/rbac", "spawner/serviceaccount", "spawner/templates-configmap"];

/// The API server.
#[derive(Clone)]
pub(super) struct Cluster {
    pub(super) client: Client,
    pods: Api<Pod>,
}

/// Programs and files that come with the cluster.
#[derive(Debug, clap::Args)]
pub(super) struct ClusterArgs {
    /// Who may do anything in the cluster
    #[arg(long, env = "KUBECONFIG", value_name = "FILE")]
    kubeconfig: PathBuf,

    /// The folder with helm and kubectl
    #[arg(long, env = "TOOLS", value_name = "FOLDER")]
    tools: PathBuf,

    /// What the API server writes down
    #[arg(long, env = "AUDIT_LOG", value_name = "FILE")]
    pub(super) audit_log: PathBuf,

    /// The chart
    #[arg(long, env = "CHART", value_name = "FOLDER", default_value = "chart")]
    chart: PathBuf,
}

/// What the chart made.
pub(super) struct Installed {
    /// The name of the spawner's user, as the API server knows it.
    pub(super) user: String,
    /// The spawner's way in.
    pub(super) kubeconfig: PathBuf,
    /// The Secret with its cookie keys.
    pub(super) cookie_keys: String,
    /// The pod before injection.
    pub(super) pod_template: String,
    pub(super) network_policy: String,
    /// The webhook's configuration.
    pub(super) webhook: String,
}

impl Cluster {
    pub(super) async fn connect(args: &ClusterArgs) -> Result<Self> {
        let read = Kubeconfig::read_from(&args.kubeconfig)?;
        let config = Config::from_custom_kubeconfig(read, &KubeConfigOptions::default()).await?;
        let client = Client::try_from(config)?;
        Ok(Self { pods: Api::namespaced(client.clone(), TENANT), client })
    }

    /// Installs what the spawner needs, and writes its kubeconfig into `folder`.
    pub(super) async fn install(&self, args: &ClusterArgs, folder: &Path) -> Result<Installed> {
        self.make_namespaces().await?;
        let manifests = template(args, &INSTALLED)?;
        kubectl_apply(args, &manifests)?;
        let accounts: Api<ServiceAccount> = Api::namespaced(self.client.clone(), HOME);
        let all = accounts.list(&ListParams::default()).await?;
        let account = all.iter().map(ServiceAccount::name_any).find(|name| name != "default");
        let account = account.context("the chart makes no service account")?;
        let spec =
            TokenRequestSpec { expiration_seconds: Some(TOKEN_SECONDS), ..Default::default() };
        let request = TokenRequest { spec: Some(spec), ..TokenRequest::default() };
        let params = PostParams::default();
        let granted = accounts.create_token_request(&account, &params, &request).await?;
        let token =
            granted.status.and_then(|status| status.token).context("no token was granted")?;
        let files: Api<ConfigMap> = Api::namespaced(self.client.clone(), HOME);
        let files = files.list(&ListParams::default()).await?;
        let file = |name: &str| {
            let found = files.iter().find_map(|map| map.data.as_ref()?.get(name).cloned());
            found.with_context(|| format!("the chart makes no {name}"))
        };
        let kubeconfig = folder.join("kubeconfig");
        std::fs::write(&kubeconfig, with_token(&args.kubeconfig, token)?)?;
        Ok(Installed {
            user: format!("system:serviceaccount:{HOME}:{account}"),
            cookie_keys: account.replace("-spawner", "-cookie-keys"),
            kubeconfig,
            pod_template: file("pod-template.yaml")?,
            network_policy: file("network-policy.yaml")?,
            webhook: webhook_config(args)?,
        })
    }

    async fn make_namespaces(&self) -> Result<()> {
        let namespaces: Api<Namespace> = Api::all(self.client.clone());
        for name in [HOME, TENANT] {
            let namespace: Namespace = serde_json::from_value(json!({"metadata": {"name": name}}))?;
            made(namespaces.create(&PostParams::default(), &namespace).await)?;
        }
        // Admission wants it for each pod, and there is no controller that would make it.
        let account: ServiceAccount =
            serde_json::from_value(json!({"metadata": {"name": "default"}}))?;
        let accounts: Api<ServiceAccount> = Api::namespaced(self.client.clone(), TENANT);
        made(accounts.create(&PostParams::default(), &account).await)
    }

    /// Creates pods as `pods` has them, ready at their addresses.
    pub(super) async fn create_ready(&self, pods: Vec<(String, Pod, Ipv4Addr)>) -> Result<()> {
        let mut pods = pods.into_iter();
        let mut writers = JoinSet::new();
        loop {
            while writers.len() < AT_ONCE
                && let Some((user, pod, address)) = pods.next()
            {
                let this = self.clone();
                writers.spawn(async move {
                    this.pods.create(&PostParams::default(), &pod).await?;
                    this.set_ready(&user, address).await
                });
            }
            match writers.join_next().await {
                Some(written) => written??,
                None => return Ok(()),
            }
        }
    }

    /// Says as a kubelet would that `user`'s pod is ready at `address`. Returns when it is answered.
    pub(super) async fn set_ready(&self, user: &str, address: Ipv4Addr) -> Result<()> {
        let status = Patch::Merge(ready(address));
        let name = object::pod(&user.parse()?);
        self.pods.patch_status(&name, &PatchParams::default(), &status).await?;
        Ok(())
    }

    /// Removes every pod, some hundred with each call: one call for thousands is not answered in time.
    pub(super) async fn remove_pods(&self) -> Result<()> {
        let (at_once, page) =
            (DeleteParams::default().grace_period(0), ListParams::default().limit(PAGE));
        while !self.pods.list_metadata(&ListParams::default().limit(1)).await?.items.is_empty() {
            self.pods.delete_collection(&at_once, &page).await?;
        }
        Ok(())
    }
}

/// An object that is there from the run before is as good.
fn made<T>(made: kube::Result<T>) -> Result<()> {
    match made {
        Err(kube::Error::Api(status)) if status.is_already_exists() => Ok(()),
        made => Ok(made.map(drop)?),
    }
}

/// The status of a pod whose runtime and sidecar run.
fn ready(address: Ipv4Addr) -> Value {
    let now = jiff::Timestamp::now().strftime("%Y-%m-%dT%H:%M:%SZ").to_string();
    let condition = |kind| json!({"type": kind, "status": "True", "lastTransitionTime": now});
    let container = |name: &str| {
        json!({
            "name": name, "ready": true, "started": true, "restartCount": 0,
            "image": "registry.example/acme/program:1",
            "imageID": format!("registry.example/acme/program@sha256:{:064}", 1),
            "containerID": format!("containerd://{:064}", 2),
            "state": {"running": {"startedAt": now}},
        })
    };
    let conditions =
        ["PodReadyToStartContainers", "Initialized", "Ready", "ContainersReady", "PodScheduled"];
    json!({"status": {
        "phase": "Running", "podIP": address.to_string(), "podIPs": [{"ip": address.to_string()}],
        "hostIP": "127.0.0.1", "startTime": now, "qosClass": "Burstable",
        "conditions": conditions.map(condition),
        "initContainerStatuses": [container(contract::pod::AUTH_SIDECAR)],
        "containerStatuses": [container("runtime")],
    }})
}

/// A kubeconfig like the one at `path`, for the holder of `token`.
fn with_token(path: &Path, token: String) -> Result<String> {
    let mut config = Kubeconfig::read_from(path)?;
    let holder = AuthInfo { token: Some(token.into()), ..AuthInfo::default() };
    for known in &mut config.auth_infos {
        *known = NamedAuthInfo {
            name: known.name.clone(),
            auth_info: Some(holder.clone()),
            ..known.clone()
        };
    }
    for context in config.contexts.iter_mut().filter_map(|named| named.context.as_mut()) {
        context.namespace = Some(HOME.to_owned());
    }
    Ok(serde_norway::to_string(&config)?)
}

/// Parts of the chart as helm renders them.
fn template(args: &ClusterArgs, parts: &[&str]) -> Result<String> {
    let mut helm = Command::new(args.tools.join("helm"));
    helm.args(["template", "bench"]).arg(&args.chart).args(["--namespace", HOME]);
    helm.arg("--values").arg(args.chart.join("tests/values/real.yaml"));
    helm.args(["--set", &format!("tenant.namespace={TENANT}")]);
    // People sign in.
    helm.args(["--set", &format!("spawner.publicURL=https://{HOST}")]);
    helm.args(["--set", "keycloak.clientSecretName=bench"]);
    for part in parts {
        helm.args(["--show-only", &format!("templates/{part}.yaml")]);
    }
    output(&mut helm, "")
}

fn webhook_config(args: &ClusterArgs) -> Result<String> {
    let map: ConfigMap = serde_norway::from_str(&template(args, &["webhook/configmap"])?)?;
    let file = map.data.and_then(|mut data| data.remove("webhook.yaml"));
    file.context("the chart makes no webhook.yaml")
}

fn kubectl_apply(args: &ClusterArgs, manifests: &str) -> Result<()> {
    let mut kubectl = Command::new(args.tools.join("kubectl"));
    kubectl.arg("--kubeconfig").arg(&args.kubeconfig);
    kubectl.args(["apply", "--server-side", "--filename", "-"]);
    output(&mut kubectl, manifests).map(drop)
}

/// What `command` prints, given `input`.
pub(super) fn output(command: &mut Command, input: &str) -> Result<String> {
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().with_context(|| format!("cannot run {command:?}"))?;
    child.stdin.take().context("no stdin")?.write_all(input.as_bytes())?;
    let output = child.wait_with_output()?;
    let said = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "{command:?} failed:\n{said}");
    Ok(String::from_utf8(output.stdout)?)
}
