//! From values to a running sidecar: what the chart says about tokens, the webhook puts into a pod's
//! arguments, and the sidecar's own program takes every one of them.

use std::{
    fs,
    io::{BufRead as _, BufReader},
    path::Path,
    process::{Child, Command, Stdio},
};

use anyhow::{Context as _, Result, ensure};
use certs_dev::{Authority, Validity};
use contract::pod;
use serde_json::Value;
use tests::{
    chart::{documents, object, run},
    process::built,
};

const USER: &str = "11111111-2222-4333-8444-555555555555";

/// Ends it with the test.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        drop(self.0.kill());
        drop(self.0.wait());
    }
}

#[test]
fn the_sidecar_starts_with_what_the_chart_says() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let authority = Authority::new("a CA of one's own", Validity::days(1))?;
    let ca = written(folder.path(), "ca.crt", authority.certificate_pem())?;
    let settings = [
        "keycloak.authorizedParties={openclaw,cli$(HOME)}",
        "keycloak.leeway=1m30s",
        "keycloak.maxTokenLifetime=15m",
        "keycloak.logoutClient=web",
        "keycloak.jwksURL=http://127.0.0.1:1/keys",
    ];
    let args = injected_args(folder.path(), &settings, authority.certificate_pem())?;
    let of_the_pod = format!("--ca-file={}/{}", pod::CA_MOUNT_PATH, pod::CA_KEY);
    ensure!(args.contains(&of_the_pod), "{args:?}");
    for expected in [
        "--authorized-party=openclaw",
        // The kubelet makes one dollar of two.
        "--authorized-party=cli$$(HOME)",
        "--leeway=1m30s",
        "--max-lifetime=15m",
        "--logout-client=web",
    ] {
        ensure!(args.iter().any(|arg| arg == expected), "no {expected} in {args:?}");
    }
    // As in the pod, but for what is only there.
    let args = args.into_iter().map(|arg| match arg.split_once('=') {
        Some((flag @ ("--listen" | "--admin-listen"), _)) => format!("{flag}=127.0.0.1:0"),
        Some(("--ca-file", _)) => format!("--ca-file={ca}"),
        _ => arg.replace("$$", "$"),
    });
    let mut sidecar = Command::new(built("sidecar")?);
    sidecar.args(args).env_clear().env("OPENCLAW_GATEWAY_TOKEN", "secret");
    sidecar.env("LOG_FORMAT", "json").stderr(Stdio::piped());
    let mut running = Running(sidecar.spawn()?);
    let log = BufReader::new(running.0.stderr.take().context("no log")?);
    let mut said = Vec::new();
    for line in log.lines() {
        let line = line?;
        let entry: Value = serde_json::from_str(&line).unwrap_or_default();
        if entry.get("listener").is_some_and(|listener| listener == "data") {
            return Ok(());
        }
        said.push(line);
    }
    anyhow::bail!("the sidecar has ended: {said:#?}")
}

/// The auth sidecar's arguments in a user's pod, with these values and this CA.
fn injected_args(folder: &Path, settings: &[&str], ca: &str) -> Result<Vec<String>> {
    let ca = format!("keycloak.caBundle={ca}");
    let settings = [settings, &[ca.as_str()]].concat();
    let templates = object("templates/spawner/templates-configmap.yaml", &settings)?;
    let template = written(folder, "pod-template.yaml", data(&templates, "pod-template.yaml")?)?;
    let config = object("templates/webhook/configmap.yaml", &settings)?;
    let config = written(folder, "webhook.yaml", data(&config, "webhook.yaml")?)?;
    let mut spawner = Command::new(built("spawner")?);
    let objects = run(spawner.args(["render", "--user", USER, "--template", &template]))?;
    let objects = written(folder, "objects.yaml", &objects)?;
    let mut webhook = Command::new(built("webhook")?);
    let injected = run(webhook.args(["inject", "-f", &objects, "--config", &config]))?;
    let objects = documents(&injected)?;
    let containers = objects
        .iter()
        .filter_map(|object| object.pointer("/spec/initContainers")?.as_array())
        .flatten();
    let named = |container: &&Value| container.get("name").is_some_and(|n| n == pod::AUTH_SIDECAR);
    let sidecar = containers.into_iter().find(named).context("no auth sidecar")?;
    let args = sidecar.get("args").cloned().context("no arguments")?;
    Ok(serde_json::from_value(args)?)
}

fn data<'m>(map: &'m Value, key: &str) -> Result<&'m str> {
    let data = map.get("data").and_then(|data| data.get(key)).and_then(Value::as_str);
    data.with_context(|| format!("no {key}"))
}

fn written(folder: &Path, name: &str, content: &str) -> Result<String> {
    let file = folder.join(name);
    fs::write(&file, content)?;
    Ok(file.to_string_lossy().into_owned())
}
