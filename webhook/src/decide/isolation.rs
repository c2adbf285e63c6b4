//! What would let somebody around the sidecar, or into the containers that hold the keys; and names
//! and ports that others took.

use contract::{annotation, pod as names, port};

use crate::{
    inject::{PORT_NAME, VOLUMES},
    reason::{Denial, Reason},
    view::{Container, Pod},
};

/// Names of the containers that are injected.
const OURS: [&str; 2] = [names::TOKEN_SYNC, names::AUTH_SIDECAR];

pub(super) fn check(pod: &Pod<'_>, denials: &mut Vec<Denial>) {
    if pod.annotation(annotation::MIRROR_POD).is_some() {
        denials.push(Denial::new(
            Reason::MirrorPod,
            "a static pod cannot be a user's pod: the kubelet runs it from a file, without a webhook",
        ));
    }
    if let Some(os) = pod.spec.os.name.filter(|os| *os != "linux") {
        let shown: String = os.chars().take(64).collect();
        let message = format!("spec.os.name is {shown:?}: the injected containers run on linux");
        denials.push(Denial::new(Reason::NotLinux, message));
    }
    namespaces(pod, denials);
    for container in &pod.spec.containers {
        if OURS.contains(&container.name) {
            let message = format!(
                "container {:?} has the name of an init container that is injected; rename it",
                container.name
            );
            denials.push(Denial::new(Reason::NameClash, message));
        }
    }
    for container in pod.spec.all_containers().filter(|c| !OURS.contains(&c.name)) {
        foreign(container, denials);
    }
}

fn namespaces(pod: &Pod<'_>, denials: &mut Vec<Denial>) {
    let spec = &pod.spec;
    let host = [
        ("hostNetwork", spec.host_network),
        ("hostPID", spec.host_pid),
        ("hostIPC", spec.host_ipc),
    ];
    for (field, _) in host.into_iter().filter(|(_, value)| *value == Some(true)) {
        let message = format!("spec.{field} must not be true: the runtime would not be alone");
        denials.push(Denial::new(Reason::HostNamespace, message));
    }
    if spec.share_process_namespace == Some(true) {
        denials.push(Denial::new(
            Reason::SharedProcesses,
            "spec.shareProcessNamespace must not be true: containers could read each other's keys",
        ));
    }
}

/// A container that is not ours has none of our ports, port names or volumes.
fn foreign(container: &Container<'_>, denials: &mut Vec<Denial>) {
    for taken in &container.ports {
        let number = taken.container_port.unwrap_or_default();
        if matches!(number, port::SIDECAR_DATA | port::SIDECAR_ADMIN) {
            let message = format!(
                "container {:?} declares port {number}, which is the auth sidecar's",
                container.name
            );
            denials.push(Denial::new(Reason::PortClash, message));
        }
        if taken.name == Some(PORT_NAME) {
            let message = format!(
                "container {:?} names a port {PORT_NAME:?}, which is the auth sidecar's",
                container.name
            );
            denials.push(Denial::new(Reason::PortClash, message));
        }
    }
    for mount in &container.volume_mounts {
        if VOLUMES.contains(&mount.name) {
            let message = format!(
                "container {:?} mounts volume {:?}, a name that is the webhook's; rename it",
                container.name, mount.name
            );
            denials.push(Denial::new(Reason::NameClash, message));
        }
    }
}
