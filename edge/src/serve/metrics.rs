use prometheus_client::{
    encoding::EncodeLabelSet,
    metrics::{counter::Counter, family::Family, gauge::Gauge},
    registry::Registry,
};

/// The code of a refusal because the server is full.
pub(crate) const TOO_MANY_REQUESTS: &str = "too_many_requests";

/// What a program's servers hold and what they turned away. Clones count together.
#[derive(Clone, Debug, Default)]
pub struct ServeMetrics {
    connections: Gauge,
    requests: Gauge,
    tunnels: Gauge,
    refused: Family<RefusedLabels, Counter>,
    timeouts: Family<TimeoutLabels, Counter>,
}

/// The `code` of the answer: a closed set.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct RefusedLabels {
    code: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct TimeoutLabels {
    kind: &'static str,
}

/// What took too long.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Timeout {
    /// A TLS handshake.
    Handshake,
    /// A request's head.
    Header,
    /// The next request on a connection.
    Idle,
    /// A request's body.
    Body,
    /// A client that takes no answer.
    Write,
    /// A tunnel in which nobody said anything.
    Tunnel,
}

impl Timeout {
    const ALL: [Self; 6] =
        [Self::Handshake, Self::Header, Self::Idle, Self::Body, Self::Write, Self::Tunnel];

    fn kind(self) -> &'static str {
        match self {
            Self::Handshake => "handshake",
            Self::Header => "header",
            Self::Idle => "idle",
            Self::Body => "body",
            Self::Write => "write",
            Self::Tunnel => "tunnel",
        }
    }
}

impl ServeMetrics {
    /// Adds them to what `/metrics` shows.
    pub fn register(&self, registry: &mut Registry) {
        let Self { connections, requests, tunnels, refused, timeouts } = self;
        registry.register("openclaw_http_connections", "Open connections", connections.clone());
        let help = "Requests whose answer has not ended";
        registry.register("openclaw_http_requests_in_flight", help, requests.clone());
        registry.register(
            "openclaw_http_tunnels",
            "Open tunnels, such as WebSockets",
            tunnels.clone(),
        );
        let help = "Requests that this server refused by itself, by code";
        registry.register("openclaw_http_refused", help, refused.clone());
        registry.register(
            "openclaw_http_timeouts",
            "What took too long, by kind",
            timeouts.clone(),
        );
        // From the start, so that a first increase is seen as one.
        drop(refused.get_or_create(&RefusedLabels { code: TOO_MANY_REQUESTS }));
        for kind in Timeout::ALL.map(Timeout::kind) {
            drop(timeouts.get_or_create(&TimeoutLabels { kind }));
        }
    }

    pub(crate) fn refused(&self, code: &'static str) {
        self.refused.get_or_create(&RefusedLabels { code }).inc();
    }

    pub(crate) fn timed_out(&self, timeout: Timeout) {
        self.timeouts.get_or_create(&TimeoutLabels { kind: timeout.kind() }).inc();
    }

    pub(crate) fn connection(&self) -> Counted {
        Counted::one(&self.connections)
    }

    pub(crate) fn request(&self) -> Counted {
        Counted::one(&self.requests)
    }

    pub(crate) fn tunnel(&self) -> Counted {
        Counted::one(&self.tunnels)
    }
}

/// One thing that is there until this is dropped.
#[derive(Debug)]
pub(crate) struct Counted(Gauge);

impl Counted {
    fn one(gauge: &Gauge) -> Self {
        gauge.inc();
        Self(gauge.clone())
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.0.dec();
    }
}
