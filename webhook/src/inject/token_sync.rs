//! token-sync: the init container that makes the gateway token in `openclaw.json` the Secret's.

use contract::pod;
use serde_json::{Value, json};

use super::{Parts, container::Container, env, volume};
use crate::{
    config::{BrokenConfig, GatewayAuth},
    plan::ConfigMount,
};

pub(super) fn container(parts: &Parts<'_>) -> Option<Value> {
    let mount = parts.plan.token_sync.as_ref()?;
    let container = Container {
        name: pod::TOKEN_SYNC,
        args: args(parts),
        env: std::iter::once(env::newapi_base_url(parts))
            .chain(env::gateway_token(parts))
            .collect(),
        mounts: std::iter::once(config_mount(mount)).chain(volume::seed_mount(parts)).collect(),
        // It is gone before the sidecar starts, so it may need as much without costing more. The
        // pod's own wishes are about the sidecar.
        resources: &parts.config.defaults.resources,
    };
    Some(container.build(parts, json!({})))
}

fn config_mount(mount: &ConfigMount) -> Value {
    let ConfigMount { volume, mount_path, sub_path } = mount;
    match sub_path {
        Some(sub_path) => json!({"name": volume, "mountPath": mount_path, "subPath": sub_path}),
        None => json!({"name": volume, "mountPath": mount_path}),
    }
}

fn args(parts: &Parts<'_>) -> Vec<String> {
    let settings = &parts.plan.settings;
    let mut args =
        vec!["token-sync".to_owned(), format!("--config={}", settings.config_path.as_str())];
    if parts.config.seed_config_map.is_some() {
        args.push(format!("--seed={}/{}", pod::SEED_MOUNT_PATH, pod::SEED_KEY));
    }
    if settings.broken_config == BrokenConfig::Reseed {
        args.push("--broken-config=reseed".to_owned());
    }
    args.push(format!("--gateway-auth={}", settings.gateway_auth));
    if settings.gateway_auth == GatewayAuth::TrustedProxy {
        args.push(format!("--user={}", parts.plan.user));
    }
    args
}
