//! NewAPI: a stand-in that records what it saw, or your own.

mod stand_in;

use std::process::Command;

use anyhow::{Context as _, Result, bail};
use http::StatusCode;

pub use stand_in::{Keys, Recorded, StandIn};

use crate::{
    cluster::Cluster,
    door::Door,
    patience,
    people::{self, Person},
    process::{self, built},
};

/// The stand-in's port. One digit off NewAPI's own 3000, so that both can run.
const PORT: u16 = 3900;

/// How its process is recorded.
const PROCESS: &str = "newapi-stand-in";

/// How long it may take to listen.
const START: std::time::Duration = std::time::Duration::from_secs(20);

/// Whom the runtimes ask.
#[derive(Clone, Debug)]
pub enum NewApi {
    /// Our stand-in: it records, and it can be told to go on.
    StandIn {
        /// Its own door.
        door: Door,
        /// What a user's Secret gets as `base-url`.
        base_url: String,
    },
    /// Yours, from `NEWAPI_BASE_URL` and `NEWAPI_KEY`.
    Yours {
        /// As you gave it.
        base_url: String,
        /// As you gave it.
        key: String,
    },
}

impl NewApi {
    /// Yours if the environment names one, else the stand-in, started if it does not run yet.
    ///
    /// # Errors
    /// Only one of the two variables is set, or the stand-in does not start.
    pub async fn found_or_started(cluster: &Cluster) -> Result<Self> {
        let set = |name: &str| std::env::var(name).ok().filter(|value| !value.is_empty());
        match (
            set(contract::env::NEWAPI_BASE_URL),
            set(contract::env::NEWAPI_KEY),
        ) {
            (Some(base_url), Some(key)) => Ok(Self::Yours { base_url, key }),
            (None, None) => Self::stand_in(cluster).await,
            _ => bail!(
                "set both {} and {} to use your NewAPI, or none for the stand-in",
                contract::env::NEWAPI_BASE_URL,
                contract::env::NEWAPI_KEY
            ),
        }
    }

    /// The stand-in.
    ///
    /// # Errors
    /// It does not start.
    pub async fn stand_in(cluster: &Cluster) -> Result<Self> {
        let authority = format!("{}:{PORT}", cluster.host_address);
        let door = Door::at("the NewAPI stand-in", &authority);
        let new_api = Self::StandIn {
            door: door.clone(),
            base_url: format!("http://{authority}"),
        };
        if process::is_running(cluster, PROCESS)? {
            return Ok(new_api);
        }
        let mut command = Command::new(built(PROCESS)?);
        command.args(["--listen", &authority]);
        for person in people::everybody()? {
            command.arg(format!("--key={}={}", person.name, person.newapi_key()));
        }
        let mut started = process::start(cluster, PROCESS, command)?;
        patience::until(START, || {
            let still_runs = started.still_runs();
            let call = door.get("/api/status").send();
            async move {
                still_runs?;
                Ok(call.await.is_ok())
            }
        })
        .await
        .context("the NewAPI stand-in does not start")?;
        Ok(new_api)
    }

    /// What a user's Secret gets as `base-url`.
    #[must_use]
    pub fn base_url(&self) -> &str {
        match self {
            Self::StandIn { base_url, .. } | Self::Yours { base_url, .. } => base_url,
        }
    }

    /// What a user's Secret gets as `api-key`.
    #[must_use]
    pub fn key_of(&self, person: &Person) -> String {
        match self {
            Self::StandIn { .. } => person.newapi_key(),
            Self::Yours { key, .. } => key.clone(),
        }
    }

    /// What was asked with this key, oldest first.
    ///
    /// # Errors
    /// The stand-in does not answer, or it is your NewAPI, which records nothing for us.
    pub async fn recorded_for(&self, key: &str) -> Result<Vec<Recorded>> {
        let answer = self.door()?.get("/recorded").send().await?;
        let all: Vec<Recorded> = answer.expect(StatusCode::OK).await?.json().await?;
        Ok(all
            .into_iter()
            .filter(|seen| seen.key.as_deref() == Some(key))
            .collect())
    }

    /// Lets the answer to a held question go on ([`crate::chat::held_question`]).
    ///
    /// # Errors
    /// The stand-in does not answer, or it is your NewAPI.
    pub async fn go_on(&self, hold: &str) -> Result<()> {
        let call = self.door()?.post(&format!("/go-on/{hold}"));
        call.send()
            .await?
            .expect(StatusCode::NO_CONTENT)
            .await
            .map(drop)
    }

    fn door(&self) -> Result<&Door> {
        match self {
            Self::StandIn { door, .. } => Ok(door),
            Self::Yours { .. } => bail!("your NewAPI does not tell what it saw"),
        }
    }
}
