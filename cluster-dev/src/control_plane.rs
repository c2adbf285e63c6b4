//! etcd, kube-apiserver, kube-controller-manager and kube-scheduler, with the flags that matter.

use std::{net::TcpListener, path::Path, process::Command, time::Duration};

use anyhow::{Context as _, Result};

use crate::{
    kubectl,
    layout::{Layout, NODE, POD_NET, SERVICE_NET},
    mode::Mode,
    network::inside,
    pki,
    process::{self, Running},
    report, tools,
};

/// The user of the pods whose homes are on the node's disk: the chart's `runtime.user`.
const PODS_USER: &str = "1000";

/// How a control plane is reached: the one difference between the two modes that have one.
struct Place {
    mode: Mode,
    /// The API server's address as clients and the `kubernetes` service see it.
    address: String,
    port: u16,
    etcd_port: u16,
    etcd_peer_port: u16,
}

impl Place {
    fn of(mode: Mode, layout: &Layout) -> Result<Self> {
        if mode == Mode::Namespace {
            return Ok(Self {
                mode,
                address: NODE.to_string(),
                port: 6443,
                etcd_port: 2379,
                etcd_peer_port: 2380,
            });
        }
        // On the host's own loopback the usual ports may be taken: take free ones, once.
        let [port, etcd_port, etcd_peer_port] = remembered_ports(layout)?;
        Ok(Self { mode, address: "127.0.0.1".into(), port, etcd_port, etcd_peer_port })
    }

    fn command(&self, layout: &Layout, name: &str) -> Command {
        let program = tools::program(layout, name);
        if self.mode == Mode::Namespace { inside(layout, program) } else { Command::new(program) }
    }
}

fn remembered_ports(layout: &Layout) -> Result<[u16; 3]> {
    let path = layout.state.join("ports.json");
    if let Ok(text) = std::fs::read_to_string(&path) {
        return serde_json::from_str(&text)
            .with_context(|| format!("cannot read {}", path.display()));
    }
    // Held together, so that the three differ.
    let held: [TcpListener; 3] = [
        TcpListener::bind("127.0.0.1:0")?,
        TcpListener::bind("127.0.0.1:0")?,
        TcpListener::bind("127.0.0.1:0")?,
    ];
    let [a, b, c] = held.each_ref().map(TcpListener::local_addr);
    let ports = [a?.port(), b?.port(), c?.port()];
    std::fs::write(&path, serde_json::to_string(&ports)?)?;
    Ok(ports)
}

/// Starts etcd and kube-apiserver and waits until the API answers.
pub(crate) fn start_api(layout: &Layout, mode: Mode, audit: bool) -> Result<()> {
    let place = Place::of(mode, layout)?;
    pki::ensure(layout, &format!("https://{}:{}", place.address, place.port))?;
    report::step("etcd and kube-apiserver", || {
        let etcd = process::start(layout, "etcd", &etcd(layout, &place)?)?;
        let mut api = api_server(layout, &place);
        if audit {
            write_audit_log(&mut api, layout)?;
        }
        let api = process::start(layout, "kube-apiserver", &api)?;
        process::wait_until("kube-apiserver", Duration::from_secs(120), &[&etcd, &api], || {
            Ok(kubectl::succeeds(layout, &["get", "--raw", "/readyz"]))
        })
    })
}

/// Starts kube-controller-manager and kube-scheduler. Nothing waits for them here: what needs them,
/// the first pod, comes later.
pub(crate) fn start_controllers(layout: &Layout) -> Result<[Running; 2]> {
    report::step("kube-controller-manager and kube-scheduler started", || {
        Ok([
            process::start(layout, "kube-controller-manager", &controller_manager(layout))?,
            process::start(layout, "kube-scheduler", &scheduler(layout))?,
        ])
    })
}

fn etcd(layout: &Layout, place: &Place) -> Result<Command> {
    let client = format!("http://127.0.0.1:{}", place.etcd_port);
    let peer = format!("http://127.0.0.1:{}", place.etcd_peer_port);
    let mut command = place.command(layout, "etcd");
    command.arg("--data-dir").arg(layout.folder("etcd")?);
    command.args(["--listen-client-urls", &client, "--advertise-client-urls", &client]);
    command.args(["--listen-peer-urls", &peer, "--initial-advertise-peer-urls", &peer]);
    command.args(["--initial-cluster", &format!("default={peer}")]);
    // A development cluster may lose its data with the machine; waiting for the disk costs seconds.
    command.args(["--unsafe-no-fsync", "--log-level", "warn"]);
    Ok(command)
}

fn api_server(layout: &Layout, place: &Place) -> Command {
    let pki = layout.pki();
    let mut command = place.command(layout, "kube-apiserver");
    flag_paths(
        &mut command,
        &pki,
        &[
            ("--client-ca-file", "ca.crt"),
            ("--tls-cert-file", "serving.crt"),
            ("--tls-private-key-file", "serving.key"),
            ("--kubelet-certificate-authority", "ca.crt"),
            ("--kubelet-client-certificate", "apiserver-kubelet-client.crt"),
            ("--kubelet-client-key", "apiserver-kubelet-client.key"),
            ("--service-account-key-file", "service-accounts.crt"),
            ("--service-account-signing-key-file", "service-accounts.key"),
        ],
    );
    command.arg("--cert-dir").arg(&pki);
    command.args(["--secure-port", &place.port.to_string(), "--advertise-address", &place.address]);
    if place.mode == Mode::Namespace {
        command.args(["--bind-address", "0.0.0.0"]);
    } else {
        // The `kubernetes` service cannot lead to a loopback address, and no pod is there to ask it.
        command.args(["--bind-address", "127.0.0.1"]);
        command.args(["--endpoint-reconciler-type", "none"]);
    }
    command.args(["--etcd-servers", &format!("http://127.0.0.1:{}", place.etcd_port)]);
    command.args(["--service-cluster-ip-range", SERVICE_NET]);
    command.args(["--service-account-issuer", "https://kubernetes.default.svc.cluster.local"]);
    command.args([
        "--authorization-mode",
        "Node,RBAC",
        "--enable-admission-plugins",
        "NodeRestriction",
    ]);
    command.args(["--allow-privileged=true", "--anonymous-auth=false"]);
    // Otherwise `kubectl logs` looks up the node's name.
    command.args(["--kubelet-preferred-address-types", "InternalIP"]);
    command
}

/// Who asked for what and when, without the objects; each answer once.
const AUDIT_POLICY: &str = r#"{"apiVersion": "audit.k8s.io/v1", "kind": "Policy", "omitStages": ["RequestReceived"],
"rules": [{"level": "Metadata"}]}
"#;

fn write_audit_log(command: &mut Command, layout: &Layout) -> Result<()> {
    let policy = layout.state.join("audit-policy.json");
    std::fs::write(&policy, AUDIT_POLICY)?;
    command.arg("--audit-policy-file").arg(policy);
    command.arg("--audit-log-path").arg(layout.audit_log());
    // In MB: what a benchmark reads must not be rotated away.
    command.args(["--audit-log-maxsize", "4000"]);
    Ok(())
}

fn controller_manager(layout: &Layout) -> Command {
    let pki = layout.pki();
    // The owner of the volumes that it makes is whoever it runs as, and only the owner may write there:
    // so it is our pods' user, who may also read what is root's (and remove what pods leave behind).
    let mut command = inside(layout, "setpriv");
    command.args(["--reuid", PODS_USER, "--regid", PODS_USER, "--clear-groups"]);
    command.args(["--inh-caps=+dac_override", "--ambient-caps=+dac_override"]);
    command.arg(tools::program(layout, "kube-controller-manager"));
    command.arg("--enable-hostpath-provisioner=true");
    flag_paths(
        &mut command,
        &pki,
        &[
            ("--kubeconfig", "controller-manager.kubeconfig"),
            // Pods get their `kube-root-ca.crt` from it.
            ("--root-ca-file", "ca.crt"),
            ("--service-account-private-key-file", "service-accounts.key"),
        ],
    );
    command.args([
        "--allocate-node-cidrs=true",
        "--cluster-cidr",
        POD_NET,
        "--node-cidr-mask-size",
        "24",
    ]);
    command.args([
        "--service-cluster-ip-range",
        SERVICE_NET,
        "--use-service-account-credentials=true",
    ]);
    command.args(["--leader-elect=false", "--bind-address", "127.0.0.1"]);
    command.arg("--cert-dir").arg(&pki);
    command
}

fn scheduler(layout: &Layout) -> Command {
    let mut command = inside(layout, tools::program(layout, "kube-scheduler"));
    flag_paths(&mut command, &layout.pki(), &[("--kubeconfig", "scheduler.kubeconfig")]);
    command.args(["--leader-elect=false", "--bind-address", "127.0.0.1"]);
    command
}

/// Adds flags whose values are files of one folder.
pub(crate) fn flag_paths(command: &mut Command, folder: &Path, flags: &[(&str, &str)]) {
    for (flag, file) in flags {
        command.arg(flag).arg(folder.join(file));
    }
}
