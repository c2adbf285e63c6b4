//! What every cluster has beside the node: the registry for our images, the pause program, a
//! default storage class, cluster DNS.

use std::{fs, path::Path, process::Command, time::Duration};

use anyhow::{Context as _, Result};

use crate::{
    images::{self, Image},
    kubectl,
    layout::{DNS_SERVICE, Layout},
    network::{inside, run},
    process::{self, Running},
    report, tools,
};

/// The default storage class, as every cluster for people has one: folders on the node's disk, made by
/// kube-controller-manager itself.
const STORAGE_CLASS: &str = r#"
apiVersion: storage.k8s.io/v1
kind: StorageClass
metadata:
  name: node
  annotations: {storageclass.kubernetes.io/is-default-class: "true"}
provisioner: kubernetes.io/host-path
reclaimPolicy: Delete
volumeBindingMode: WaitForFirstConsumer
"#;

/// Makes the default storage class.
pub(crate) fn make_storage_class(layout: &Layout) -> Result<()> {
    report::step("default storage class", || kubectl::apply(layout, STORAGE_CLASS))
}

/// Starts the registry on the node's loopback, from which its containerd pulls without TLS.
pub(crate) fn start_registry(layout: &Layout) -> Result<()> {
    report::step("registry", || {
        let mut command = inside(layout, tools::program(layout, "crane"));
        command.args(["registry", "serve", "--address", images::REGISTRY, "--disk"]);
        command.arg(layout.folder("registry")?);
        let registry = process::start(layout, "registry", &command)?;
        process::wait_until("the registry", Duration::from_secs(30), &[&registry], || {
            let mut ask = inside(layout, tools::program(layout, "crane"));
            Ok(ask
                .args(["catalog", images::REGISTRY])
                .output()
                .is_ok_and(|output| output.status.success()))
        })
    })
}

/// Builds Kubernetes' own pause program, which holds a pod's namespaces, and pushes it.
pub(crate) fn push_pause(layout: &Layout) -> Result<()> {
    if images::is_pushed(layout, images::PAUSE) {
        return Ok(());
    }
    report::step("pause image", || {
        let source = tools::kubernetes_source(layout)?.join("build/pause/linux/pause.c");
        let program = layout.folder("pause")?.join("pause");
        let mut compiler = Command::new("gcc");
        run(compiler
            .args(["-Os", "-static", "-DVERSION=pinned", "-o"])
            .arg(&program)
            .arg(&source))?;
        images::push(
            layout,
            &Image { name: "pause", program: &program, user: 65535, arguments: &[] },
            images::PAUSE,
        )
    })
}

/// Runs CoreDNS in the cluster, at the address that the kubelet gives to pods.
pub(crate) fn start_dns(layout: &Layout, controllers: &[Running; 2]) -> Result<()> {
    report::step("cluster DNS", || {
        let reference = images::reference("coredns", "pinned");
        if !images::is_pushed(layout, &reference) {
            let program = fs::canonicalize(tools::program(layout, "coredns"))?;
            let image = Image { name: "coredns", program: &program, user: 65532, arguments: &[] };
            images::push(layout, &image, &reference)?;
        }
        let manifest = include_str!("coredns.yaml")
            .replace("${IMAGE}", &reference)
            .replace("${CLUSTER_IP}", &DNS_SERVICE.to_string());
        kubectl::apply(layout, &manifest)?;
        process::wait_until("CoreDNS", Duration::from_secs(90), &controllers.each_ref(), || {
            let ready = [
                "-n",
                "kube-system",
                "get",
                "deployment",
                "coredns",
                "-o",
                "jsonpath={.status.readyReplicas}",
            ];
            Ok(kubectl::output(layout, &ready)? == "1")
        })
    })
}

/// The resolver of pods with `dnsPolicy: Default`: none, because the namespace has no way out.
pub(crate) fn write_resolv_conf(layout: &Layout) -> Result<()> {
    let path: &Path = &layout.state.join("resolv.conf");
    fs::write(path, "# no resolver outside the cluster\n")
        .context("cannot write the pods' resolv.conf")
}
