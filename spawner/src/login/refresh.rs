//! Fresh tokens, asked for once. A page sends many requests at the same moment with the same cookie,
//! and goes on sending the old one until an answer has brought the new: all of them get the same
//! tokens. Another replica may ask as well; the issuer gives both.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use aws_lc_rs::digest;
use tokio::{sync::OnceCell, time::Instant};

use super::provider::{Provider, ProviderFault, Tokens};

/// How long an outcome is shared: longer than it takes until every tab has its new cookie.
const SHARED: Duration = Duration::from_secs(60);

/// Asks the issuer for fresh tokens.
#[derive(Debug)]
pub(crate) struct Refresher {
    provider: Arc<Provider>,
    flights: Mutex<HashMap<Flight, (Outcome, Instant)>>,
}

/// A refresh token's hash.
type Flight = [u8; digest::SHA256_OUTPUT_LEN];
type Outcome = Arc<OnceCell<Result<Tokens, ProviderFault>>>;

impl Refresher {
    pub(crate) fn new(provider: Arc<Provider>) -> Self {
        Self { provider, flights: Mutex::default() }
    }

    /// Fresh tokens for `refresh_token`.
    pub(crate) async fn refresh(&self, refresh_token: &str) -> Result<Tokens, ProviderFault> {
        let flight = flight(refresh_token);
        let outcome = self.join(flight);
        let asked = outcome.get_or_init(|| self.ask(refresh_token.to_owned())).await.clone();
        if let Err(ProviderFault::Unavailable(_)) = &asked {
            // The next request asks anew.
            self.leave(&flight, &outcome);
        }
        asked
    }

    /// In a task of its own: a client that goes away cannot cancel it for the others.
    async fn ask(&self, refresh_token: String) -> Result<Tokens, ProviderFault> {
        let provider = Arc::clone(&self.provider);
        let asking = tokio::spawn(async move { provider.refresh(&refresh_token).await });
        let ended = |_| ProviderFault::Unavailable("this replica is ending".to_owned());
        asking.await.map_err(ended)?
    }

    fn join(&self, flight: Flight) -> Outcome {
        let now = Instant::now();
        let mut flights = self.flights.lock().unwrap_or_else(PoisonError::into_inner);
        flights.retain(|_, (_, until)| *until > now);
        let (outcome, _) = flights.entry(flight).or_insert_with(|| (Arc::default(), now + SHARED));
        Arc::clone(outcome)
    }

    fn leave(&self, flight: &Flight, outcome: &Outcome) {
        let mut flights = self.flights.lock().unwrap_or_else(PoisonError::into_inner);
        if flights.get(flight).is_some_and(|(now, _)| Arc::ptr_eq(now, outcome)) {
            flights.remove(flight);
        }
    }
}

fn flight(refresh_token: &str) -> Flight {
    let hash = digest::digest(&digest::SHA256, refresh_token.as_bytes());
    let mut flight = [0; digest::SHA256_OUTPUT_LEN];
    flight.copy_from_slice(hash.as_ref());
    flight
}
