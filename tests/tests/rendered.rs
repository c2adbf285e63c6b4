//! Every object that the chart renders, whatever is toggled, is one that the real API server takes: by
//! server-side dry run, with strict field validation. And every render of the same values is the same.

use std::{
    io::Write as _,
    path::{Path, PathBuf},
    process::{Command, Output, Stdio},
};

use anyhow::{Context as _, Result, bail, ensure};
use serde_json::Value;
use tests::cluster::Cluster;

/// The release, its namespace, and that of its users: nobody else's, because some of its objects are
/// made so that others can refer to them.
const RELEASE: &str = "rendered";
const USERS: &str = "rendered-users";

/// Kinds that no module at hand defines, so no API server here knows them.
const UNKNOWN: &str = "monitoring.coreos.com/";

#[test]
fn the_api_server_takes_whatever_is_rendered() -> Result<()> {
    let cluster = Cluster::running()?;
    let kinds = definitions()?;
    let files = kinds.iter().flat_map(|file| ["--filename".into(), file.clone().into_os_string()]);
    let mut kubectl = cluster.tool("kubectl");
    done(kubectl.args(["apply", "--server-side"]).args(files.clone()).output()?)?;
    let mut kubectl = cluster.tool("kubectl");
    done(kubectl.args(["wait", "--for=condition=Established"]).args(files).output()?)?;
    for namespace in [RELEASE, USERS] {
        let namespace =
            format!("{{apiVersion: v1, kind: Namespace, metadata: {{name: {namespace}}}}}");
        apply(&cluster, &namespace, &[])?;
    }
    for toggles in toggles()? {
        let rendered = render(&cluster, toggles.as_deref())?;
        ensure!(
            rendered == render(&cluster, toggles.as_deref())?,
            "two renders differ: {toggles:?}"
        );
        let objects = known(&rendered);
        ensure!(objects.len() > 20, "{} are too few", objects.len());
        // No pod is made, not even in a dry run, for an account that is not there.
        apply(&cluster, &of_kind(&objects, "ServiceAccount"), &[])?;
        apply(&cluster, &objects.join("\n---\n"), &["--dry-run=server", "--validate=strict"])
            .with_context(|| format!("with {toggles:?}"))?;
    }
    Ok(())
}

/// The overlays that are tried, each over the required one; `None` is that one alone.
fn toggles() -> Result<Vec<Option<PathBuf>>> {
    let folder = chart().join("tests/values");
    let files = std::fs::read_dir(folder)?.map(|entry| Ok(entry?.path()));
    let mut files = files.collect::<Result<Vec<_>>>()?;
    files.retain(|file| file.file_name().is_some_and(|name| name != "real.yaml"));
    files.sort();
    ensure!(files.len() >= 4, "{files:?} are too few");
    Ok([None].into_iter().chain(files.into_iter().map(Some)).collect())
}

fn render(cluster: &Cluster, toggles: Option<&Path>) -> Result<String> {
    let mut helm = cluster.tool("helm");
    helm.args(["template", RELEASE]).arg(chart()).args(["--namespace", RELEASE]);
    helm.arg("--values").arg(chart().join("tests/values/real.yaml"));
    if let Some(toggles) = toggles {
        helm.arg("--values").arg(toggles);
    }
    done(helm.args(["--set", &format!("tenant.namespace={USERS}")]).output()?)
}

/// The objects whose kinds are known here, as they are written: what another parser makes of a number
/// is not what the API server sees. A kind that nobody knows is refused with them.
fn known(rendered: &str) -> Vec<&str> {
    let known = |object: &&str| {
        let version = object.lines().find_map(|line| line.strip_prefix("apiVersion: "));
        version.is_some_and(|version| !version.starts_with(UNKNOWN))
    };
    rendered.split("\n---\n").filter(known).collect()
}

fn of_kind(objects: &[&str], kind: &str) -> String {
    let wanted = format!("kind: {kind}");
    let of_kind = |object: &&&str| object.lines().any(|line| line == wanted);
    objects.iter().filter(of_kind).copied().collect::<Vec<_>>().join("\n---\n")
}

fn apply(cluster: &Cluster, objects: &str, flags: &[&str]) -> Result<()> {
    let mut kubectl = cluster.tool("kubectl");
    kubectl.args(["apply", "--server-side", "--force-conflicts", "--filename", "-"]).args(flags);
    kubectl.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut running = kubectl.spawn()?;
    let mut input = running.stdin.take().context("no standard input")?;
    input.write_all(objects.as_bytes())?;
    drop(input);
    done(running.wait_with_output()?).map(drop)
}

/// The definitions of other projects' kinds that the chart can render, from their pinned modules.
fn definitions() -> Result<Vec<PathBuf>> {
    let pins = Path::new(env!("CARGO_MANIFEST_DIR")).join("tools/crds");
    let mut go = Command::new("go");
    go.current_dir(pins).env("GOWORK", "off").args(["mod", "download", "-json"]);
    let told = done(go.output()?)?;
    let modules = serde_json::Deserializer::from_str(&told).into_iter::<Value>();
    let modules = modules.collect::<Result<Vec<_>, _>>()?;
    let folder = |path: &str| {
        let module = modules.iter().find(|module| module["Path"] == path);
        let folder = module.and_then(|module| module["Dir"].as_str());
        folder.map(PathBuf::from).with_context(|| format!("{path} is not among {told}"))
    };
    let gateway = folder("sigs.k8s.io/gateway-api")?.join("config/crd/standard");
    let certificates = folder("github.com/cert-manager/cert-manager")?.join("deploy/crds");
    Ok(vec![
        gateway.join("gateway.networking.k8s.io_httproutes.yaml"),
        certificates.join("cert-manager.io_certificates.yaml"),
        certificates.join("cert-manager.io_issuers.yaml"),
    ])
}

fn chart() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../chart")
}

/// What a program said, if it did what it was told.
fn done(output: Output) -> Result<String> {
    if !output.status.success() {
        bail!("{}", String::from_utf8_lossy(&output.stderr).trim());
    }
    Ok(String::from_utf8(output.stdout)?)
}
