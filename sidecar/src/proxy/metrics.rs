use edge::oidc::{Logout, LogoutRejection, Rejection};
use prometheus_client::{
    encoding::EncodeLabelSet,
    metrics::{counter::Counter, family::Family},
    registry::Registry,
};

const ACCEPTED: &str = "accepted";

/// What became of the requests at the gate.
#[derive(Clone, Debug, Default)]
pub(super) struct GateMetrics {
    results: Family<ResultLabels, Counter>,
    logouts: Family<LogoutLabels, Counter>,
}

/// `accepted`, or the reason of a rejection: a closed set, without any id of a user or a key.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ResultLabels {
    reason: &'static str,
}

/// `ok`, or the reason of a rejection.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct LogoutLabels {
    result: &'static str,
}

impl GateMetrics {
    /// Adds them to `registry`, under `openclaw_sidecar_`. What is usual begins at zero, so that a first
    /// increase is seen as one.
    pub(super) fn register(&self, registry: &mut Registry) {
        drop(self.results.get_or_create(&ResultLabels { reason: ACCEPTED }));
        drop(self.logouts.get_or_create(&LogoutLabels { result: "ok" }));
        let registry = registry.sub_registry_with_prefix("openclaw_sidecar");
        let help = "Requests by the verdict on their token";
        registry.register("auth_result", help, self.results.clone());
        let help = "Back-channel logouts by the verdict on their token";
        registry.register("backchannel_logout", help, self.logouts.clone());
    }

    pub(super) fn count<T>(&self, verdict: &Result<T, Rejection>) {
        let reason = verdict.as_ref().map_or_else(Rejection::reason, |_| ACCEPTED);
        self.results.get_or_create(&ResultLabels { reason }).inc();
    }

    pub(super) fn count_logout(&self, verdict: &Result<Logout, LogoutRejection>) {
        let result = verdict.as_ref().map_or_else(LogoutRejection::reason, |_| "ok");
        self.logouts.get_or_create(&LogoutLabels { result }).inc();
    }
}
