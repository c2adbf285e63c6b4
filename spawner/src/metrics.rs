//! What the spawner counts. No label names a user, and every label's values are a closed set.

use prometheus_client::{
    collector::Collector,
    encoding::{DescriptorEncoder, EncodeLabelSet, EncodeMetric as _},
    metrics::{
        counter::Counter,
        family::Family,
        gauge::{ConstGauge, Gauge},
        histogram::{Histogram, exponential_buckets},
    },
    registry::{Registry, Unit},
};

use crate::{
    cluster::{Action, Fault},
    state::State,
    stop::StopReason,
    watch::Pods,
};

/// The metrics of one spawner; clones count into the same.
#[derive(Clone, Debug)]
pub struct Metrics {
    api_calls: Family<ApiCall, Counter>,
    starts: Family<Outcome, Counter>,
    start_seconds: Family<Outcome, Histogram, fn() -> Histogram>,
    stops: Family<Outcome, Counter>,
    purges: Family<Outcome, Counter>,
    proxied: Family<Outcome, Counter>,
    refused_tokens: Family<Outcome, Counter>,
    logins: Family<Outcome, Counter>,
    watch_errors: Family<Watched, Counter>,
    relists: Family<Watched, Counter>,
    reaped: Family<Reason, Counter>,
    reap_skipped: Family<Why, Counter>,
    /// Requests that wait for a pod to get ready.
    pub held: Gauge,
    /// 1 on the replica that reaps.
    pub leader: Gauge,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ApiCall {
    verb: &'static str,
    resource: &'static str,
    /// The HTTP status of a refusal, `ok`, or `unreachable`.
    code: String,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Outcome {
    outcome: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Watched {
    resource: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Reason {
    reason: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Why {
    why: &'static str,
}

impl Default for Metrics {
    fn default() -> Self {
        Self {
            api_calls: Family::default(),
            starts: Family::default(),
            start_seconds: Family::new_with_constructor(start_buckets),
            stops: Family::default(),
            purges: Family::default(),
            proxied: Family::default(),
            refused_tokens: Family::default(),
            logins: Family::default(),
            watch_errors: Family::default(),
            relists: Family::default(),
            reaped: Family::default(),
            reap_skipped: Family::default(),
            held: Gauge::default(),
            leader: Gauge::default(),
        }
    }
}

/// From one second, a cached small image, to about eight minutes, a new node.
fn start_buckets() -> Histogram {
    Histogram::new(exponential_buckets(1.0, 2.0, 10))
}

impl Metrics {
    /// Adds all metrics to `registry`, under `openclaw_spawner_`.
    pub fn register(&self, registry: &mut Registry) {
        self.begin_at_zero();
        let registry = registry.sub_registry_with_prefix("openclaw_spawner");
        registry.register("kube_api_requests", "Calls to the API server", self.api_calls.clone());
        registry.register(
            "starts",
            "Starts asked for, by what became of them",
            self.starts.clone(),
        );
        registry.register(
            "start_seconds",
            "Time from a created pod to the end of its start, in seconds",
            self.start_seconds.clone(),
        );
        registry.register("stops", "Stops asked for, by what became of them", self.stops.clone());
        registry.register(
            "purges",
            "Deletions of homes asked for, by what became of them",
            self.purges.clone(),
        );
        registry.register(
            "proxy_requests",
            "Requests to workspaces, by how the spawner dealt with them",
            self.proxied.clone(),
        );
        registry.register(
            "tokens_refused",
            "Requests without an acceptable token or session, by the check that failed",
            self.refused_tokens.clone(),
        );
        registry.register(
            "logins",
            "Sign-ins and sign-outs of browsers, by how they ended",
            self.logins.clone(),
        );
        registry.register("watch_errors", "Interruptions of a watch", self.watch_errors.clone());
        registry.register("watch_relists", "Lists, one at start", self.relists.clone());
        registry.register("reap", "Workspaces put to sleep, by why", self.reaped.clone());
        registry.register(
            "reap_skipped",
            "Candidates for sleep that stayed awake, by why",
            self.reap_skipped.clone(),
        );
        registry.register("leader", "Whether this replica reaps", self.leader.clone());
        registry.register("held_requests", "Requests waiting for a start", self.held.clone());
    }

    /// What the usual course of things counts, so that a first increase is seen as one and each name is
    /// there from the start.
    fn begin_at_zero(&self) {
        drop(self.api_calls.get_or_create(&ApiCall {
            verb: "create",
            resource: "pods",
            code: "ok".to_owned(),
        }));
        for resource in ["pods", "events", "configmaps"] {
            drop(self.watch_errors.get_or_create(&Watched { resource }));
            drop(self.relists.get_or_create(&Watched { resource }));
        }
        for (family, outcome) in [
            (&self.starts, "created"),
            (&self.stops, "stopping"),
            (&self.purges, "gone"),
            (&self.proxied, "forwarded"),
            (&self.refused_tokens, "expired"),
            (&self.logins, "signed_in"),
        ] {
            drop(family.get_or_create(&Outcome { outcome }));
        }
        drop(self.start_seconds.get_or_create(&Outcome { outcome: "ready" }));
        drop(self.reaped.get_or_create(&Reason { reason: StopReason::Idle.name() }));
        drop(self.reap_skipped.get_or_create(&Why { why: "recent" }));
    }

    /// Counts one call to the API server.
    pub(crate) fn api_call(&self, action: Action, fault: Option<&Fault>) {
        let code = match fault.map(Fault::code) {
            None => "ok".to_owned(),
            Some(0) => "unreachable".to_owned(),
            Some(code) => code.to_string(),
        };
        let Action { verb, resource } = action;
        self.api_calls.get_or_create(&ApiCall { verb, resource, code }).inc();
    }

    pub(crate) fn start(&self, outcome: &'static str) {
        self.starts.get_or_create(&Outcome { outcome }).inc();
    }

    pub(crate) fn start_ended(&self, outcome: &'static str, took: std::time::Duration) {
        self.start_seconds.get_or_create(&Outcome { outcome }).observe(took.as_secs_f64());
    }

    pub(crate) fn stop(&self, outcome: &'static str) {
        self.stops.get_or_create(&Outcome { outcome }).inc();
    }

    pub(crate) fn purge(&self, outcome: &'static str) {
        self.purges.get_or_create(&Outcome { outcome }).inc();
    }

    pub(crate) fn proxied(&self, outcome: &'static str) {
        self.proxied.get_or_create(&Outcome { outcome }).inc();
    }

    pub(crate) fn refused_token(&self, outcome: &'static str) {
        self.refused_tokens.get_or_create(&Outcome { outcome }).inc();
    }

    pub(crate) fn login(&self, outcome: &'static str) {
        self.logins.get_or_create(&Outcome { outcome }).inc();
    }

    pub(crate) fn reaped(&self, reason: &'static str) {
        self.reaped.get_or_create(&Reason { reason }).inc();
    }

    pub(crate) fn reap_skipped(&self, why: &'static str) {
        self.reap_skipped.get_or_create(&Why { why }).inc();
    }

    pub(crate) fn watch_error(&self, resource: &'static str) {
        self.watch_errors.get_or_create(&Watched { resource }).inc();
    }

    pub(crate) fn relist(&self, resource: &'static str) {
        self.relists.get_or_create(&Watched { resource }).inc();
    }
}

/// Counts the pods in each state when it is asked, so that the number cannot drift, and tells for how
/// long nothing was heard of any. A state without a pod is shown as 0: a gauge that vanishes leaves its
/// last value on a dashboard.
#[derive(Debug)]
pub struct PodStates {
    pods: Pods,
}

impl PodStates {
    /// The states of `pods`.
    #[must_use]
    pub fn of(pods: Pods) -> Self {
        Self { pods }
    }
}

impl Collector for PodStates {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> Result<(), std::fmt::Error> {
        let pods = ConstGauge::new(0_i64);
        let mut metric = encoder.encode_descriptor(
            "openclaw_spawner_pods",
            "Pods by state",
            None,
            pods.metric_type(),
        )?;
        let states = self.pods.states();
        for state in State::ALL {
            let count = states.get(&state).copied().unwrap_or_default();
            let count = ConstGauge::new(i64::try_from(count).unwrap_or(i64::MAX));
            count.encode(metric.encode_family(&[("state", state.name())])?)?;
        }
        let age = ConstGauge::new(self.pods.silent_for().as_secs_f64());
        let help = "Time since a pod last changed or was listed; long where nobody works";
        let name = "openclaw_spawner_watch_last_event_age";
        let unit = Unit::Seconds;
        age.encode(encoder.encode_descriptor(name, help, Some(&unit), age.metric_type())?)
    }
}
