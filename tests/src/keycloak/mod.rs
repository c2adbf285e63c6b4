//! A real Keycloak with the realm `acme`, on this host, where pods reach it by the same address: the
//! issuer in a token is then the same for everybody.

mod distribution;
mod realm;
mod token;

use std::{path::Path, process::Command};

use anyhow::{Result, bail};
use http::StatusCode;
use serde::Deserialize;

pub use realm::Realm;
pub use token::Token;

use crate::{
    cluster::Cluster,
    door::Door,
    install::SPAWNER_NODE_PORT,
    people::{Person, REALM},
    process,
};

/// The confidential client of the spawner; its id is the audience of its tokens.
pub const CLIENT: &str = "openclaw";
/// As [`CLIENT`], with tokens that live for one second.
pub const CLIENT_SHORT: &str = "openclaw-short";
/// A public client of somebody else's: its tokens have no audience of ours.
pub const CLIENT_OTHER: &str = "other-app";
/// Secret of our two clients in the realm file.
pub const CLIENT_SECRET: &str = "openclaw-dev-secret";

const PORT: u16 = 8180;

/// Where [`Keycloak::of_its_own`] is.
const OWN_PORT: u16 = 8190;

/// How its process is recorded.
const PROCESS: &str = "keycloak";
/// The same of [`Keycloak::of_its_own`].
const OWN_PROCESS: &str = "keycloak-of-its-own";

/// A running Keycloak.
#[derive(Clone, Debug)]
pub struct Keycloak {
    door: Door,
    base_url: String,
    realm: String,
}

/// The realm, whose client hears of logouts at the spawner's address.
fn realm_at(spawner: &str) -> String {
    REALM.replace("//SPAWNER/", &format!("//{spawner}/"))
}

/// What a user gets by signing in.
#[derive(Clone, Debug)]
pub struct Tokens {
    /// Opens the user's own pod.
    pub access: Token,
    /// Tells a client who signed in. Opens nothing.
    pub id: Token,
    /// Gets new tokens of the same session from Keycloak. Opens nothing.
    pub refresh: Token,
}

impl Keycloak {
    /// Where this cluster's Keycloak is, or will be.
    #[must_use]
    pub fn of(cluster: &Cluster) -> Self {
        Self::at(&format!("{}:{PORT}", cluster.host_address))
    }

    /// A second one, for a test that stops it or takes its keys away. It has no realm of ours.
    ///
    /// # Errors
    /// As [`Self::ensure_running`].
    pub async fn of_its_own(cluster: &Cluster) -> Result<Self> {
        let keycloak = Self::at(&format!("127.0.0.1:{OWN_PORT}"));
        let home = distribution::installed().await?;
        let mut command = keycloak.command(&home);
        command.env("KC_BOOTSTRAP_ADMIN_USERNAME", realm::ADMIN);
        command.env("KC_BOOTSTRAP_ADMIN_PASSWORD", realm::ADMIN);
        process::ensure(cluster, OWN_PROCESS, &command, || keycloak.answers("master")).await?;
        Ok(keycloak)
    }

    /// Ends [`Self::of_its_own`].
    ///
    /// # Errors
    /// It does not end.
    pub async fn stop_its_own(cluster: &Cluster) -> Result<()> {
        process::stop(cluster, OWN_PROCESS).await
    }

    fn at(authority: &str) -> Self {
        Self {
            door: Door::at("Keycloak", authority),
            base_url: format!("http://{authority}"),
            realm: "acme".to_owned(),
        }
    }

    /// Makes sure that it runs, with the realm of today.
    ///
    /// # Errors
    /// It cannot be had, or does not start; the message has its last words.
    pub async fn ensure_running(&self, cluster: &Cluster) -> Result<()> {
        let home = distribution::installed().await?;
        let realm = home.join("data/import/acme.json");
        // The realm lives in memory, so a running Keycloak has the one that it was started with.
        let wanted = realm_at(&format!("{}:{SPAWNER_NODE_PORT}", cluster.node_address));
        if std::fs::read_to_string(&realm).ok().as_ref() != Some(&wanted) {
            process::stop(cluster, PROCESS).await?;
            std::fs::create_dir_all(home.join("data/import"))?;
            std::fs::write(&realm, wanted)?;
        }
        let mut command = self.command(&home);
        command.arg("--import-realm");
        process::ensure(cluster, PROCESS, &command, || self.answers(&self.realm)).await
    }

    async fn answers(&self, realm: &str) -> bool {
        let call = self.door.get(&format!("/realms/{realm}/.well-known/openid-configuration"));
        call.send().await.is_ok_and(|answer| answer.status == StatusCode::OK)
    }

    fn command(&self, home: &Path) -> Command {
        let mut command = Command::new(home.join("bin/kc.sh"));
        command.args(["start", "--optimized", "--http-enabled=true"]);
        let (address, port) = self.door.authority().rsplit_once(':').unwrap_or_default();
        command.arg(format!("--http-host={address}"));
        command.arg(format!("--http-port={port}"));
        command.arg(format!("--hostname={}", self.base_url));
        command.env("JAVA_OPTS_KC_HEAP", "-Xms128m -Xmx512m");
        // Measured: 29 instead of 47 seconds of processor time to start, and it will not run long.
        command.env("JAVA_OPTS_APPEND", "-XX:TieredStopAtLevel=1");
        command
    }

    /// The realm's issuer: the `iss` of its tokens.
    #[must_use]
    pub fn issuer(&self) -> String {
        format!("{}/realms/{}", self.base_url, self.realm)
    }

    /// Where tokens are asked for.
    #[must_use]
    pub fn token_url(&self) -> String {
        format!("{}/protocol/openid-connect/token", self.issuer())
    }

    /// The realm's public keys, as it publishes them.
    ///
    /// # Errors
    /// No answer.
    pub async fn keys(&self) -> Result<String> {
        let call = self.door.get(&format!("/realms/{}/protocol/openid-connect/certs", self.realm));
        call.send().await?.expect(StatusCode::OK).await?.text().await
    }

    /// Signs `person` in at our client.
    ///
    /// # Errors
    /// Keycloak refuses.
    pub async fn sign_in(&self, person: &Person) -> Result<Tokens> {
        self.sign_in_at(CLIENT, person).await
    }

    /// Signs `person` in at a client of the realm, with their password.
    ///
    /// # Errors
    /// Keycloak refuses.
    pub async fn sign_in_at(&self, client: &str, person: &Person) -> Result<Tokens> {
        let password = person.password();
        let mut form = vec![
            ("grant_type", "password"),
            ("scope", "openid"),
            ("client_id", client),
            ("username", person.name.as_str()),
            ("password", password.as_str()),
        ];
        match client {
            CLIENT | CLIENT_SHORT => form.push(("client_secret", CLIENT_SECRET)),
            CLIENT_OTHER => {}
            _ => bail!("the realm has no client {client}"),
        }
        self.grant(&form).await
    }

    async fn grant(&self, form: &[(&str, &str)]) -> Result<Tokens> {
        #[derive(Deserialize)]
        struct Grant {
            access_token: String,
            id_token: String,
            refresh_token: String,
        }
        let path = format!("/realms/{}/protocol/openid-connect/token", self.realm);
        let answer = self.door.post(&path).form(form).send().await?;
        let Grant { access_token, id_token, refresh_token } =
            answer.expect(StatusCode::OK).await?.json().await?;
        Ok(Tokens {
            access: Token::new(access_token),
            id: Token::new(id_token),
            refresh: Token::new(refresh_token),
        })
    }
}
