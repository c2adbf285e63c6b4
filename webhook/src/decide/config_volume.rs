//! Through which of the runtime's mounts token-sync reaches config-path.

use contract::annotation;

use super::{choose_container, quoted};
use crate::{
    config::ConfigPath,
    plan::ConfigMount,
    reason::{Denial, Reason},
    view::{Container, Mount, Pod},
};

/// The mount with the longest path above config-path, when token-sync can replace a file in it.
pub(super) fn find(
    pod: &Pod<'_>,
    runtime: &Container<'_>,
    path: &ConfigPath,
    denials: &mut Vec<Denial>,
) -> Option<ConfigMount> {
    let above = runtime.volume_mounts.iter().filter(|mount| path.below(mount.mount_path).is_some());
    let found = above.max_by_key(|mount| mount.mount_path.trim_end_matches('/').len());
    let obstacle = match found {
        None => Some(nothing_mounted(runtime)),
        Some(mount) => obstacle(pod, mount, path),
    };
    if let Some(obstacle) = obstacle {
        denials.push(Denial::new(
            Reason::ConfigPathVolume,
            format!(
                "token-sync cannot write {}: {obstacle}; or set {}: disabled",
                path.as_str(),
                annotation::TOKEN_SYNC
            ),
        ));
        return None;
    }
    found.map(|mount| ConfigMount {
        volume: mount.name.to_owned(),
        mount_path: mount.mount_path.to_owned(),
        sub_path: mount.sub_path.filter(|path| !path.is_empty()).map(str::to_owned),
    })
}

fn nothing_mounted(runtime: &Container<'_>) -> String {
    format!(
        "{} has no volume mounted above it; mount one, correct {}, or, if another container is the \
         runtime, {}",
        quoted(runtime),
        annotation::CONFIG_PATH,
        choose_container()
    )
}

/// Why a file cannot be replaced through `mount`.
fn obstacle(pod: &Pod<'_>, mount: &Mount<'_>, path: &ConfigPath) -> Option<String> {
    let volume = pod.spec.volumes.iter().find(|volume| volume.name == mount.name);
    let at = mount.mount_path;
    if path.below(at) == Some("") {
        return Some(format!(
            "{at} is itself a mount, which no rename can replace; mount its folder"
        ));
    }
    if mount.read_only == Some(true) {
        return Some(format!("the mount at {at} is readOnly"));
    }
    if volume.is_some_and(crate::view::Volume::is_read_only) {
        return Some(format!(
            "volume {:?} at {at} is of a kind that is always read-only",
            mount.name
        ));
    }
    if mount.sub_path_expr.is_some_and(|expression| !expression.is_empty()) {
        return Some(format!("the mount at {at} has subPathExpr, use subPath"));
    }
    None
}
