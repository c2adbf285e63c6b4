//! What Prometheus is told. Labels come from closed sets: no name of an object, no user.

use std::sync::{Arc, atomic::AtomicI64};

use prometheus_client::{
    encoding::{EncodeLabelSet, EncodeLabelValue, LabelValueEncoder},
    metrics::{counter::Counter, family::Family, gauge::Gauge, histogram::Histogram, info::Info},
    registry::{Registry, Unit},
};

use crate::{
    VERSION,
    reason::{Outcome, Reason},
};

/// Seconds. An admission takes well under a millisecond, so the buckets begin at a tenth of one.
const SECONDS: [f64; 12] =
    [1e-4, 2.5e-4, 5e-4, 1e-3, 2.5e-3, 5e-3, 1e-2, 2.5e-2, 5e-2, 0.1, 0.5, 1.0];

/// All metrics of the webhook.
#[derive(Clone, Debug)]
pub struct Metrics {
    admissions: Family<Labels, Counter>,
    refused: Family<RefusedLabels, Counter>,
    seconds: Histogram,
    bytes: Counter,
    in_flight: Gauge,
    config_good: Gauge,
    config_loaded: Gauge,
    /// Whether certificate and trust are as they should be (1), or the last good ones are kept (0).
    pub certificate_good: Gauge,
    /// When the serving certificate and the CA end, as Unix time.
    pub certificate_expiry: Family<CertificateLabels, Gauge<i64, AtomicI64>>,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Labels {
    outcome: Outcome,
    reason: Reason,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct RefusedLabels {
    status: u16,
}

/// An admission that is being worked on, counted until it is dropped: also when the client vanishes
/// in the middle of its body, and the future with it.
#[derive(Debug)]
pub struct InFlight(Gauge);

impl Drop for InFlight {
    fn drop(&mut self) {
        self.0.dec();
    }
}

/// Which certificate.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct CertificateLabels {
    certificate: &'static str,
}

/// The certificate that the API server sees.
pub const SERVING: CertificateLabels = CertificateLabels { certificate: "serving" };
/// The one that signed it.
pub const CA: CertificateLabels = CertificateLabels { certificate: "ca" };

impl EncodeLabelValue for Outcome {
    fn encode(&self, encoder: &mut LabelValueEncoder<'_>) -> Result<(), std::fmt::Error> {
        EncodeLabelValue::encode(&self.as_str(), encoder)
    }
}

impl EncodeLabelValue for Reason {
    fn encode(&self, encoder: &mut LabelValueEncoder<'_>) -> Result<(), std::fmt::Error> {
        EncodeLabelValue::encode(&self.code(), encoder)
    }
}

impl Metrics {
    /// Registers all of them. Every reason starts at zero, so that its first increase is one, and so does
    /// a full house.
    pub fn register(registry: &mut Registry) -> Self {
        let metrics = Self {
            admissions: Family::default(),
            refused: Family::default(),
            seconds: Histogram::new(SECONDS),
            bytes: Counter::default(),
            in_flight: Gauge::default(),
            config_good: Gauge::default(),
            config_loaded: Gauge::default(),
            certificate_good: Gauge::default(),
            certificate_expiry: Family::default(),
        };
        for &reason in Reason::ALL {
            drop(metrics.admissions.get_or_create(&Labels { outcome: reason.outcome(), reason }));
        }
        let status = http::StatusCode::TOO_MANY_REQUESTS.as_u16();
        drop(metrics.refused.get_or_create(&RefusedLabels { status }));
        let registry = registry.sub_registry_with_prefix("openclaw_webhook");
        metrics.register_admissions(registry);
        metrics.register_state(registry);
        metrics
    }

    fn register_admissions(&self, registry: &mut Registry) {
        registry.register("admissions", "Answered admissions", self.admissions.clone());
        let refused = self.refused.clone();
        registry.register("refused_requests", "HTTP requests that were no admission", refused);
        registry.register_with_unit(
            "admission_duration",
            "Time to answer an admission, from its whole body on",
            Unit::Seconds,
            self.seconds.clone(),
        );
        registry.register_with_unit(
            "request",
            "Size of admissions",
            Unit::Bytes,
            self.bytes.clone(),
        );
        registry.register("in_flight", "Admissions being answered", self.in_flight.clone());
    }

    fn register_state(&self, registry: &mut Registry) {
        registry.register(
            "config_good",
            "Whether the configuration file holds what is in use (1), or something wrong (0)",
            self.config_good.clone(),
        );
        registry.register_with_unit(
            "config_loaded_timestamp",
            "When the configuration in use was loaded, as Unix time",
            Unit::Seconds,
            self.config_loaded.clone(),
        );
        registry.register(
            "certificate_good",
            "Whether certificate and trust are as they should be (1), or the last good ones are kept (0)",
            self.certificate_good.clone(),
        );
        registry.register_with_unit(
            "certificate_expiry_timestamp",
            "End of the certificate, as Unix time",
            Unit::Seconds,
            self.certificate_expiry.clone(),
        );
        registry.register("build", "The running program", Info::new(vec![("version", VERSION)]));
    }

    /// The configuration file was read: it is in use now, or it is wrong and the last good one stays.
    pub fn config_is(&self, good: bool) {
        self.config_good.set(good.into());
        if good {
            self.config_loaded.set(crate::authority::now());
        }
    }

    /// An admission begins.
    #[must_use]
    pub fn begin(&self) -> InFlight {
        self.in_flight.inc();
        InFlight(self.in_flight.clone())
    }

    /// An answered admission.
    pub fn answered(&self, reason: Reason, seconds: f64, bytes: usize) {
        let labels = Labels { outcome: reason.outcome(), reason };
        self.admissions.get_or_create(&labels).inc();
        self.seconds.observe(seconds);
        self.bytes.inc_by(bytes as u64);
    }

    /// An HTTP request that got no AdmissionReview.
    pub fn refused(&self, status: http::StatusCode) {
        self.refused.get_or_create(&RefusedLabels { status: status.as_u16() }).inc();
    }
}

/// A registry with [`Metrics`], shared with the admin port.
#[must_use]
pub fn registry() -> (Metrics, Arc<Registry>) {
    let mut registry = Registry::default();
    let metrics = Metrics::register(&mut registry);
    (metrics, Arc::new(registry))
}
