use std::process::Command;

use anyhow::Result;
use edge::oidc::testing::AUDIENCE;

use super::{GATEWAY_TOKEN, Setup, packages, version};

/// HAProxy reads no JWKS and has no cache of verdicts: the key is a PEM file, each token is verified.
/// Rules as its manual has them for `jwt_verify`, the algorithm pinned.
pub(super) fn prepare(setup: &Setup<'_>) -> Result<(Command, String)> {
    let debian = packages::debian()?;
    let key = setup.write("key.pem", &setup.issuer.public_key_pem()?)?;
    let user = setup.user.map(|user| {
        format!("http-request deny deny_status 403 unless {{ var(txn.sub) -m str {user} }}\n")
    });
    let configuration = format!(
        "global
  nbthread 1
  maxconn 2000
defaults
  mode http
  timeout connect 3s
  timeout client 60s
  timeout server 60s
  timeout http-request 10s
  http-reuse always
frontend data
  bind {listen}
  http-request set-var(txn.alg) http_auth_bearer,jwt_header_query('$.alg')
  http-request set-var(txn.typ) http_auth_bearer,jwt_payload_query('$.typ')
  http-request set-var(txn.iss) http_auth_bearer,jwt_payload_query('$.iss')
  http-request set-var(txn.aud) http_auth_bearer,jwt_payload_query('$.aud[0]')
  http-request set-var(txn.sub) http_auth_bearer,jwt_payload_query('$.sub')
  http-request set-var(txn.exp) http_auth_bearer,jwt_payload_query('$.exp','int')
  http-request set-var(txn.now) date()
  http-request deny deny_status 401 unless {{ var(txn.alg) -m str RS256 }}
  http-request deny deny_status 401 unless {{ http_auth_bearer,jwt_verify(txn.alg,\"{key}\") -m int 1 }}
  http-request deny deny_status 401 unless {{ var(txn.typ) -m str Bearer }}
  http-request deny deny_status 401 unless {{ var(txn.iss) -m str {issuer} }}
  http-request deny deny_status 401 unless {{ var(txn.aud) -m str {AUDIENCE} }}
  http-request deny deny_status 401 if {{ var(txn.exp),sub(txn.now) -m int lt 0 }}
  {user}  http-request set-header Authorization \"Bearer {GATEWAY_TOKEN}\"
  default_backend runtime
backend runtime
  server runtime {upstream}
",
        listen = setup.listen,
        user = user.unwrap_or_default(),
        key = key.display(),
        issuer = setup.issuer.url,
        upstream = setup.upstream,
    );
    let configuration = setup.write("haproxy.cfg", &configuration)?;
    let mut command = debian.command("haproxy")?;
    command.arg("-db").arg("-f").arg(configuration);
    Ok((command, version(debian.command("haproxy")?.arg("-v"))?))
}
