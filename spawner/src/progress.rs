//! `GET .../server/progress`: how a start goes, as server-sent events. Each event follows from the
//! pod and its events alone, so any replica can go on where another one stopped.

use std::{convert::Infallible, sync::Arc, time::Duration};

use axum::{
    Extension,
    extract::State,
    response::sse::{Event, KeepAlive, Sse},
};
use contract::UserId;
use edge::{problem::Problem, shutdown::Shutdown};
use futures::{Stream, StreamExt as _, stream};
use http::{HeaderMap, StatusCode};
use serde::Serialize;

use crate::{
    app::App,
    caller::Caller,
    proxy::MOST_WAITING,
    servers::Places,
    state::{Reason, State as Stage, Status},
    watch::{Follower, Snapshot},
};

/// A sign of life for proxies that close silent connections.
const HEARTBEAT: Duration = Duration::from_secs(8);

/// The data of one event; the names are JupyterHub's.
#[derive(Serialize)]
struct Step {
    progress: u8,
    phase: Stage,
    message: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<&'static str>,
    /// It goes on only when a person has done something.
    #[serde(skip_serializing_if = "is_false")]
    held: bool,
    #[serde(skip_serializing_if = "is_false")]
    ready: bool,
    #[serde(skip_serializing_if = "is_false")]
    failed: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    url: Option<&'static str>,
}

/// What a client is told, event by event.
pub(crate) trait Told: Stream<Item = Result<Event, Infallible>> + Send + 'static {}

impl<S: Stream<Item = Result<Event, Infallible>> + Send + 'static> Told for S {}

/// One client's view of a start.
struct View {
    app: Arc<App>,
    user: UserId,
    follower: Follower,
    places: Places,
    /// What was told last; the same is not told twice.
    last: Option<Status>,
    /// The client has seen everything up to this `version`, on this or another replica.
    seen: Option<u64>,
    over: bool,
}

/// Of the caller's own start.
pub(crate) async fn stream(
    State(app): State<Arc<App>>,
    shutdown: Option<Extension<Shutdown>>,
    caller: Caller,
    headers: HeaderMap,
) -> Result<Sse<impl Told>, Problem> {
    tell(app, caller.user(), caller.time_left(), shutdown, &headers)
}

/// Tells every step until the workspace is ready or has failed, the token ends (in `left`), or this
/// replica does; the client then comes back with `Last-Event-ID`.
pub(crate) fn tell(
    app: Arc<App>,
    user: &UserId,
    left: Duration,
    shutdown: Option<Extension<Shutdown>>,
    headers: &HeaderMap,
) -> Result<Sse<impl Told + use<>>, Problem> {
    app.snapshot(user)?;
    let follower = app.pods.follow_among(user, MOST_WAITING).map_err(|error| {
        let status = StatusCode::TOO_MANY_REQUESTS;
        Problem::new(status, "too_many_waiting", "Too many requests")
            .detail(error.to_string())
            .retry_after(HEARTBEAT)
    })?;
    let seen = headers.get("last-event-id").and_then(|id| id.to_str().ok()?.parse().ok());
    let places = app.servers.places();
    let view = View { app, user: user.clone(), follower, places, last: None, seen, over: false };
    let end = async move {
        tokio::select! {
            () = tokio::time::sleep(left) => {}
            () = draining(shutdown) => {}
        }
    };
    let events = stream::unfold(view, View::next).take_until(end).map(Ok);
    Ok(Sse::new(events).keep_alive(KeepAlive::new().interval(HEARTBEAT)))
}

async fn draining(shutdown: Option<Extension<Shutdown>>) {
    match shutdown {
        Some(Extension(shutdown)) => shutdown.draining().await,
        None => std::future::pending().await,
    }
}

impl View {
    async fn next(mut self) -> Option<(Event, Self)> {
        if self.over {
            return None;
        }
        let mut snapshot = self.follower.now();
        while !self.is_news(&snapshot) {
            snapshot = self.changed(&snapshot).await;
        }
        let status = self.status(&snapshot);
        self.over = matches!(status.state, Stage::Ready | Stage::Failed);
        self.last = Some(status.clone());
        Some((event(&snapshot, status), self))
    }

    /// Waits for the next change: of the pod, and as long as there is none, of the queue.
    async fn changed(&mut self, before: &Snapshot) -> Snapshot {
        if before.pod.is_some() {
            return self.follower.changed().await;
        }
        tokio::select! {
            snapshot = self.follower.changed() => snapshot,
            () = self.places.changed() => self.follower.now(),
        }
    }

    fn status(&self, snapshot: &Snapshot) -> Status {
        self.app.status(&self.user, snapshot)
    }

    /// Whether there is something to tell. The end is told again to whoever asks again.
    fn is_news(&self, snapshot: &Snapshot) -> bool {
        let status = self.status(snapshot);
        match (&self.last, self.seen) {
            (Some(last), _) => *last != status,
            (None, Some(seen)) => {
                status.state.is_pending().then_some(seen) < Some(snapshot.version())
            }
            (None, None) => true,
        }
    }
}

fn event(snapshot: &Snapshot, status: Status) -> Event {
    let Status { state, reason, message } = status;
    let step = Step {
        progress: state.progress(),
        phase: state,
        message,
        reason: reason.map(Reason::name),
        held: state.is_pending() && reason.is_some_and(Reason::needs_somebody),
        ready: state == Stage::Ready,
        failed: state == Stage::Failed,
        url: (state == Stage::Ready).then_some("/"),
    };
    let event = Event::default();
    let event = match snapshot.version() {
        // Nothing has happened yet that could be numbered.
        0 => event,
        version => event.id(version.to_string()),
    };
    // One line of JSON: the message's own line breaks are escaped.
    event.data(serde_json::to_string(&step).unwrap_or_default())
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde asks for a reference")]
fn is_false(value: &bool) -> bool {
    !*value
}
