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
    chat,
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
    /// The stand-in.
    #[must_use]
    pub fn stand_in(cluster: &Cluster) -> Self {
        let authority = format!("{}:{PORT}", cluster.host_address);
        let base_url = format!("http://{authority}");
        Self { door: Door::at("NewAPI", &authority), base_url, yours: None }
    }

    /// Yours if `NEWAPI_BASE_URL` and `NEWAPI_KEY` name one, else the stand-in.
    ///
    /// # Errors
    /// Only one of the two variables is set.
    pub fn yours_or_stand_in(cluster: &Cluster) -> Result<Self> {
        Ok(Self { yours: Yours::from_environment()?, ..Self::stand_in(cluster) })
    }

    /// Makes sure that the stand-in, or the relay to yours, runs.
    ///
    /// # Errors
    /// It does not start.
    pub async fn ensure_running(&self, cluster: &Cluster) -> Result<()> {
        let mut command = Command::new(built(PROCESS)?);
        command.arg(format!("--listen={}:{PORT}", cluster.host_address));
        match &self.yours {
            Some(yours) => drop(command.arg(format!("--relay-to={}", yours.base_url))),
            None => {
                for person in people::everybody()? {
                    command.arg(format!("--key={}={}", person.name, person.newapi_key()));
                }
            }
        }
        process::ensure(cluster, PROCESS, &command, || async {
            self.door.get("/recorded").send().await.is_ok()
        })
        .await
    }

    /// What a user's Secret gets as `base-url`.
    #[must_use]
    pub fn base_url(&self) -> &str {
        &self.base_url
    }

    /// What a user's Secret gets as `api-key`.
    #[must_use]
    pub fn key_of(&self, person: &Person) -> String {
        self.yours.as_ref().map_or_else(|| person.newapi_key(), |yours| yours.key.clone())
    }

    /// Your NewAPI's address, if it is yours.
    #[must_use]
    pub fn yours(&self) -> Option<&str> {
        self.yours.as_ref().map(|yours| yours.base_url.as_str())
    }

    /// Number of the last request so far, for [`NewApi::chats_since`].
    ///
    /// # Errors
    /// No answer.
    pub async fn last_number(&self) -> Result<u64> {
        Ok(self.recorded().await?.last().map_or(0, |last| last.number))
    }

    /// The chats that were asked with this key after request `number`.
    ///
    /// # Errors
    /// No answer.
    pub async fn chats_since(&self, number: u64, key: &str) -> Result<Vec<Recorded>> {
        let mut seen = self.recorded().await?;
        seen.retain(|seen| {
            let is_chat = seen.path == chat::COMPLETIONS;
            is_chat && seen.number > number && seen.key.as_deref() == Some(key)
        });
        Ok(seen)
    }

    async fn recorded(&self) -> Result<Vec<Recorded>> {
        self.door.get("/recorded").send().await?.expect(StatusCode::OK).await?.json().await
    }

    /// Lets the answer to a held question go on ([`crate::chat::held_question`]).
    ///
    /// # Errors
    /// No answer, or it is your NewAPI, which holds nothing back for us.
    pub async fn go_on(&self, hold: &str) -> Result<()> {
        ensure!(self.yours.is_none(), "your NewAPI cannot hold an answer back");
        let call = self.door.post(&format!("/go-on/{hold}"));
        call.send().await?.expect(StatusCode::NO_CONTENT).await.map(drop)
    }
}

impl Yours {
    fn from_environment() -> Result<Option<Self>> {
        let set = |name: &str| std::env::var(name).ok().filter(|value| !value.is_empty());
        match (set(contract::env::NEWAPI_BASE_URL), set(contract::env::NEWAPI_KEY)) {
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
