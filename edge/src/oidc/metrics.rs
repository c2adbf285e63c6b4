use std::sync::{Arc, Mutex, PoisonError};

use prometheus_client::{
    collector::Collector,
    encoding::{DescriptorEncoder, EncodeLabelSet, EncodeMetric},
    metrics::{counter::Counter, family::Family, gauge::ConstGauge},
    registry::Registry,
};
use tokio::time::Instant;

/// What is known about the keys: how often they were fetched, and how old they are.
#[derive(Clone, Debug, Default)]
pub(super) struct KeyMetrics {
    fetches: Family<FetchLabels, Counter>,
    loaded: Arc<Mutex<Option<Instant>>>,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct FetchLabels {
    result: &'static str,
}

impl KeyMetrics {
    /// Counts one attempt.
    pub(super) fn fetched(&self, successfully: bool) {
        let result = if successfully { "ok" } else { "failed" };
        self.fetches.get_or_create(&FetchLabels { result }).inc();
    }

    pub(super) fn loaded(&self) {
        *self.loaded.lock().unwrap_or_else(PoisonError::into_inner) = Some(Instant::now());
    }

    pub(super) fn register(&self, registry: &mut Registry) {
        // From the start, so that a first increase is seen as one.
        for result in ["ok", "failed"] {
            drop(self.fetches.get_or_create(&FetchLabels { result }));
        }
        registry.register(
            "openclaw_jwks_fetch",
            "Attempts to fetch the issuer's keys",
            self.fetches.clone(),
        );
        registry.register_collector(Box::new(KeyAge(Arc::clone(&self.loaded))));
    }
}

/// The age is computed when it is asked for: no timer keeps an idle process awake.
#[derive(Debug)]
struct KeyAge(Arc<Mutex<Option<Instant>>>);

impl Collector for KeyAge {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> Result<(), std::fmt::Error> {
        let loaded = *self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(loaded) = loaded else {
            return Ok(());
        };
        let age = ConstGauge::new(loaded.elapsed().as_secs_f64());
        let help = "Seconds since the keys in use were fetched";
        let metric = encoder.encode_descriptor(
            "openclaw_jwks_age_seconds",
            help,
            None,
            age.metric_type(),
        )?;
        age.encode(metric)
    }
}
