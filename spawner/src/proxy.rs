//! Every path that is not the spawner's own goes to the caller's pod: HTTP, event streams and
//! WebSockets. A request that comes while the pod starts waits for it, with its body unread.

use std::{
    net::{IpAddr, SocketAddr},
    sync::Arc,
    time::Duration,
};

use axum::{
    Json,
    extract::{Request, State},
    response::{IntoResponse, Response},
};
use contract::{UserId, object};
use edge::{
    problem::Problem,
    proxy::{Fault, forward},
};
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use tokio::sync::SemaphorePermit;

use crate::{
    app::App,
    caller::Caller,
    login::{Login, Site, guard, keep_open, routes::redirect},
    metrics::Metrics,
    model::{MY_SERVER, ServerModel},
    pages::{home, table::USERS},
    pod::PodView,
    state::{State as Stage, Status},
    watch::Snapshot,
    worker,
};

/// How many of one user's requests may wait for a start, progress streams included.
pub(crate) const MOST_WAITING: usize = 32;
/// When to come back after waiting was of no use.
const LATER: Duration = Duration::from_secs(5);

/// Forwards a request to the caller's own pod.
pub(crate) async fn to_own_pod(
    State(app): State<Arc<App>>,
    caller: Result<Caller, Response>,
    request: Request,
) -> Response {
    if request.uri().path().starts_with("/-/") {
        return no_such_page().into_response();
    }
    let site = app.login.as_ref().and_then(|login| login.site_of(request.headers(), request.uri()));
    if site == Some(Site::Control) {
        return instead_of_a_pod(&request);
    }
    if app.login.is_some() && worker::is_asked_for(request.headers(), request.uri()) {
        return worker::script();
    }
    let caller = match caller {
        Ok(caller) => caller,
        Err(rejected) => return rejected,
    };
    if caller.browser.is_some() {
        let (method, headers) = (request.method(), request.headers());
        if let Some(page) = home::instead_of_workspace(&app, &caller, method, headers).await {
            app.metrics.proxied("page");
            return page;
        }
    }
    let reached = match reach(&app, &caller, request.headers()).await {
        Ok(reached) => reached,
        Err(refused) => {
            app.metrics.proxied(refused.code());
            return refused.into_response();
        }
    };
    match reached {
        Reached::At(sidecar) => deliver(&app, &caller, sidecar, request).await,
        Reached::NotYet(snapshot) => {
            app.metrics.proxied("responded_async");
            come_back(&snapshot)
        }
    }
}

/// How far a request got.
enum Reached {
    /// The caller's sidecar is there.
    At(SocketAddr),
    /// It is not, and the caller does not want to wait.
    NotYet(Snapshot),
}

/// Finds the caller's sidecar, and waits for it if it is on its way.
async fn reach(app: &App, caller: &Caller, headers: &HeaderMap) -> Result<Reached, Problem> {
    let snapshot = app.snapshot(caller.user())?;
    if let Some(sidecar) = sidecar(app, &snapshot) {
        return Ok(Reached::At(sidecar));
    }
    if !snapshot.status().is_worth_waiting() {
        return Err(not_running(&snapshot.status()));
    }
    if wants_no_wait(headers) {
        return Ok(Reached::NotYet(snapshot));
    }
    let _place = Place::take(app)?;
    let mut follower = app
        .pods
        .follow_among(caller.user(), MOST_WAITING)
        .map_err(|_| too_many("Too many of your requests wait for this start already."))?;
    let snapshot = follower.until_settled(app.start_timeout).await;
    sidecar(app, &snapshot).map(Reached::At).ok_or_else(|| not_running(&snapshot.status()))
}

/// Sends the request, with the caller's own token: the sidecar verifies it again and refuses every
/// user but its own, so an address that has meanwhile become another pod's opens nothing.
async fn deliver(
    app: &Arc<App>,
    caller: &Caller,
    sidecar: SocketAddr,
    request: Request,
) -> Response {
    // An address is always a valid authority.
    let Ok(authority) = sidecar.to_string().parse() else { return no_such_page().into_response() };
    let session = caller.stream(app);
    keep_open(app, caller);
    let edit = |headers: &mut HeaderMap| {
        headers.insert(header::AUTHORIZATION, caller.authorization.clone());
    };
    let mut answer = forward(request, &app.upstream.at(authority), edit, session).await;
    if answer
        .headers_mut()
        .remove(REFUSED)
        .is_some_and(|why| why == contract::header::REFUSED_OTHER_USER)
    {
        lost(app, caller.user(), sidecar.ip());
        app.metrics.proxied("address_taken");
        return not_running(&Status::lost()).into_response();
    }
    if app.login.is_some() {
        stay_apart(answer.headers_mut());
    }
    let fault = answer.extensions().get::<Fault>();
    app.metrics.proxied(fault.map_or("forwarded", |fault| fault.code()));
    answer
}

/// Another user's sidecar answered: the address is another pod's by now, and the watch has not said
/// so. Nothing more is sent there, and the API server is asked once where the user's own pod is.
fn lost(app: &Arc<App>, user: &UserId, address: IpAddr) {
    if !app.pods.doubt(user, address) {
        return;
    }
    tracing::warn!(%user, %address, "another user's sidecar answered; looking the pod up");
    let (app, user) = (Arc::clone(app), user.clone());
    tokio::spawn(async move {
        match app.cluster.pod(&object::pod(&user)).await {
            Ok(pod) => app.pods.looked_up(&user, pod.and_then(PodView::of)),
            Err(error) => tracing::warn!(%user, %error, "the pod cannot be looked up"),
        }
    });
}

const REFUSED: HeaderName = HeaderName::from_static(contract::header::REFUSED);

/// Removes from a pod's answer what would reach our own pages, which share its origin: our cookies,
/// a service worker's wider scope, the order to forget all cookies, and the isolation by which a page
/// could keep hold of one of ours that it opens.
fn stay_apart(headers: &mut HeaderMap) {
    for name in [SERVICE_WORKER_ALLOWED, CLEAR_SITE_DATA] {
        headers.remove(name);
    }
    if headers.contains_key(OPENER_POLICY) {
        // Of two pages with `same-origin` one can hold the other.
        headers.insert(OPENER_POLICY, HeaderValue::from_static("same-origin-allow-popups"));
    }
    let kept: Vec<_> = headers
        .get_all(header::SET_COOKIE)
        .into_iter()
        .filter(|value| !Login::sets_ours(value))
        .cloned()
        .collect();
    headers.remove(header::SET_COOKIE);
    for cookie in kept {
        headers.append(header::SET_COOKIE, cookie);
    }
}

const SERVICE_WORKER_ALLOWED: HeaderName = HeaderName::from_static("service-worker-allowed");
const CLEAR_SITE_DATA: HeaderName = HeaderName::from_static("clear-site-data");
const OPENER_POLICY: HeaderName = HeaderName::from_static("cross-origin-opener-policy");

/// Where the sidecar of a ready pod listens.
fn sidecar(app: &App, snapshot: &Snapshot) -> Option<SocketAddr> {
    if snapshot.status().state != Stage::Ready {
        return None;
    }
    Some(SocketAddr::new(snapshot.pod.as_deref()?.ip?, app.sidecar_port))
}

/// `Prefer: respond-async` (RFC 7240 section 4.1).
fn wants_no_wait(headers: &HeaderMap) -> bool {
    headers
        .get_all("prefer")
        .into_iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .any(|preference| preference.trim().eq_ignore_ascii_case("respond-async"))
}

fn come_back(snapshot: &Snapshot) -> Response {
    let headers = [
        (header::LOCATION, HeaderValue::from_static(MY_SERVER)),
        (header::RETRY_AFTER, LATER.as_secs().into()),
        (header::CACHE_CONTROL, HeaderValue::from_static("no-store")),
    ];
    (StatusCode::ACCEPTED, headers, Json(ServerModel::of(snapshot, snapshot.status())))
        .into_response()
}

fn not_running(status: &Status) -> Problem {
    let refuse = |reason, detail: &str| {
        let title = "Your workspace is not ready";
        Problem::new(StatusCode::SERVICE_UNAVAILABLE, reason, title).detail(detail)
    };
    match (status.state, status.reason) {
        (Stage::Stopped, _) => {
            refuse("stopped", &format!("{} Start it with POST {MY_SERVER}.", status.message))
        }
        (state, _) if state.is_ending() => refuse("stopping", &status.message).retry_after(LATER),
        (_, Some(reason)) => refuse(reason.name(), &status.message).retry_after(LATER),
        (_, None) => refuse("starting", &status.message).retry_after(LATER),
    }
}

fn too_many(detail: &str) -> Problem {
    Problem::new(StatusCode::TOO_MANY_REQUESTS, "too_many_waiting", "Too many requests")
        .detail(detail)
        .retry_after(LATER)
}

/// At the control address no pod is ever reached. Whoever opens it wants the table.
fn instead_of_a_pod(request: &Request) -> Response {
    let page = guard::wants_page(request.method(), request.headers());
    if page && request.uri().path() == "/" {
        return redirect(StatusCode::FOUND, USERS, Vec::new());
    }
    Problem::new(StatusCode::NOT_FOUND, "no_workspace_here", "There is no workspace here")
        .detail("This is the control address: only what begins with /-/ is served.")
        .into_response()
}

fn no_such_page() -> Problem {
    Problem::new(StatusCode::NOT_FOUND, "no_such_page", "There is no such page")
        .detail("What begins with /-/ is the spawner's; every other path is your workspace's.")
}

/// One of the places for requests that wait; free again when it is dropped.
struct Place<'app> {
    metrics: &'app Metrics,
    _permit: SemaphorePermit<'app>,
}

impl<'app> Place<'app> {
    fn take(app: &'app App) -> Result<Self, Problem> {
        let permit = app
            .places
            .try_acquire()
            .map_err(|_| too_many("Too many requests wait for starts on this replica."))?;
        app.metrics.held.inc();
        Ok(Self { metrics: &app.metrics, _permit: permit })
    }
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        self.metrics.held.dec();
    }
}
