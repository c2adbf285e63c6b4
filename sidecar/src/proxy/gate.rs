use std::{net::SocketAddr, sync::Arc};

use axum::{
    Router,
    extract::{ConnectInfo, Request, State},
    response::{IntoResponse, Response},
};
use contract::{UserId, header};
use edge::{
    activity::Activity,
    oidc::{Rejection, Token, UnixTime, Verifier},
    proxy::{Fault, Session, Upstream, forward, request::Refusal},
    sessions::Sessions,
};
use http::{HeaderMap, HeaderName, HeaderValue};

use super::metrics::GateMetrics;
use crate::{gateway_auth::Credentials, openclaw::Suspension};

/// The only way to the runtime: a request passes with its user's token or not at all.
#[derive(Debug)]
pub(super) struct Gate {
    pub(super) verifier: Arc<Verifier>,
    pub(super) user: UserId,
    pub(super) sessions: Arc<Sessions>,
    pub(super) activity: Activity,
    pub(super) upstream: Upstream,
    pub(super) credentials: Credentials,
    pub(super) suspension: Arc<Suspension>,
    pub(super) metrics: GateMetrics,
}

impl Gate {
    /// The data port. One handler for every path and method, so none can be exempt.
    pub(super) fn router(self) -> Router {
        Router::new().fallback(pass).with_state(Arc::new(self))
    }

    /// Decides about a request by its headers alone.
    async fn admit(&self, headers: &HeaderMap) -> Result<Session, Rejection> {
        let verified = self.verifier.verify(&Token::from_headers(headers)?).await?;
        // Here, after every remembered verdict: a logout is effective at once.
        self.sessions.admit(verified.of(&self.user)?, UnixTime::now())
    }

    async fn forward(&self, request: Request, session: Session) -> Response {
        let client = request.extensions().get::<ConnectInfo<SocketAddr>>();
        let client = client.map(|ConnectInfo(address)| address.ip());
        let credentials = |headers: &mut HeaderMap| self.credentials.present(headers, client);
        let in_flight = self.activity.request();
        self.suspension.resume().await;
        let session = session.counted_by(&self.activity);
        let mut response = forward(request, &self.upstream, credentials, session).await;
        // Ours to say.
        response.headers_mut().remove(REFUSED);
        // What did not reach the runtime keeps nothing awake.
        let failed = response.extensions().get::<Fault>().is_some()
            || response.extensions().get::<Refusal>().is_some();
        if failed { response } else { in_flight.serve(response) }
    }
}

async fn pass(State(gate): State<Arc<Gate>>, request: Request) -> Response {
    let verdict = gate.admit(request.headers()).await;
    gate.metrics.count(&verdict);
    match verdict {
        Ok(session) => gate.forward(request, session).await,
        Err(rejection) => {
            // The path without its query, which may hold a secret.
            let path = request.uri().path();
            let reason = rejection.reason();
            let method = request.method().as_str();
            tracing::info!(method, path, reason, detail = %rejection, "refused");
            let is_other_user = rejection == Rejection::OtherUser;
            let mut response = rejection.into_response();
            if is_other_user {
                // The spawner sends a user's token to nobody else's pod, so it has to look again
                // where the user's own is.
                let why = HeaderValue::from_static(header::REFUSED_OTHER_USER);
                response.headers_mut().insert(REFUSED, why);
            }
            response
        }
    }
}

const REFUSED: HeaderName = HeaderName::from_static(header::REFUSED);
