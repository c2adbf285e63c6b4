//! The Secret with the gateway token that all users share. The spawner makes it and owns it: it is in
//! no rendered chart, so no upgrade, no sync and no uninstall changes it. To rotate the token, delete
//! the Secret; pods that run keep the old one until they are restarted.

use std::{fmt, time::Duration};

use contract::label;
use edge::{program::Chain, readiness::Gate};
use serde_json::{Value, json};

use super::{NoRandom, with_token};
use crate::{
    cluster::{Cluster, Created, Fault},
    render::GatewayScope,
};

/// How long a deleted Secret is missed at most.
const INTERVAL: Duration = Duration::from_secs(30);
/// How soon after a failure.
const AGAIN: Duration = Duration::from_secs(2);

/// Which Secret is made.
#[derive(Clone, Debug, Default, clap::Args)]
pub struct SharedGatewayArgs {
    /// The Secret with the gateway token of scope shared, made where it is missing; without it
    /// somebody else provides the token
    #[arg(long, env = "SHARED_GATEWAY_SECRET", value_name = "NAME", value_parser = clap::builder::NonEmptyStringValueParser::new())]
    shared_gateway_secret: Option<String>,
}

/// A shared token for users who have their own.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("--shared-gateway-secret is {0:?}, but --gateway-scope is perUser: set it to shared")]
pub struct SharedInPerUser(String);

/// Makes the Secret and sees to it that it is there.
pub struct SharedGateway {
    /// Where it is made: the tenant namespace.
    pub cluster: Cluster,
    /// Its name.
    pub name: String,
    /// Opens when it is there.
    pub gate: Gate,
}

#[derive(Debug, thiserror::Error)]
enum NotMade {
    #[error(transparent)]
    Fault(#[from] Fault),
    #[error(transparent)]
    NoRandom(#[from] NoRandom),
}

impl SharedGatewayArgs {
    /// The name of the Secret to make, if one is to be made.
    pub fn name(self, scope: GatewayScope) -> Result<Option<String>, SharedInPerUser> {
        match (self.shared_gateway_secret, scope) {
            (Some(name), GatewayScope::PerUser) => Err(SharedInPerUser(name)),
            (name, _) => Ok(name),
        }
    }
}

impl SharedGateway {
    /// Makes the Secret where it is missing, for as long as the future is polled. One that is there
    /// is adopted: it is neither read nor written.
    pub async fn run(self) {
        let mut seen = false;
        loop {
            let pause = match self.make().await {
                Ok(made) => {
                    if let Created::New(()) = made {
                        tracing::info!(secret = self.name, "made the shared gateway token");
                    }
                    seen = true;
                    self.gate.ready();
                    INTERVAL
                }
                Err(error) => {
                    let error = format!("Secret {}: {}", self.name, Chain(&error));
                    if seen {
                        self.gate.ready_although(error);
                    } else {
                        self.gate.not_ready(error);
                    }
                    AGAIN
                }
            };
            tokio::time::sleep(pause).await;
        }
    }

    async fn make(&self) -> Result<Created<()>, NotMade> {
        let secret = with_token(self.secret())?;
        Ok(self.cluster.create_secret(&secret).await?)
    }

    fn secret(&self) -> Value {
        json!({
            "apiVersion": "v1",
            "kind": "Secret",
            "metadata": {
                "name": self.name,
                "labels": { (label::MANAGED_BY): label::MANAGED_BY_SPAWNER },
            },
            "type": "Opaque",
        })
    }
}

impl fmt::Debug for SharedGateway {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SharedGateway").field("name", &self.name).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
