use std::process::Command;

use anyhow::Result;
use edge::oidc::testing::AUDIENCE;
use serde_json::json;

use super::{GATEWAY_TOKEN, Setup, packages, version};

/// Verdicts that Envoy remembers: as many as the sidecar, fewer than there are tokens uncached.
const CACHED_TOKENS: u32 = 256;

/// Envoy with its filter `jwt_authn`, one worker, the keys in the configuration, its cache on.
pub(super) fn prepare(setup: &Setup<'_>) -> Result<(Command, String)> {
    let program = packages::envoy()?;
    let subjects = setup.user.map(|user| json!({"exact": user}));
    let authn = json!({
        "@type": extension("filters.http.jwt_authn.v3.JwtAuthentication"),
        "providers": {"issuer": {
            "issuer": setup.issuer.url, "audiences": [AUDIENCE], "subjects": subjects,
            "local_jwks": {"inline_string": setup.issuer.jwks().to_string()},
            "from_headers": [{"name": "Authorization", "value_prefix": "Bearer "}],
            "jwt_cache_config": {"jwt_cache_size": CACHED_TOKENS},
        }},
        "rules": [{"match": {"prefix": "/"}, "requires": {"provider_name": "issuer"}}],
    });
    let authorization = json!({
        "header": {"key": "Authorization", "value": format!("Bearer {GATEWAY_TOKEN}")},
        "append_action": "OVERWRITE_IF_EXISTS_OR_ADD",
    });
    let routes = json!({"virtual_hosts": [{
        "name": "all", "domains": ["*"], "request_headers_to_add": [authorization],
        "routes": [{"match": {"prefix": "/"}, "route": {"cluster": "runtime", "timeout": "0s"}}],
    }]});
    let manager = json!({
        "@type": extension("filters.network.http_connection_manager.v3.HttpConnectionManager"),
        "stat_prefix": "data", "route_config": routes,
        "http_filters": [
            {"name": "envoy.filters.http.jwt_authn", "typed_config": authn},
            {"name": "envoy.filters.http.router",
             "typed_config": {"@type": extension("filters.http.router.v3.Router")}},
        ],
    });
    let listener = json!({
        "name": "data", "address": socket(setup.listen),
        "filter_chains": [{"filters": [
            {"name": "envoy.filters.network.http_connection_manager", "typed_config": manager},
        ]}],
    });
    let cluster = json!({
        "name": "runtime", "type": "STATIC", "connect_timeout": "3s",
        "load_assignment": {"cluster_name": "runtime", "endpoints": [{"lb_endpoints": [
            {"endpoint": {"address": socket(setup.upstream)}},
        ]}]},
        "circuit_breakers": {"thresholds": [
            {"max_connections": 2000, "max_pending_requests": 2000, "max_requests": 2000},
        ]},
    });
    let configuration =
        json!({"static_resources": {"listeners": [listener], "clusters": [cluster]}});
    let configuration = setup.write("envoy.json", &configuration.to_string())?;
    let mut command = Command::new(&program);
    command.arg("--config-path").arg(configuration);
    command.args(["--concurrency", "1", "--disable-hot-restart", "--log-level", "error"]);
    Ok((command, version(Command::new(program).arg("--version"))?))
}

fn extension(name: &str) -> String {
    format!("type.googleapis.com/envoy.extensions.{name}")
}

fn socket(address: std::net::SocketAddr) -> serde_json::Value {
    json!({"socket_address": {"address": address.ip().to_string(), "port_value": address.port()}})
}
