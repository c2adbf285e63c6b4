//! The cluster's certificates, keys and kubeconfigs.

use std::{
    fs,
    net::{IpAddr, Ipv4Addr},
    os::unix::fs::OpenOptionsExt as _,
    path::{Path, PathBuf},
};

use anyhow::{Context as _, Result};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use certs_dev::{Authority, Leaf, Validity};
use serde_json::json;

use crate::layout::{API_SERVICE, Layout, NODE, NODE_NAME};

/// Long enough for any development cluster; `down` and `up` make new ones.
const DAYS: u16 = 365;

/// Who gets a client certificate: file name, user, group.
const CLIENTS: &[(&str, &str, Option<&str>)] = &[
    ("admin", "admin", Some("system:masters")),
    ("apiserver-kubelet-client", "kube-apiserver", Some("system:masters")),
    ("controller-manager", "system:kube-controller-manager", None),
    ("scheduler", "system:kube-scheduler", None),
    ("kube-proxy", "system:kube-proxy", None),
    ("kubelet", "system:node:bp-openclaw", Some("system:nodes")),
];

/// Makes everything that is missing. `server` is the API server's URL as its clients see it.
pub(crate) fn ensure(layout: &Layout, server: &str) -> Result<()> {
    let done = layout.pki().join("complete");
    if done.exists() {
        return Ok(());
    }
    let folder = layout.folder("pki")?;
    let authority = Authority::new("bp-openclaw development cluster", Validity::days(DAYS))?;
    fs::write(folder.join("ca.crt"), authority.certificate_pem())?;
    let loopback = IpAddr::V4(Ipv4Addr::LOCALHOST);
    let names =
        ["localhost", "kubernetes", "kubernetes.default", "kubernetes.default.svc", NODE_NAME];
    let addresses = [loopback, NODE.into(), API_SERVICE.into()];
    let serving = authority.server(&names, &addresses, Validity::days(DAYS))?;
    write_leaf(&folder, "serving", &serving)?;
    for (file, user, group) in CLIENTS {
        let leaf = authority.client(user, *group, Validity::days(DAYS))?;
        write_leaf(&folder, file, &leaf)?;
        let kubeconfig = kubeconfig(server, authority.certificate_pem(), &leaf)?;
        write_secret(&folder.join(format!("{file}.kubeconfig")), &kubeconfig)?;
    }
    // Service account tokens are signed with any key pair; that of an unused leaf is one.
    let tokens = authority.client("service-accounts", None, Validity::days(DAYS))?;
    write_leaf(&folder, "service-accounts", &tokens)?;
    fs::copy(folder.join("admin.kubeconfig"), layout.kubeconfig())
        .context("cannot write the kubeconfig")?;
    fs::write(done, "")?;
    Ok(())
}

/// The kubeconfig of one of the cluster's own clients.
pub(crate) fn kubeconfig_of(layout: &Layout, client: &str) -> PathBuf {
    layout.pki().join(format!("{client}.kubeconfig"))
}

fn write_leaf(folder: &Path, name: &str, leaf: &Leaf) -> Result<()> {
    fs::write(folder.join(format!("{name}.crt")), leaf.certificate_pem())?;
    write_secret(&folder.join(format!("{name}.key")), &leaf.key_pem())
}

fn write_secret(path: &Path, text: &str) -> Result<()> {
    use std::io::Write as _;
    let mut file = fs::File::options()
        .write(true)
        .create(true)
        .truncate(true)
        .mode(0o600)
        .open(path)
        .with_context(|| format!("cannot write {}", path.display()))?;
    Ok(file.write_all(text.as_bytes())?)
}

/// A kubeconfig is YAML, and JSON is YAML.
fn kubeconfig(server: &str, authority: &str, client: &Leaf) -> Result<String> {
    let text = json!({
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": "bp-openclaw",
        "clusters": [{"name": "bp-openclaw", "cluster": {
            "server": server,
            "certificate-authority-data": STANDARD.encode(authority),
        }}],
        "users": [{"name": "bp-openclaw", "user": {
            "client-certificate-data": STANDARD.encode(client.certificate_pem()),
            "client-key-data": STANDARD.encode(client.key_pem()),
        }}],
        "contexts": [{"name": "bp-openclaw", "context": {"cluster": "bp-openclaw", "user": "bp-openclaw"}}],
    });
    Ok(serde_json::to_string_pretty(&text)?)
}
