use edge::oidc::{Rejection, Verified};
use prometheus_client::{
    encoding::EncodeLabelSet,
    metrics::{counter::Counter, family::Family},
    registry::Registry,
};

/// What became of the requests at the gate.
#[derive(Clone, Debug, Default)]
pub(super) struct GateMetrics {
    results: Family<ResultLabels, Counter>,
}

/// `accepted`, or the reason of a rejection: a closed set, without any id of a user or a key.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ResultLabels {
    reason: &'static str,
}

impl GateMetrics {
    pub(super) fn register(&self, registry: &mut Registry) {
        let help = "Requests by the verdict on their token";
        registry.register("auth_result", help, self.results.clone());
    }

    pub(super) fn count(&self, verdict: &Result<Verified, Rejection>) {
        let reason = verdict.as_ref().map_or_else(Rejection::reason, |_| "accepted");
        self.results.get_or_create(&ResultLabels { reason }).inc();
    }
}
