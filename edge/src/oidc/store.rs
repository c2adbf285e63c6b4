//! The keys in use, and the one task that renews them.
//!
//! Nobody but that task fetches, so a fetch is single-flight by construction and outlives the
//! request that asked for it: a client that disconnects cannot cancel it for the others.

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use arc_swap::ArcSwapOption;
use tokio::{
    sync::{Notify, watch},
    time::{Instant, timeout},
};

use super::{
    KeySet,
    metrics::KeyMetrics,
    pace::{Backoff, TokenBucket, jittered},
    source::{Source, SourceError},
};
use crate::{program::Chain, readiness::Gate};

/// Longest wait of a request for fresh keys; a little more than fetching may take.
const LONGEST_WAIT: Duration = Duration::from_secs(9);

/// The share of their time after which keys are renewed. With jitter that is at 0.88 at the latest,
/// so that the promised time also holds the fetch itself.
const RENEW_AT: f64 = 0.8;

/// The keys in use.
#[derive(Debug)]
pub(super) struct KeyStore {
    current: ArcSwapOption<Loaded>,
    max_age: Duration,
    /// Whether keys are being fetched, or about to be.
    fetching: watch::Sender<bool>,
    demand: Notify,
    demands: Mutex<TokenBucket>,
    pub(super) metrics: KeyMetrics,
}

/// A key set, and since when it is known to be the issuer's.
#[derive(Debug)]
pub(super) struct Loaded {
    pub(super) keys: KeySet,
    at: Instant,
}

impl Loaded {
    pub(super) fn now(keys: KeySet) -> Arc<Self> {
        Arc::new(Self { keys, at: Instant::now() })
    }
}

impl KeyStore {
    pub(super) fn new(max_age: Duration) -> Self {
        Self {
            current: ArcSwapOption::empty(),
            max_age,
            fetching: watch::Sender::new(true),
            demand: Notify::new(),
            demands: Mutex::new(TokenBucket::full(Instant::now())),
            metrics: KeyMetrics::default(),
        }
    }

    /// The keys to verify with; `None` before the first ones came, and when the last are too old.
    pub(super) fn current(&self) -> Option<Arc<Loaded>> {
        self.current.load_full().filter(|loaded| loaded.at.elapsed() <= self.max_age)
    }

    /// Puts keys in use.
    pub(super) fn put(&self, keys: KeySet) {
        self.current.store(Some(Loaded::now(keys)));
        self.metrics.loaded();
    }

    /// Asks for fresh keys and waits until they are there or could not be had.
    ///
    /// Anybody can send a token with an unknown `kid`, so demand is rationed. Joining a fetch that
    /// is under way costs nothing. Every fetch brings all keys, so made-up ids cannot displace a
    /// real one, and there is nothing to remember about them.
    ///
    /// Tells whether it joined one: that began before the call, and may have missed what the caller
    /// knows of.
    pub(super) async fn refresh(&self) -> bool {
        let mut fetching = self.fetching.subscribe();
        let mut joined = false;
        self.fetching.send_if_modified(|fetching| {
            joined = *fetching;
            let starts = !*fetching && self.may_demand();
            *fetching |= starts;
            if starts {
                self.demand.notify_one();
            }
            starts
        });
        // A timeout leaves the caller with the keys there are, as a refused demand does.
        let _ = timeout(LONGEST_WAIT, fetching.wait_for(|fetching| !fetching)).await;
        joined
    }

    fn may_demand(&self) -> bool {
        let mut bucket = self.demands.lock().unwrap_or_else(PoisonError::into_inner);
        bucket.take(Instant::now())
    }

    /// Renews the keys for ever: before they are `interval` old, on demand, and after a failure with
    /// a backoff.
    pub(super) async fn keep_fresh(&self, mut source: Source, interval: Duration, gate: Gate) {
        let mut backoff = Backoff::default();
        loop {
            self.fetching.send_replace(true);
            let outcome = source.load().await;
            let pause = match outcome {
                Ok(keys) => {
                    backoff = Backoff::default();
                    self.fetched(keys, &gate);
                    interval.mul_f64(RENEW_AT)
                }
                Err(error) => {
                    self.failed(&error, &gate);
                    backoff.next()
                }
            };
            self.fetching.send_replace(false);
            // Either way it is time to fetch.
            let _ = timeout(jittered(pause), self.demand.notified()).await;
        }
    }

    fn fetched(&self, keys: KeySet, gate: &Gate) {
        self.metrics.fetched(true);
        tracing::debug!(keys = keys.len(), "keys fetched");
        self.put(keys);
        gate.ready();
    }

    /// Keys that are there stay in use: an outage of the issuer is none of ours.
    fn failed(&self, error: &SourceError, gate: &Gate) {
        self.metrics.fetched(false);
        let error = Chain(error).to_string();
        if self.current().is_some() {
            tracing::warn!(error, "cannot renew the issuer's keys; the known ones stay in use");
        } else {
            gate.not_ready(error);
        }
    }
}
