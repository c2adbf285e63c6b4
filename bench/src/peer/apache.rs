use std::process::Command;

use anyhow::Result;
use edge::oidc::testing::{ALICE, AUDIENCE};

use super::{GATEWAY_TOKEN, Setup, packages, version};

/// What the configuration below needs, in order.
const MODULES: [&str; 8] = [
    "mpm_event",
    "authn_core",
    "authz_core",
    "authz_user",
    "headers",
    "proxy",
    "proxy_http",
    "auth_openidc",
];

/// Apache with mod_auth_openidc as a resource server (`AuthType oauth20`), Debian's settings of the
/// event MPM, the key in a file. It keeps no verdicts on tokens that it verifies itself.
pub(super) fn prepare(setup: &Setup<'_>) -> Result<(Command, String)> {
    let debian = packages::debian()?;
    let key = setup.write("key.pem", &setup.issuer.public_key_pem()?)?;
    let folder = setup.folder.display();
    let mut configuration = format!(
        "ServerRoot \"{folder}\"
ServerName bench.example
PidFile \"{folder}/apache.pid\"
DefaultRuntimeDir \"{folder}\"
ErrorLog \"{folder}/error.log\"
LogLevel crit
Listen {listen}
User #65534
Group #65534
",
        listen = setup.listen,
    );
    for module in MODULES {
        let file = debian.file(&format!("/usr/lib/apache2/modules/mod_{module}.so"))?;
        configuration += &format!("LoadModule {module}_module \"{}\"\n", file.display());
    }
    configuration += &format!(
        "StartServers 2
MinSpareThreads 25
MaxSpareThreads 75
ThreadLimit 64
ThreadsPerChild 25
MaxRequestWorkers 150
MaxConnectionsPerChild 0
KeepAlive On
MaxKeepAliveRequests 0
KeepAliveTimeout 60
OIDCOAuthVerifyCertFiles \"rsa#{key}\"
OIDCOAuthRemoteUserClaim sub
OIDCPassClaimsAs none
<Location />
  AuthType oauth20
  <RequireAll>
    Require claim iss:{issuer}
    Require claim aud:{AUDIENCE}
    Require claim sub:{ALICE}
  </RequireAll>
  RequestHeader set Authorization \"Bearer {GATEWAY_TOKEN}\"
  ProxyPass http://{upstream}/ enablereuse=on
</Location>
",
        key = key.display(),
        issuer = setup.issuer.url,
        upstream = setup.upstream,
    );
    let configuration = setup.write("apache.conf", &configuration)?;
    let mut command = debian.command("apache2")?;
    command.arg("-f").arg(configuration).arg("-DFOREGROUND");
    Ok((command, version(debian.command("apache2")?.arg("-v"))?))
}
