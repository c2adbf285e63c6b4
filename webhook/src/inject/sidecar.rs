//! The auth sidecar: a native sidecar, the pod's only way in.

use contract::{pod, port};
use serde_json::{Value, json};

use super::{Parts, container::Container, env, volume};

/// Name of the sidecar's data port, for Services and NetworkPolicies.
pub const PORT_NAME: &str = "openclaw";
/// Name of the sidecar's admin port.
const ADMIN_PORT_NAME: &str = "openclaw-admin";

pub(super) fn container(parts: &Parts<'_>) -> Value {
    let container = Container {
        name: pod::AUTH_SIDECAR,
        args: args(parts),
        env: env::gateway_token(parts).into_iter().collect(),
        mounts: volume::ca_mount(parts).into_iter().collect(),
        resources: &parts.plan.settings.resources,
    };
    container.build(
        parts,
        json!({
            // An init container that stays: ready before the runtime starts, and no obstacle to a Job's end.
            "restartPolicy": "Always",
            "ports": [
                {"name": PORT_NAME, "containerPort": port::SIDECAR_DATA, "protocol": "TCP"},
                {"name": ADMIN_PORT_NAME, "containerPort": port::SIDECAR_ADMIN, "protocol": "TCP"},
            ],
            // Alive, not ready: the runtime must not wait for the identity provider.
            "startupProbe": probe("/livez", 1, 1, 60),
            // Slow to act: a restart ends every stream of the user.
            "livenessProbe": probe("/livez", 5, 20, 6),
            "readinessProbe": probe("/readyz", 2, 5, 2),
        }),
    )
}

/// A probe of the admin port; the three numbers are timeout and period in seconds, and failures.
fn probe(path: &str, timeout: u32, period: u32, failures: u32) -> Value {
    json!({
        "httpGet": {"path": path, "port": port::SIDECAR_ADMIN, "scheme": "HTTP"},
        "timeoutSeconds": timeout,
        "periodSeconds": period,
        "successThreshold": 1,
        "failureThreshold": failures,
    })
}

fn args(parts: &Parts<'_>) -> Vec<String> {
    let plan = parts.plan;
    let oidc = &parts.config.oidc;
    let mut args = vec![
        "proxy".to_owned(),
        format!("--listen=0.0.0.0:{}", port::SIDECAR_DATA),
        format!("--admin-listen=0.0.0.0:{}", port::SIDECAR_ADMIN),
        format!("--upstream=http://127.0.0.1:{}", plan.settings.upstream_port),
        format!("--issuer={}", oidc.issuer),
    ];
    args.extend(oidc.jwks_url.iter().map(|url| format!("--jwks-url={url}")));
    args.extend([
        format!("--audience={}", oidc.audience),
        format!("--user={}", plan.user),
        format!("--user-claim={}", oidc.user_claim),
        format!("--gateway-auth={}", plan.settings.gateway_auth),
    ]);
    args.extend(oidc.authorized_parties.iter().map(|party| format!("--authorized-party={party}")));
    args.extend(oidc.leeway.iter().map(|time| format!("--leeway={time}")));
    args.extend(oidc.max_token_lifetime.iter().map(|time| format!("--max-lifetime={time}")));
    let ca_file = || format!("--ca-file={}/{}", pod::CA_MOUNT_PATH, pod::CA_KEY);
    args.extend(oidc.ca_config_map.iter().map(|_| ca_file()));
    args.extend(oidc.logout_client.iter().map(|client| format!("--logout-client={client}")));
    args.extend(plan.probes.iter().flat_map(|probe| probe.target.flags(probe.kind)));
    args
}
