//! NewAPI, with a record of what it saw: a stand-in, or your own behind a relay.

mod recorder;
mod relay;
mod stand_in;

use std::process::Command;

use anyhow::{Result, bail, ensure};
use http::StatusCode;

pub use recorder::Recorded;
pub use relay::router as relay;
pub use stand_in::{Keys, StandIn};

use crate::{
    cluster::Cluster,
    door::Door,
    people::{self, Person},
    process::{self, built},
};

/// Ours, not NewAPI's 3000, so that both can run.
const PORT: u16 = 3900;

/// The program, and how its process is recorded.
const PROCESS: &str = "newapi-stand-in";

/// Whom the runtimes ask.
#[derive(Clone, Debug)]
pub struct NewApi {
    /// The stand-in or the relay.
    door: Door,
    /// What a user's Secret gets as `base-url`.
    base_url: String,
    yours: Option<Yours>,
}

/// A NewAPI of your own.
#[derive(Clone)]
struct Yours {
    base_url: String,
    key: String,
}

impl NewApi {
    /// Yours if the environment names one, else the stand-in; started if it does not run yet.
    ///
    /// # Errors
    /// Only one of the two variables is set, or it does not start.
    pub async fn found_or_started(cluster: &Cluster) -> Result<Self> {
        let yours = Yours::from_environment()?;
        let authority = format!("{}:{PORT}", cluster.host_address);
        let base_url = format!("http://{authority}");
        let new_api = Self {
            door: Door::at("NewAPI", &authority),
            base_url,
            yours,
        };
        let mut command = Command::new(built(PROCESS)?);
        command.args(["--listen", &authority]);
        match &new_api.yours {
            Some(yours) => drop(command.arg(format!("--relay-to={}", yours.base_url))),
            None => {
                for person in people::everybody()? {
                    command.arg(format!("--key={}={}", person.name, person.newapi_key()));
                }
            }
        }
        process::ensure(cluster, PROCESS, &command, || async {
            new_api.door.get("/recorded").send().await.is_ok()
        })
        .await?;
        Ok(new_api)
    }

    /// What a user's Secret gets as `base-url`.
    #[must_use]
    pub fn base_url(&self) -> &str {
        &self.base_url
    }

    /// What a user's Secret gets as `api-key`.
    #[must_use]
    pub fn key_of(&self, person: &Person) -> String {
        self.yours
            .as_ref()
            .map_or_else(|| person.newapi_key(), |yours| yours.key.clone())
    }

    /// Your NewAPI's address, if it is yours.
    #[must_use]
    pub fn yours(&self) -> Option<&str> {
        self.yours.as_ref().map(|yours| yours.base_url.as_str())
    }

    /// What was asked with this key, oldest first.
    ///
    /// # Errors
    /// No answer.
    pub async fn recorded_for(&self, key: &str) -> Result<Vec<Recorded>> {
        let answer = self.door.get("/recorded").send().await?;
        let all: Vec<Recorded> = answer.expect(StatusCode::OK).await?.json().await?;
        Ok(all
            .into_iter()
            .filter(|seen| seen.key.as_deref() == Some(key))
            .collect())
    }

    /// Lets the answer to a held question go on ([`crate::chat::held_question`]).
    ///
    /// # Errors
    /// No answer, or it is your NewAPI, which holds nothing back for us.
    pub async fn go_on(&self, hold: &str) -> Result<()> {
        ensure!(
            self.yours.is_none(),
            "your NewAPI cannot hold an answer back"
        );
        let call = self.door.post(&format!("/go-on/{hold}"));
        call.send()
            .await?
            .expect(StatusCode::NO_CONTENT)
            .await
            .map(drop)
    }
}

impl Yours {
    fn from_environment() -> Result<Option<Self>> {
        let set = |name: &str| std::env::var(name).ok().filter(|value| !value.is_empty());
        match (
            set(contract::env::NEWAPI_BASE_URL),
            set(contract::env::NEWAPI_KEY),
        ) {
            (Some(base_url), Some(key)) => Ok(Some(Self { base_url, key })),
            (None, None) => Ok(None),
            _ => bail!(
                "set both {} and {} to use your NewAPI, or none for the stand-in",
                contract::env::NEWAPI_BASE_URL,
                contract::env::NEWAPI_KEY
            ),
        }
    }
}

impl std::fmt::Debug for Yours {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} (key not shown)", self.base_url)
    }
}
