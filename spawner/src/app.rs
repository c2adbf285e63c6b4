//! The spawner's routes. Only `/-/` is its own; every other path, also `/healthz` or `/api`, belongs
//! to the caller's own pod, so that any image works without rewriting.

use std::{collections::BTreeMap, fmt, sync::Arc, time::Duration};

use axum::{
    Router,
    extract::Request,
    middleware::{Next, from_fn, map_response},
    response::{IntoResponse, Response},
    routing::{get, post},
};
use contract::UserId;
use edge::{
    oidc::{Role, Verifier},
    problem::Problem,
    proxy::Upstream,
    tunnels::Tunnels,
};
use http::{HeaderValue, StatusCode, header};
use k8s_openapi::jiff::Timestamp;
use tokio::sync::Semaphore;

use crate::{
    api,
    caller::with_cookies,
    cluster::Cluster,
    login::{Login, SignedOut, backchannel, routes},
    metrics::Metrics,
    model::{QueueModel, ServerModel, TemplateModel},
    pages::{self, home, table},
    proxy,
    reap::{Policy, Sidecars, outlook},
    servers::Servers,
    state::{State as Stage, Status},
    streams::Streams,
    watch::{Pods, Snapshot},
};

/// What a client should wait for a replica that has only just begun.
const WARM_UP: Duration = Duration::from_secs(1);

/// Everything that a request may need.
pub struct App {
    /// Says who asks.
    pub verifier: Arc<Verifier>,
    /// Signs people in; `None` where only bearer tokens open a workspace.
    pub login: Option<Login>,
    /// Ends the streams of a session together.
    pub streams: Streams,
    /// Which sessions ended before their tokens.
    pub signed_out: SignedOut,
    /// The tenant namespace.
    pub cluster: Cluster,
    /// Starts and stops.
    pub servers: Servers,
    /// Knows what there is.
    pub pods: Pods,
    /// How pods are reached; only the address changes from pod to pod.
    pub upstream: Upstream,
    /// Where a pod's sidecar listens: [`contract::port::SIDECAR_DATA`], and another port in tests.
    pub sidecar_port: u16,
    /// Where it can be told things: [`contract::port::SIDECAR_ADMIN`], and another port in tests.
    pub sidecar_admin_port: u16,
    /// The longest that a request waits for a start or a stop.
    pub start_timeout: Duration,
    /// A permit for each request that may wait.
    pub places: Semaphore,
    /// Who may act on the servers of others.
    pub operator: Role,
    /// When workspaces sleep.
    pub sleep: Policy,
    /// Know what is used.
    pub sidecars: Sidecars,
    /// What is counted.
    pub metrics: Metrics,
}

/// The routes. Needs no socket, so tests can call it as it is.
pub fn router(app: App) -> Router {
    Router::new()
        .merge(api::router())
        .route(routes::LOGIN, get(routes::login))
        .route(routes::CALLBACK, get(routes::callback))
        .route(routes::LOGOUT, post(routes::logout))
        .route(backchannel::BACKCHANNEL_LOGOUT, post(backchannel::logout))
        .route(routes::SIGNED_OUT, get(routes::signed_out))
        .route(home::HOME, get(home::home))
        .route(home::START, post(home::start))
        .route(home::STOP, post(home::stop))
        .route(home::RESTART, post(home::restart))
        .route(home::PURGE, post(home::purge))
        .route(table::USERS, get(table::table))
        .route(table::STOP, post(table::stop))
        .route(table::RESTART, post(table::restart))
        .route_layer(map_response(not_stored))
        .method_not_allowed_fallback(wrong_method)
        .fallback(proxy::to_own_pod)
        .layer(from_fn(pages::for_people))
        .layer(from_fn(with_cookies))
        .layer(from_fn(before_the_end))
        .with_state(Arc::new(app))
}

impl App {
    /// What the API tells about `user`'s server.
    pub(crate) fn model(&self, user: &UserId, snapshot: &Snapshot) -> ServerModel {
        let hash = snapshot.pod.as_deref().and_then(|pod| pod.template.clone());
        let template = hash.map(|hash| TemplateModel {
            outdated: self.servers.blueprint().is_outdated(&hash),
            hash,
        });
        let queue = self.servers.place(user).map(|position| QueueModel { position });
        let status = self.status(user, snapshot);
        ServerModel { template, queue, ..ServerModel::of(snapshot, status) }
    }

    /// What to say about `user`'s server: what the pod says, and without one, what the queue does.
    pub(crate) fn status(&self, user: &UserId, snapshot: &Snapshot) -> Status {
        let status = snapshot.status();
        match self.servers.place(user).filter(|_| status.state == Stage::Stopped) {
            Some(place) => Status::queued(place),
            None => status,
        }
    }

    /// The same with what keeps it awake, for which its sidecar is asked.
    pub(crate) async fn describe(&self, user: &UserId) -> Result<ServerModel, Problem> {
        let snapshot = self.recalled(user).await?;
        let model = self.model(user, &snapshot);
        let Some(pod) = snapshot.pod.as_deref().filter(|_| model.ready) else { return Ok(model) };
        let asked = self.sidecars.ask(pod).await;
        Ok(model.ending(outlook(pod, asked, &self.sleep, Timestamp::now())))
    }

    /// The same with how the last pod ended, also where this replica was not there.
    pub(crate) async fn recalled(&self, user: &UserId) -> Result<Snapshot, Problem> {
        let snapshot = self.snapshot(user)?;
        if !self.servers.blueprint().has_network_policy() || !self.pods.may_recall(user) {
            return Ok(snapshot);
        }
        match self.cluster.last_stop(user).await {
            Ok(last) => self.pods.recall(user, last),
            Err(error) => tracing::debug!(%user, %error, "nobody knows how the last pod ended"),
        }
        self.snapshot(user)
    }

    /// All servers there are, and those that wait for a start here. Refuses as long as nothing is
    /// known.
    pub(crate) fn snapshots(&self) -> Result<BTreeMap<UserId, Snapshot>, Problem> {
        if !self.pods.is_complete() {
            return Err(warming_up());
        }
        let mut all = self.pods.snapshots();
        for user in self.servers.waiting() {
            all.entry(user).or_default();
        }
        Ok(all)
    }

    /// What is known about `user`'s pod. Refuses as long as nothing is known about any.
    pub(crate) fn snapshot(&self, user: &UserId) -> Result<Snapshot, Problem> {
        self.pods.of(user).ok_or_else(warming_up)
    }
}

fn warming_up() -> Problem {
    let detail = "This replica has only just started and does not know the workspaces yet.";
    Problem::new(StatusCode::SERVICE_UNAVAILABLE, "warming_up", "Not yet")
        .detail(detail)
        .retry_after(WARM_UP)
}

/// Whoever still waits when this replica ends is told to come again, and another one goes on with
/// what this one began. Without an answer the client would see a broken connection.
async fn before_the_end(request: Request, next: Next) -> Response {
    let Some(tunnels) = request.extensions().get::<Tunnels>().cloned() else {
        return next.run(request).await;
    };
    tokio::select! {
        biased;
        response = next.run(request) => response,
        () = tunnels.ending() => interrupted().into_response(),
    }
}

/// This replica ends before it has an answer.
pub(crate) fn interrupted() -> Problem {
    Problem::new(StatusCode::SERVICE_UNAVAILABLE, "interrupted", "This replica is ending")
        .detail("Try again: another one goes on where this one stopped.")
        .retry_after(WARM_UP)
}

/// What is true now is not true later: nothing of the API is kept by a browser or a proxy.
async fn not_stored(mut response: Response) -> Response {
    let headers = response.headers_mut();
    headers.entry(header::CACHE_CONTROL).or_insert(HeaderValue::from_static("no-store"));
    response
}

async fn wrong_method() -> Problem {
    Problem::new(
        StatusCode::METHOD_NOT_ALLOWED,
        "method_not_allowed",
        "This method is not allowed here",
    )
    .detail("The Allow header names those that are.")
}

impl fmt::Debug for App {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("App").field("pods", &self.pods).finish_non_exhaustive()
    }
}
