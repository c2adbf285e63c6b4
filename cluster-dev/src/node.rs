//! The node: containerd, kubelet and kube-proxy.

use std::{fs, process::Command, time::Duration};

use anyhow::{Context as _, Result};
use serde_json::json;

use crate::{
    addons, images, kubectl,
    layout::{DNS_SERVICE, Layout, NAME, NODE, NODE_NAME, POD_NET},
    network::inside,
    pki, process, report, tools,
};

/// containerd's default socket; `/run` is the node's own (see [`crate::network`]).
const CONTAINERD: &str = "/run/containerd/containerd.sock";

/// Starts containerd, the kubelet and kube-proxy and waits until the node is Ready.
pub(crate) fn start(layout: &Layout) -> Result<()> {
    report::step("containerd", || start_containerd(layout))?;
    report::step("kubelet and kube-proxy", || {
        let kubelet = process::start(layout, "kubelet", &kubelet(layout)?)?;
        let proxy = process::start(layout, "kube-proxy", &kube_proxy(layout))?;
        process::wait_until(
            "the node to be Ready",
            Duration::from_secs(120),
            &[&kubelet, &proxy],
            || {
                let ready = "jsonpath={.status.conditions[?(@.type==\"Ready\")].status}";
                let status = kubectl::output(layout, &["get", "node", NODE_NAME, "-o", ready]);
                Ok(status.is_ok_and(|status| status == "True"))
            },
        )
    })
}

fn start_containerd(layout: &Layout) -> Result<()> {
    let folder = layout.folder("containerd")?;
    let (config, network) = (folder.join("config.toml"), layout.folder("cni")?);
    fs::write(&config, containerd_config(layout)?)?;
    fs::write(
        network.join("10-bridge.conflist"),
        serde_json::to_string_pretty(&cni_config(layout)?)?,
    )?;
    let mut command = inside(layout, tools::program(layout, "containerd"));
    command.arg("--config").arg(&config);
    // containerd finds its shim and runc in PATH.
    let path = std::env::var_os("PATH").unwrap_or_default();
    let folders = std::iter::once(tools::bin(layout)?).chain(std::env::split_paths(&path));
    command.env("PATH", std::env::join_paths(folders)?);
    let containerd = process::start(layout, "containerd", &command)?;
    process::wait_until("containerd", Duration::from_secs(60), &[&containerd], || {
        let mut version = inside(layout, tools::program(layout, "ctr"));
        Ok(version
            .args(["--address", CONTAINERD, "version"])
            .output()
            .is_ok_and(|output| output.status.success()))
    })
}

fn containerd_config(layout: &Layout) -> Result<String> {
    let root = layout.folder("containerd/root")?;
    Ok(format!(
        r#"version = 3
root = {root:?}
state = "/run/containerd/state"

[grpc]
  address = "{CONTAINERD}"

[plugins.'io.containerd.cri.v1.images'.pinned_images]
  sandbox = "{pause}"

[plugins.'io.containerd.cri.v1.runtime']
  # Without CAP_SYS_RESOURCE (micro VMs, nested containers) lowering a score fails every sandbox with
  # "can't get final child's PID from pipe: EOF".
  restrict_oom_score_adj = true

[plugins.'io.containerd.cri.v1.runtime'.cni]
  bin_dirs = ["/usr/lib/cni"]
  conf_dir = {cni:?}

[plugins.'io.containerd.cri.v1.runtime'.containerd.runtimes.runc]
  runtime_type = "io.containerd.runc.v2"

[plugins.'io.containerd.cri.v1.runtime'.containerd.runtimes.runc.options]
  # The kubelet uses cgroupfs too: systemd need not be the first process here.
  SystemdCgroup = false
"#,
        pause = images::PAUSE,
        cni = layout.folder("cni")?,
    ))
}

fn cni_config(layout: &Layout) -> Result<serde_json::Value> {
    Ok(json!({
        "cniVersion": "1.0.0",
        "name": NAME,
        "plugins": [
            {
                "type": "bridge",
                "bridge": "pods",
                "isGateway": true,
                // Pods reach the host over the node's link, and the host routes back.
                "ipMasq": false,
                "hairpinMode": true,
                "ipam": {
                    "type": "host-local",
                    "ranges": [[{"subnet": POD_NET}]],
                    "routes": [{"dst": "0.0.0.0/0"}],
                    "dataDir": layout.folder("cni-addresses")?,
                },
            },
            {"type": "portmap", "capabilities": {"portMappings": true}},
        ],
    }))
}

fn kubelet(layout: &Layout) -> Result<Command> {
    addons::write_resolv_conf(layout)?;
    let config = layout.state.join("kubelet.yaml");
    fs::write(&config, serde_json::to_string_pretty(&kubelet_config(layout)?)?)?;
    let mut command = inside(layout, tools::program(layout, "kubelet"));
    command.arg("--config").arg(&config);
    command.arg("--kubeconfig").arg(pki::kubeconfig_of(layout, "kubelet"));
    command.arg("--root-dir").arg(layout.folder("kubelet")?);
    command.arg("--cert-dir").arg(layout.folder("kubelet-pki")?);
    command.args(["--hostname-override", NODE_NAME, "--node-ip", &NODE.to_string()]);
    Ok(command)
}

fn kubelet_config(layout: &Layout) -> Result<serde_json::Value> {
    let pki = layout.pki();
    Ok(json!({
        "apiVersion": "kubelet.config.k8s.io/v1beta1",
        "kind": "KubeletConfiguration",
        "authentication": {
            "anonymous": {"enabled": false},
            "webhook": {"enabled": true},
            "x509": {"clientCAFile": pki.join("ca.crt")},
        },
        "authorization": {"mode": "Webhook"},
        "tlsCertFile": pki.join("serving.crt"),
        "tlsPrivateKeyFile": pki.join("serving.key"),
        "containerRuntimeEndpoint": format!("unix://{CONTAINERD}"),
        "clusterDNS": [DNS_SERVICE],
        "clusterDomain": "cluster.local",
        "resolvConf": layout.state.join("resolv.conf"),
        "podLogsDir": layout.folder("var-log/pods")?,
        "cgroupDriver": "cgroupfs",
        "cgroupRoot": format!("/{NAME}"),
        "cgroupsPerQOS": true,
        "enforceNodeAllocatable": [],
        "failCgroupV1": false,
        "failSwapOn": false,
        "serializeImagePulls": false,
        // A developer's disk may be nearly full; a cluster that evicts for it helps nobody.
        "evictionHard": {"memory.available": "50Mi", "nodefs.available": "1%", "imagefs.available": "1%"},
        "imageGCHighThresholdPercent": 100,
    }))
}

fn kube_proxy(layout: &Layout) -> Command {
    let mut command = inside(layout, tools::program(layout, "kube-proxy"));
    command.arg("--kubeconfig").arg(pki::kubeconfig_of(layout, "kube-proxy"));
    command.args([
        "--proxy-mode",
        "nftables",
        "--cluster-cidr",
        POD_NET,
        "--hostname-override",
        NODE_NAME,
    ]);
    // A namespace may not set the host's conntrack limits.
    command.args(["--conntrack-max-per-core", "0", "--conntrack-min", "0"]);
    command.args([
        "--conntrack-tcp-timeout-established",
        "0s",
        "--conntrack-tcp-timeout-close-wait",
        "0s",
    ]);
    command
}

/// Makes the cgroup under which the kubelet puts all pods, so that `down` can tell them from others.
pub(crate) fn make_cgroups() -> Result<()> {
    for folder in cgroup_roots() {
        let ours = folder.join(NAME);
        fs::create_dir_all(&ours)
            .with_context(|| format!("cannot make the cgroup {}", ours.display()))?;
    }
    Ok(())
}

/// The root of every cgroup hierarchy: one of version 2, or one a controller of version 1.
pub(crate) fn cgroup_roots() -> Vec<std::path::PathBuf> {
    let mounts = fs::read_to_string("/proc/self/mounts").unwrap_or_default();
    let cgroups = mounts.lines().filter_map(|line| {
        let mut fields = line.split(' ').skip(1);
        let (path, kind) = (fields.next()?, fields.next()?);
        matches!(kind, "cgroup" | "cgroup2").then(|| path.into())
    });
    cgroups.collect()
}
