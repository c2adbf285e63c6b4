//! `/-/api/v1`: what a user may ask about and do to the own server.

mod busy;
pub(crate) mod home;
mod openapi;
mod operate;

use std::{sync::Arc, time::Duration};

use axum::{
    Json, Router,
    body::Bytes,
    extract::{DefaultBodyLimit, Query, State},
    response::{IntoResponse, Response},
    routing::{MethodRouter, get, post},
};
use contract::UserId;
use edge::problem::Problem;
use http::{StatusCode, header};
use serde::{Deserialize, de::DeserializeOwned};
use serde_json::{Value, json};

use crate::{
    app::{App, interrupted},
    caller::Caller,
    model::{API, MY_SERVER, ServerModel, others_server},
    progress,
    servers::{How, Started, Stopped},
    state::State as Stage,
    stop::{Stop, StopReason},
    watch::Snapshot,
};

/// A bound for bodies, in bytes: ours have a few short fields.
const MAX_BODY: usize = 4096;

/// Every route of the API, without [`API`] before them, as `openapi.yaml` describes them.
pub(crate) fn routes() -> [(&'static str, MethodRouter<Arc<App>>); 14] {
    let own = get(show_server).post(start_server).delete(stop_server);
    let others = get(operate::show).post(operate::start).delete(operate::stop);
    [
        ("/version", get(version)),
        ("/openapi.json", get(openapi::document)),
        ("/me", get(me)),
        ("/me/server", own),
        ("/me/server/progress", get(progress::stream)),
        ("/me/server/restart", post(restart_server)),
        ("/me/server/activity", post(busy::keep_awake)),
        ("/me/home", get(home::show).delete(home::purge)),
        ("/users", get(operate::list)),
        ("/users/{user}/server", others),
        ("/users/{user}/server/progress", get(operate::progress)),
        ("/users/{user}/server/restart", post(operate::restart)),
        ("/users/{user}/server/activity", post(operate::keep_awake)),
        ("/users/{user}/home", get(operate::show_home).delete(operate::purge_home)),
    ]
}

/// The API. Not nested: that would hide from extractors where a request came in, and so whether a
/// cookie is enough for it.
pub(crate) fn router() -> Router<Arc<App>> {
    routes()
        .into_iter()
        .fold(Router::new(), |all, (path, methods)| all.route(&format!("{API}{path}"), methods))
        .layer(DefaultBodyLimit::max(MAX_BODY))
}

/// When to look again at a server that is starting; whoever wants to know at once follows the
/// progress stream.
const LOOK_AGAIN: Duration = Duration::from_secs(2);

/// `?wait=SECONDS`: answer when it is done, or after that time with how far it is.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Wait {
    #[serde(default)]
    wait: u16,
}

/// A query that is none of ours is refused: whoever misspells `wait` would wait for nothing.
type WaitQuery = Result<Query<Wait>, axum::extract::rejection::QueryRejection>;

/// A body, or why it was not read to its end.
type Sent = Result<Bytes, axum::extract::rejection::BytesRejection>;

/// The whole body.
fn whole(sent: Sent) -> Result<Bytes, Problem> {
    sent.map_err(|rejection| match rejection.status() {
        status @ StatusCode::PAYLOAD_TOO_LARGE => {
            Problem::new(status, "body_too_large", "The body is too large")
                .detail(format!("It may have {MAX_BODY} bytes."))
        }
        _ => bad_body("It broke off.".to_owned()),
    })
}

/// `GET /version`, for anyone.
pub(crate) async fn version() -> Json<Value> {
    Json(json!({ "name": "bp-openclaw spawner", "version": env!("CARGO_PKG_VERSION") }))
}

/// `GET /me`: who the token says is asking.
pub(crate) async fn me(
    State(app): State<Arc<App>>,
    caller: Caller,
) -> Result<Json<Value>, Problem> {
    let server = app.model(caller.user(), &app.recalled(caller.user()).await?);
    Ok(Json(json!({
        "name": caller.user().as_str(),
        "token_expires_at": caller.verified.expires_at.to_string(),
        "server": server,
    })))
}

/// `GET /me/server`: how far it is.
pub(crate) async fn show_server(
    State(app): State<Arc<App>>,
    caller: Caller,
) -> Result<Json<ServerModel>, Problem> {
    Ok(Json(app.describe(caller.user()).await?))
}

/// `POST /me/server[?wait=s]`: 201 when it is ready, 202 when it is not yet, 409 while the one before
/// is being stopped. Asking again changes nothing.
pub(crate) async fn start_server(
    State(app): State<Arc<App>>,
    caller: Caller,
    wait: WaitQuery,
    sent: Sent,
) -> Result<Response, Problem> {
    start_target(&app, &Target::own(&caller), wait, sent).await
}

/// `DELETE /me/server[?wait=s]`: 204 when it is gone, 202 while it is being stopped. Also calls off a
/// start.
pub(crate) async fn stop_server(
    State(app): State<Arc<App>>,
    caller: Caller,
    wait: WaitQuery,
) -> Result<Response, Problem> {
    stop_target(&app, &Target::own(&caller), wait, by_user(caller.user())).await
}

/// `POST /me/server/restart`: 202; the new one starts when the old one is gone.
pub(crate) async fn restart_server(
    State(app): State<Arc<App>>,
    caller: Caller,
) -> Result<Response, Problem> {
    restart_target(&app, &Target::own(&caller), caller.user().clone()).await
}

/// Whose server is meant.
struct Target {
    user: UserId,
    is_own: bool,
    /// Where it is asked for.
    location: String,
}

impl Target {
    fn own(caller: &Caller) -> Self {
        Self { user: caller.user().clone(), is_own: true, location: MY_SERVER.to_owned() }
    }

    fn of_another(user: UserId) -> Self {
        Self { location: others_server(&user), is_own: false, user }
    }

    fn model(&self, app: &App, snapshot: &Snapshot) -> ServerModel {
        let model = app.model(&self.user, snapshot);
        if self.is_own { model } else { model.of_another(&self.user) }
    }
}

async fn start_target(
    app: &App,
    target: &Target,
    wait: WaitQuery,
    sent: Sent,
) -> Result<Response, Problem> {
    let budget = budget(app, wait)?;
    let bytes = whole(sent)?;
    let StartBody { image } = if bytes.is_empty() { StartBody::default() } else { body(&bytes)? };
    app.snapshot(&target.user)?;
    let started = start_with(app, &target.user, image).await?;
    if started.how == How::Stopping {
        return Err(Problem::new(
            StatusCode::CONFLICT,
            "stopping",
            "The workspace is being stopped",
        )
        .detail("It can be started again as soon as it has stopped.")
        .retry_after(LOOK_AGAIN));
    }
    let snapshot = if budget.is_zero() {
        started.snapshot
    } else {
        app.pods.follow(&target.user).until_settled(budget).await
    };
    Ok(server(app, target, &snapshot))
}

async fn stop_target(
    app: &App,
    target: &Target,
    wait: WaitQuery,
    reason: Stop,
) -> Result<Response, Problem> {
    let budget = budget(app, wait)?;
    app.snapshot(&target.user)?;
    let Stopped::Stopping { uid } = stop(app, &target.user, reason).await? else {
        return Ok(StatusCode::NO_CONTENT.into_response());
    };
    let mut follower = app.pods.follow(&target.user);
    let snapshot = follower.until(budget, |seen| !seen.is_pod(&uid)).await;
    if snapshot.is_pod(&uid) {
        return Ok(server(app, target, &snapshot));
    }
    Ok(StatusCode::NO_CONTENT.into_response())
}

async fn restart_target(app: &App, target: &Target, by: UserId) -> Result<Response, Problem> {
    app.snapshot(&target.user)?;
    restart(app, &target.user, by).await?;
    Ok(accepted(app, target, &app.snapshot(&target.user)?))
}

/// The body of a start. It may be left out.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct StartBody {
    /// One of the operator's list, for the runtime.
    image: Option<String>,
}

/// Reads a body. What is none of ours is refused: whoever misspells `image` would get another one.
fn body<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, Problem> {
    serde_json::from_slice(bytes).map_err(|error| bad_body(format!("{error}.")))
}

fn bad_body(detail: String) -> Problem {
    Problem::new(StatusCode::BAD_REQUEST, "bad_body", "The body is not understood").detail(detail)
}

fn bad_query(detail: String) -> Problem {
    Problem::new(StatusCode::BAD_REQUEST, "bad_query", "The query is not understood").detail(detail)
}

/// Its user stops it.
pub(crate) fn by_user(user: &UserId) -> Stop {
    Stop { reason: StopReason::User, by: Some(user.clone()) }
}

/// Starts `user`'s server. In a task of its own: a client that goes away half-way leaves a whole
/// start behind, and its line in the audit log.
pub(crate) async fn start(app: &App, user: &UserId) -> Result<Started, Problem> {
    start_with(app, user, None).await
}

async fn start_with(app: &App, user: &UserId, image: Option<String>) -> Result<Started, Problem> {
    let (servers, user) = (app.servers.clone(), user.clone());
    let started = tokio::spawn(async move { servers.start(&user, image.as_deref()).await });
    Ok(started.await.map_err(ended)??)
}

/// Stops `user`'s server, or calls off its start, for this reason. In a task of its own, as a start.
pub(crate) async fn stop(app: &App, user: &UserId, reason: Stop) -> Result<Stopped, Problem> {
    let (servers, user) = (app.servers.clone(), user.clone());
    Ok(tokio::spawn(async move { servers.stop(&user, &reason).await }).await.map_err(ended)??)
}

/// Stops `user`'s server, if there is one, and starts it anew. In a task of its own, as a start.
pub(crate) async fn restart(app: &App, user: &UserId, by: UserId) -> Result<Stopped, Problem> {
    let stop = Stop { reason: StopReason::Restart, by: Some(by) };
    let (servers, user) = (app.servers.clone(), user.clone());
    Ok(tokio::spawn(async move { servers.restart(&user, &stop).await }).await.map_err(ended)??)
}

/// The server of `snapshot`, with the status that says how far it is.
fn server(app: &App, target: &Target, snapshot: &Snapshot) -> Response {
    let model = target.model(app, snapshot);
    if model.state == Stage::Ready {
        return (StatusCode::CREATED, [(header::LOCATION, target.location.clone())], Json(model))
            .into_response();
    }
    accepted(app, target, snapshot)
}

fn accepted(app: &App, target: &Target, snapshot: &Snapshot) -> Response {
    let headers = [
        (header::LOCATION, target.location.clone()),
        (header::RETRY_AFTER, LOOK_AGAIN.as_secs().to_string()),
    ];
    (StatusCode::ACCEPTED, headers, Json(target.model(app, snapshot))).into_response()
}

/// How long an answer may take, never longer than the start timeout.
fn budget(app: &App, wait: WaitQuery) -> Result<Duration, Problem> {
    match wait {
        Ok(Query(Wait { wait })) => Ok(Duration::from_secs(wait.into()).min(app.start_timeout)),
        Err(error) => Err(bad_query(format!("There is only `wait`, in whole seconds: {error}."))),
    }
}

/// A task that was cut off; only the end of the process does that.
fn ended(_: tokio::task::JoinError) -> Problem {
    interrupted()
}
