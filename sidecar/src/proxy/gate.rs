use std::{net::SocketAddr, sync::Arc};

use axum::{
    Router,
    extract::{ConnectInfo, Request, State},
    response::{IntoResponse, Response},
};
use contract::UserId;
use edge::{
    oidc::{Rejection, Token, UnixTime, Verified, Verifier},
    proxy::{Session, Upstream, forward},
};
use http::HeaderMap;
use tokio::time::Instant;

use super::metrics::GateMetrics;
use crate::gateway_auth::Credentials;

/// The only way to the runtime: a request passes with its user's token or not at all.
#[derive(Debug)]
pub(super) struct Gate {
    pub(super) verifier: Arc<Verifier>,
    pub(super) user: UserId,
    pub(super) upstream: Upstream,
    pub(super) credentials: Credentials,
    pub(super) metrics: GateMetrics,
}

impl Gate {
    /// The data port. One handler for every path and method, so none can be exempt.
    pub(super) fn router(self) -> Router {
        Router::new().fallback(pass).with_state(Arc::new(self))
    }

    /// Decides about a request by its headers alone.
    async fn admit(&self, headers: &HeaderMap) -> Result<Verified, Rejection> {
        self.verifier.verify(&Token::from_headers(headers)?).await?.of(&self.user)
    }
}

async fn pass(State(gate): State<Arc<Gate>>, request: Request) -> Response {
    let verdict = gate.admit(request.headers()).await;
    gate.metrics.count(&verdict);
    match verdict {
        Ok(verified) => {
            let client = request.extensions().get::<ConnectInfo<SocketAddr>>();
            let client = client.map(|ConnectInfo(address)| address.ip());
            let credentials = |headers: &mut HeaderMap| gate.credentials.present(headers, client);
            forward(request, &gate.upstream, credentials, session_of(&verified)).await
        }
        Err(rejection) => {
            // The path without its query, which may hold a secret.
            let path = request.uri().path();
            let reason = rejection.reason();
            let method = request.method().as_str();
            tracing::info!(method, path, reason, detail = %rejection, "refused");
            rejection.into_response()
        }
    }
}

/// A stream lives as long as the token that opened it is accepted.
fn session_of(verified: &Verified) -> Session {
    let left = UnixTime::now().until(verified.accepted_until);
    // A token that outlives the clock's range sets no end.
    Instant::now().checked_add(left).map_or_else(Session::unbounded, Session::until)
}
