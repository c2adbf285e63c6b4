//! Keycloak's keys change under load.

use std::{
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst},
    },
    time::Duration,
};

use anyhow::{Result, ensure};
use http::StatusCode;
use tests::{keycloak::Token, patience};

use crate::{realm, sidecar::Sidecar};

const PATIENCE: Duration = Duration::from_secs(60);

/// Requests of each of the load's clients, at most.
const MOST: usize = 5_000;

/// Clients that send requests one after the other, with all tokens in turn.
#[derive(Clone, Default)]
struct Load {
    tokens: Arc<Mutex<Vec<Token>>>,
    over: Arc<AtomicBool>,
    /// Answered requests, and what was not answered with 200.
    answered: Arc<AtomicUsize>,
    refused: Arc<Mutex<Vec<StatusCode>>>,
}

impl Load {
    fn with(token: &Token) -> Self {
        let load = Self::default();
        load.add(token);
        load
    }

    fn add(&self, token: &Token) {
        self.tokens.lock().unwrap_or_else(|error| error.into_inner()).push(token.clone());
    }

    async fn run(self, sidecar: &Sidecar) -> Result<()> {
        for turn in 0..MOST {
            if self.over.load(SeqCst) {
                return Ok(());
            }
            let tokens = self.tokens.lock().unwrap_or_else(|error| error.into_inner()).clone();
            let Some(token) = tokens.get(turn % tokens.len().max(1)) else { continue };
            let status = sidecar.status(token).await?;
            if status != StatusCode::OK {
                self.refused.lock().unwrap_or_else(|error| error.into_inner()).push(status);
            }
            self.answered.fetch_add(1, SeqCst);
        }
        Ok(())
    }

    /// Waits until `count` more requests were answered.
    async fn more(&self, count: usize) -> Result<()> {
        let wanted = self.answered.load(SeqCst) + count;
        patience::until(PATIENCE, || async { Ok(self.answered.load(SeqCst) >= wanted) }).await
    }
}

#[tokio::test]
async fn a_rotation_under_load_refuses_nobody() -> Result<()> {
    let (realm, _held) = realm("rotation").await?;
    let alice = realm.person("alice")?;
    // The keys would not be fetched again by the clock while this test lasts.
    let sidecar = Sidecar::start(&realm, &alice, &["--jwks-refresh=1h"]).await?;
    let old = realm.sign_in(&alice).await?.access;
    let load = Load::with(&old);
    let rotate = async {
        load.more(200).await?;
        realm.rotate_key().await?;
        let new = realm.sign_in(&alice).await?.access;
        ensure!(new.key_id()? != old.key_id()?, "the new key does not sign");
        load.add(&new);
        load.more(400).await?;
        load.over.store(true, SeqCst);
        Ok(())
    };
    let clients = futures::future::try_join_all((0..4).map(|_| load.clone().run(&sidecar)));
    tokio::try_join!(clients, rotate)?;
    let refused = load.refused.lock().unwrap_or_else(|error| error.into_inner()).clone();
    assert!(refused.is_empty(), "{refused:?} of {}", load.answered.load(SeqCst));
    assert!(load.answered.load(SeqCst) >= 600);
    assert_eq!(
        sidecar.metric("openclaw_jwks_fetch_total{result=\"ok\"}").await?,
        2,
        "one more fetch"
    );
    Ok(())
}

/// A disabled key stays in use until the next fetch, which `--jwks-refresh` bounds; a token of a key
/// that is not known yet brings that forward.
#[tokio::test]
async fn the_tokens_of_a_disabled_key_are_refused_after_the_next_fetch() -> Result<()> {
    let (realm, _held) = realm("disabled").await?;
    let alice = realm.person("alice")?;
    let by_clock = Sidecar::start(&realm, &alice, &["--jwks-refresh=1s"]).await?;
    let by_demand = Sidecar::start(&realm, &alice, &["--jwks-refresh=1h"]).await?;
    let old = realm.sign_in(&alice).await?.access;
    for sidecar in [&by_clock, &by_demand] {
        assert_eq!(sidecar.status(&old).await?, StatusCode::OK);
    }
    realm.rotate_key().await?;
    realm.disable_key(&old.key_id()?).await?;
    assert_eq!(by_demand.status(&old).await?, StatusCode::OK, "its keys are those of before");

    let new = realm.sign_in(&alice).await?.access;
    assert_eq!(by_demand.status(&new).await?, StatusCode::OK);
    assert_eq!(by_demand.metric("openclaw_jwks_fetch_total{result=\"ok\"}").await?, 2);
    by_demand.refuses(&old).await?;
    let refused = || async {
        assert_eq!(by_clock.status(&new).await?, StatusCode::OK);
        Ok(by_clock.status(&old).await? == StatusCode::UNAUTHORIZED)
    };
    patience::until(PATIENCE, refused).await?;
    by_clock.refuses(&old).await
}
