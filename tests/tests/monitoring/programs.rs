//! The three programs as they run in a cluster, without one: what their admin ports show.

use std::{
    cell::RefCell,
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
    process::Stdio,
    time::Duration,
};

use anyhow::{Context as _, Result, bail};
use certs_dev::{Authority, Validity};
use serde_json::{Value, json};
use tests::{chart::object, door::Door, patience, process::built};
use tokio::{
    io::{AsyncBufReadExt as _, BufReader},
    process::{Child, Command},
};

const LIMIT: Duration = Duration::from_secs(60);
const HOST: &str = "localhost";

/// The names of all series that the programs show, once those of `wanted` that begin with `openclaw_`
/// are among them; or what there is after a minute.
pub(crate) async fn shown(wanted: &BTreeSet<String>) -> Result<BTreeSet<String>> {
    let folder = tempfile::tempdir()?;
    let programs = [webhook(folder.path())?, spawner(folder.path())?, sidecar(folder.path())?]
        .map(Program::start);
    let mut running = Vec::new();
    for program in programs {
        running.push(program.await?);
    }
    let names = RefCell::new(BTreeSet::new());
    let ours = |name: &&String| name.starts_with("openclaw_");
    let complete = patience::until(LIMIT, async || {
        let found = series(&running).await?;
        let all = wanted.iter().filter(ours).all(|name| found.contains(name));
        names.replace(found);
        Ok(all)
    });
    // What is missing is told by whoever asked.
    drop(complete.await);
    Ok(names.into_inner())
}

async fn series(programs: &[Program]) -> Result<BTreeSet<String>> {
    let mut names = BTreeSet::new();
    for program in programs {
        let text = program.admin.get("/metrics").send().await?.text().await?;
        let lines = text.lines().filter(|line| !line.starts_with('#'));
        names.extend(lines.filter_map(|line| line.split(['{', ' ']).next()).map(str::to_owned));
    }
    Ok(names)
}

/// A running one; it ends with the test.
struct Program {
    admin: Door,
    _running: Child,
}

impl Program {
    async fn start(mut command: Command) -> Result<Self> {
        command.args(["--listen=127.0.0.1:0", "--admin-listen=127.0.0.1:0"]);
        command.env("LOG_FORMAT", "json").stdin(Stdio::null()).stdout(Stdio::null());
        let mut running = command.stderr(Stdio::piped()).kill_on_drop(true).spawn()?;
        let log = running.stderr.take().context("no log")?;
        let mut log = BufReader::new(log).lines();
        let mut said = String::new();
        let address = loop {
            let Some(line) = log.next_line().await? else { bail!("{command:?} has ended: {said}") };
            let entry: Value = serde_json::from_str(&line).unwrap_or_default();
            let text = |name| entry.get(name).and_then(Value::as_str);
            if let (Some("admin"), Some(address)) = (text("listener"), text("address")) {
                break address.to_owned();
            }
            said.push_str(&line);
        };
        // A full pipe would stop it.
        tokio::spawn(async move { while let Ok(Some(_)) = log.next_line().await {} });
        Ok(Self { admin: Door::at("a program's admin port", &address), _running: running })
    }
}

fn program(name: &str) -> Result<Command> {
    let mut command = Command::new(built(name)?);
    command.env_clear();
    Ok(command)
}

/// With the chart's own configuration, and certificates in files.
fn webhook(folder: &Path) -> Result<Command> {
    let authority = Authority::new("monitoring test", Validity::days(2))?;
    let leaf = authority.server(&[HOST], &[], Validity::days(1))?;
    let map = object("templates/webhook/configmap.yaml", &[])?;
    let mut config: Value = serde_norway::from_str(data(&map, "webhook.yaml")?)?;
    let tls = json!({
        "mode": "provided",
        "certFile": written(folder, "tls.crt", leaf.certificate_pem())?,
        "keyFile": written(folder, "tls.key", &leaf.key_pem())?,
        "caFile": written(folder, "ca.crt", authority.certificate_pem())?,
        "serverName": HOST,
    });
    config.as_object_mut().context("no configuration")?.insert("tls".to_owned(), tls);
    let mut webhook = program("webhook")?;
    webhook.arg("serve").arg("--config");
    webhook.arg(written(folder, "webhook.yaml", &config.to_string())?);
    Ok(webhook)
}

/// Beside an API server that does not answer.
fn spawner(folder: &Path) -> Result<Command> {
    let map = object("templates/spawner/templates-configmap.yaml", &[])?;
    let kubeconfig = json!({
        "apiVersion": "v1", "kind": "Config", "current-context": "x",
        "clusters": [{"name": "x", "cluster": {"server": "http://127.0.0.1:1"}}],
        "contexts": [{"name": "x", "context": {"cluster": "x", "user": "x"}}],
        "users": [{"name": "x", "user": {}}],
    });
    let mut spawner = program("spawner")?;
    spawner.env("KUBECONFIG", written(folder, "kubeconfig", &kubeconfig.to_string())?);
    spawner.args(["serve", "--namespace=acme", "--template"]);
    spawner.arg(written(folder, "pod-template.yaml", data(&map, "pod-template.yaml")?)?);
    issuer(&mut spawner, folder)?;
    Ok(spawner)
}

fn sidecar(folder: &Path) -> Result<Command> {
    let mut sidecar = program("sidecar")?;
    sidecar.args(["proxy", "--upstream=http://127.0.0.1:1", "--gateway-auth=none"]);
    sidecar.arg("--user=11111111-2222-4333-8444-555555555555");
    issuer(&mut sidecar, folder)?;
    Ok(sidecar)
}

/// Keys in a file: RFC 8037, appendix A.2.
fn issuer(command: &mut Command, folder: &Path) -> Result<()> {
    let key = json!({
        "kty": "OKP", "crv": "Ed25519", "kid": "a", "alg": "EdDSA", "use": "sig",
        "x": "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo",
    });
    let keys = written(folder, "keys.json", &json!({"keys": [key]}).to_string())?;
    command.args(["--issuer=https://id.example/realms/acme", "--audience=openclaw", "--jwks-file"]);
    command.arg(keys);
    Ok(())
}

fn data<'m>(map: &'m Value, key: &str) -> Result<&'m str> {
    let data = map.get("data").and_then(|data| data.get(key)).and_then(Value::as_str);
    data.with_context(|| format!("no {key}"))
}

fn written(folder: &Path, name: &str, content: &str) -> Result<PathBuf> {
    let file = folder.join(name);
    fs::write(&file, content)?;
    Ok(file)
}
