//! A server that is measured: a process of its own, ended when it is dropped.

use std::{
    fs::File,
    net::SocketAddr,
    path::{Path, PathBuf},
    process::{Child, Command},
    sync::Arc,
};

use rustls::{
    ClientConfig, RootCertStore,
    pki_types::{CertificateDer, pem::PemObject},
};
use tempfile::TempDir;
use tokio::time::Duration;
use webhook::authority::Ca;

use crate::{
    Result,
    cluster::{Cluster, NAME},
    in_process::CONFIG,
};

/// The name in the certificate, as the API server would call it.
pub(crate) const HOST: &str = "bench-webhook.default.svc";
/// How long a start may take, in tenths of a second.
const PATIENCE: usize = 300;

pub(crate) struct Subject {
    child: Child,
    pub(crate) address: SocketAddr,
    pub(crate) client: Arc<ClientConfig>,
    _folder: TempDir,
}

impl Subject {
    /// `webhook serve` with a certificate from files.
    pub(crate) async fn with_files() -> Result<Self> {
        let (folder, ca) = certificate()?;
        let place = folder.path().display();
        let tls = format!(
            "tls: {{mode: provided, certFile: {place}/tls.crt, keyFile: {place}/tls.key}}\n"
        );
        let command = webhook(&folder, &tls)?;
        Self::start(command, folder, Some(ca)).await
    }

    /// `webhook serve` as its own authority.
    pub(crate) async fn with_own_authority(cluster: &Cluster) -> Result<Self> {
        let folder = tempfile::tempdir()?;
        let tls = format!(
            "tls: {{mode: self, secret: {NAME}, webhookConfiguration: {NAME}, service: {NAME}, \
             namespace: default}}\n"
        );
        let mut command = webhook(&folder, &tls)?;
        command.env("KUBECONFIG", &cluster.kubeconfig);
        let mut subject = Self::start(command, folder, None).await?;
        subject.client = client(&cluster.bundle().await?)?;
        Ok(subject)
    }

    /// The server that only says yes.
    pub(crate) async fn baseline() -> Result<Self> {
        let (folder, ca) = certificate()?;
        let mut command = Command::new(std::env::current_exe()?);
        command.arg("baseline").arg(folder.path());
        Self::start(command, folder, Some(ca)).await
    }

    /// The webhook that one would write in Go (bench/go-webhook).
    pub(crate) async fn go(program: &Path) -> Result<Self> {
        let (folder, ca) = certificate()?;
        let mut command = Command::new(program);
        command.arg(folder.path());
        Self::start(command, folder, Some(ca)).await
    }

    /// Waits until the server says that it is ready and where.
    async fn start(mut command: Command, folder: TempDir, ca: Option<String>) -> Result<Self> {
        let log = folder.path().join("log");
        let file = File::create(&log)?;
        let child = command.stdout(file.try_clone()?).stderr(file).spawn()?;
        let nowhere = SocketAddr::from(([127, 0, 0, 1], 0));
        let client = client(ca.as_deref().unwrap_or_default())?;
        let mut subject = Self { child, address: nowhere, client, _folder: folder };
        for _ in 0..PATIENCE {
            if let Some(address) = ready(&std::fs::read_to_string(&log)?) {
                subject.address = address;
                return Ok(subject);
            }
            if let Some(status) = subject.child.try_wait()? {
                return Err(format!("{status}: {}", std::fs::read_to_string(&log)?).into());
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        Err(format!("not ready: {}", std::fs::read_to_string(&log)?).into())
    }

    /// Resident memory in MiB.
    pub(crate) fn resident(&self) -> Result<f64> {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id()))?;
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
        let kibibytes = line.and_then(|line| line.split_whitespace().next());
        Ok(kibibytes.ok_or("no VmRSS")?.parse::<f64>()? / 1024.0)
    }
}

impl Subject {
    /// Milliseconds that the server has been on processors, all threads together: fields 14 and 15 of
    /// proc(5)'s stat, in ticks of 10 ms.
    pub(crate) fn cpu(&self) -> Result<f64> {
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", self.child.id()))?;
        // The name before may hold anything, but ends with the last parenthesis.
        let (_, fields) = stat.rsplit_once(')').ok_or("an odd stat")?;
        let ticks = fields.split_ascii_whitespace().skip(11).take(2).map(str::parse::<f64>);
        Ok(ticks.sum::<std::result::Result<f64, _>>()? * 10.0)
    }
}

impl Drop for Subject {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The release binary beside this one, with `tls` in its configuration.
fn webhook(folder: &TempDir, tls: &str) -> Result<Command> {
    let config = folder.path().join("webhook.yaml");
    std::fs::write(&config, format!("{CONFIG}{tls}"))?;
    let mut command = Command::new(beside("webhook")?);
    command.args(["serve", "--listen=127.0.0.1:0", "--admin-listen=127.0.0.1:0", "--config"]);
    command.arg(config).env("LOG_FORMAT", "json");
    Ok(command)
}

fn beside(name: &str) -> Result<PathBuf> {
    let here = std::env::current_exe()?;
    let folder = here.parent().and_then(Path::parent).ok_or("no folder above this program")?;
    let program = folder.join(name);
    program.is_file().then_some(program).ok_or_else(|| format!("no {name} in {folder:?}").into())
}

/// A folder with a certificate, and the CA to trust.
fn certificate() -> Result<(TempDir, String)> {
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH)?;
    let now = now.as_secs().try_into()?;
    let ca = Ca::generate(now, Duration::from_hours(24))?;
    let leaf = ca.issue(vec![HOST.to_owned()], now, Duration::from_hours(24))?;
    let folder = tempfile::tempdir()?;
    std::fs::write(folder.path().join("tls.crt"), &leaf.certificate)?;
    std::fs::write(folder.path().join("tls.key"), &leaf.key)?;
    Ok((folder, ca.certificate().to_owned()))
}

fn client(ca: &str) -> Result<Arc<ClientConfig>> {
    let mut roots = RootCertStore::empty();
    for certificate in CertificateDer::pem_slice_iter(ca.as_bytes()) {
        roots.add(certificate?)?;
    }
    let mut config = ClientConfig::builder().with_root_certificates(roots).with_no_client_auth();
    config.alpn_protocols = vec![b"h2".to_vec()];
    Ok(Arc::new(config))
}

/// Where admissions are answered, once they are.
fn ready(log: &str) -> Option<SocketAddr> {
    if let Some(address) = log.lines().find_map(|line| line.strip_prefix("admissions ")) {
        return address.parse().ok();
    }
    let is_ready = log.contains(r#""gate":"certificate""#);
    let line = log.lines().find(|line| line.contains(r#""listener":"admissions""#))?;
    let line: serde_json::Value = serde_json::from_str(line).ok()?;
    line.get("address")?.as_str()?.parse().ok().filter(|_| is_ready)
}
