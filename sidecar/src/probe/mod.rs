//! The runtime's probes. It binds loopback, where the kubelet cannot reach it, so the webhook aims
//! the runtime's probes at this process: `/probe/{startup,readiness,liveness}` on the admin port
//! asks the runtime as the kubelet would have.

mod ask;
mod flag;
#[cfg(test)]
mod tests;
mod tls;

use std::sync::Arc;

use axum::{
    Router,
    extract::{Path, State},
    response::{IntoResponse, Response},
    routing::get,
};
use edge::problem::Problem;
use http::StatusCode;

pub(crate) use self::flag::ProbeArgs;
use self::flag::{Kind, Probe};

/// The probes of one runtime, by kind.
#[derive(Debug, Default)]
pub(crate) struct Probes(Vec<(Kind, Probe)>);

/// The route `/probe/{kind}`.
pub(crate) fn router(probes: Probes) -> Router {
    Router::new().route("/probe/{kind}", get(answer)).with_state(Arc::new(probes))
}

async fn answer(State(probes): State<Arc<Probes>>, Path(kind): Path<String>) -> Response {
    let Some(probe) = probes.find(&kind) else {
        let problem =
            Problem::new(StatusCode::NOT_FOUND, "no_probe", "This probe is not configured");
        return problem.detail("the sidecar was started without --probe for it").into_response();
    };
    match probe.ask().await {
        Ok(()) => "ok\n".into_response(),
        Err(error) => {
            let reason = edge::program::Chain(&error).to_string();
            tracing::debug!(kind, reason, "probe failed");
            (StatusCode::SERVICE_UNAVAILABLE, format!("{reason}\n")).into_response()
        }
    }
}

impl Probes {
    fn find(&self, kind: &str) -> Option<&Probe> {
        self.0.iter().find(|(named, _)| named.name() == kind).map(|(_, probe)| probe)
    }
}
