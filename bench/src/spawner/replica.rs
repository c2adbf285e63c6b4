//! A spawner that runs, as the chart would start it.

use std::{
    net::SocketAddr,
    path::{Path, PathBuf},
    process::Command,
    time::Duration,
};

use anyhow::{Context as _, Result, ensure};
use bytes::Bytes;
use contract::secret;
use edge::oidc::testing::{ALICE, AUDIENCE};
use k8s_openapi::api::core::v1::Pod;
use tokio::time::{Instant, sleep};

use super::cluster::{Installed, TENANT, output};
use crate::{
    issuer::{CLIENT, Issuer},
    load::{Answer, Connection, HOST},
    measure::Program,
    peer::{Running, free_address},
};

/// How long a replica may take until it is ready.
const START: Duration = Duration::from_secs(120);
/// Time between two looks.
const PAUSE: Duration = Duration::from_millis(5);

/// What replicas are started with.
pub(super) struct Setup {
    spawner: PathBuf,
    folder: PathBuf,
    kubeconfig: PathBuf,
    cookie_keys: String,
    issuer: String,
    /// A pod as it is after admission, of a user called as [`ALICE`].
    pod: String,
}

/// A replica. It ends with the value.
pub(super) struct Replica {
    running: Running,
    pub(super) address: SocketAddr,
    admin: SocketAddr,
    /// How long it took from its start until it was ready.
    pub(super) boot: Duration,
}

impl Setup {
    /// Writes what a spawner reads into `folder`. Users' pods are those of the chart, with what the
    /// webhook would add, because a spawner leads nobody to a pod without the sidecar.
    pub(super) fn write(
        spawner: &Path,
        webhook: &Path,
        folder: &Path,
        installed: &Installed,
        issuer: &Issuer,
    ) -> Result<Self> {
        let write = |name: &str, text: &str| std::fs::write(folder.join(name), text);
        issuer.write_ca(&folder.join("ca.crt"))?;
        write("jwks.json", &issuer.jwks().to_string())?;
        write("network-policy.yaml", &installed.network_policy)?;
        write("webhook.yaml", &installed.webhook)?;
        write("bare.yaml", &installed.pod_template)?;
        let mut render = Command::new(spawner);
        render.args(["render", "--user", ALICE, "--gateway-scope", "shared", "--template"]);
        let bare = output(render.arg(folder.join("bare.yaml")), "")?;
        let mut inject = Command::new(webhook);
        inject.args(["inject", "--config"]).arg(folder.join("webhook.yaml")).args(["-f", "-"]);
        let pod = output(&mut inject, &bare)?;
        let key_name = secret::newapi_key(&ALICE.parse()?);
        let template = pod.replace(&key_name, "${SECRET_NAME}").replace(ALICE, "${USER_UUID}");
        write("pod.yaml", &template)?;
        Ok(Self {
            spawner: spawner.to_owned(),
            folder: folder.to_owned(),
            kubeconfig: installed.kubeconfig.clone(),
            cookie_keys: installed.cookie_keys.clone(),
            issuer: issuer.url.clone(),
            pod,
        })
    }

    /// The pod of this user.
    pub(super) fn pod_of(&self, user: &str) -> Result<Pod> {
        Ok(serde_norway::from_str(&self.pod.replace(ALICE, user))?)
    }

    fn command(&self, listen: SocketAddr, admin: SocketAddr) -> Command {
        let mut command = Command::new(&self.spawner);
        command.env_clear().env("KUBECONFIG", &self.kubeconfig);
        command.args(["serve", "--listen", &listen.to_string()]);
        command.args(["--admin-listen", &admin.to_string(), "--namespace", TENANT]);
        command.arg("--template").arg(self.folder.join("pod.yaml"));
        command.arg("--network-policy-template").arg(self.folder.join("network-policy.yaml"));
        command.args(["--issuer", &self.issuer, "--audience", AUDIENCE, "--jwks-file"]);
        command.arg(self.folder.join("jwks.json"));
        command.args(["--public-url", &format!("https://{HOST}"), "--client-id", CLIENT]);
        command.env("OIDC_CLIENT_SECRET", "secret-of-the-bench");
        command.args(["--cookie-keys-secret", &self.cookie_keys]);
        command.arg("--ca-file").arg(self.folder.join("ca.crt"));
        // It is ended between two measurements.
        command.args(["--drain-delay", "0s", "--drain-deadline", "1s", "--log-format", "json"]);
        command
    }
}

impl Replica {
    /// Starts one with further flags, and waits until it is ready.
    pub(super) async fn start(setup: &Setup, flags: &[&str]) -> Result<Self> {
        let (address, admin) = (free_address()?, free_address()?);
        let log = setup.folder.join("spawner.log");
        let begun = Instant::now();
        let running = Running::start(setup.command(address, admin).args(flags), &log)?;
        let mut replica = Self { running, address, admin, boot: Duration::ZERO };
        loop {
            let answer = replica.ask_admin("/readyz").await;
            if answer.as_ref().is_ok_and(|answer| answer.status == 200) {
                replica.boot = begun.elapsed();
                return Ok(replica);
            }
            replica.running.check(&log)?;
            let text = answer.map(|answer| answer.body).unwrap_or_default();
            let said = String::from_utf8_lossy(&text);
            ensure!(begun.elapsed() < START, "the spawner is not ready in time: {said}");
            sleep(PAUSE).await;
        }
    }

    /// How many requests wait for a start.
    pub(super) async fn held(&self) -> Result<usize> {
        let text = self.ask_admin("/metrics").await?.body;
        let text = String::from_utf8_lossy(&text).into_owned();
        let line =
            text.lines().find(|line| !line.starts_with('#') && line.contains("held_requests"));
        let number = line.and_then(|line| line.rsplit(' ').next()).context("no held_requests")?;
        Ok(number.parse()?)
    }

    pub(super) const fn program(&self) -> Program {
        self.running.program
    }

    pub(super) async fn stop(self) -> Result<()> {
        self.running.stop().await
    }

    async fn ask_admin(&self, path: &str) -> Result<Answer> {
        let request = format!("GET {path} HTTP/1.1\r\nHost: admin\r\n\r\n");
        Connection::new(self.admin).exchange(&request.into()).await
    }
}

/// A request to the spawner's API about the own server.
pub(super) fn server(method: &str, token: &str) -> Bytes {
    format!(
        "{method} /-/api/v1/me/server HTTP/1.1\r\nHost: {HOST}\r\n\
         Authorization: Bearer {token}\r\nContent-Length: 0\r\n\r\n"
    )
    .into()
}
