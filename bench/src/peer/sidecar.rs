use std::{path::Path, process::Command};

use anyhow::{Result, ensure};
use contract::env;
use edge::oidc::testing::{ALICE, AUDIENCE};

use super::{GATEWAY_TOKEN, Setup, free_address, version};

/// Ours, as in a pod: keys by discovery over TLS, the gateway token from the environment.
pub(super) fn prepare(program: &Path, setup: &Setup<'_>) -> Result<(Command, String)> {
    ensure!(program.exists(), "{} is missing: `make binaries`", program.display());
    let ca = setup.folder.join("ca.crt");
    setup.issuer.write_ca(&ca)?;
    let mut command = Command::new(program);
    command
        .arg("proxy")
        .args(["--listen", &setup.listen.to_string()])
        .args(["--admin-listen", &free_address()?.to_string()])
        .args(["--upstream", &format!("http://{}", setup.upstream)])
        .args(["--issuer", &setup.issuer.url, "--audience", AUDIENCE, "--user", ALICE])
        .args(["--gateway-auth", "token"])
        .arg("--ca-file")
        .arg(ca)
        .env_clear()
        .env(env::OPENCLAW_GATEWAY_TOKEN, GATEWAY_TOKEN);
    Ok((command, version(Command::new(program).arg("--version"))?))
}
