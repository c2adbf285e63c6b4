//! `/-/api/v1`: what a user may ask about and do to the own server.

use std::{sync::Arc, time::Duration};

use axum::{
    Json,
    extract::{Query, State},
    response::{IntoResponse, Response},
};
use contract::UserId;
use edge::problem::Problem;
use http::{HeaderValue, StatusCode, header};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::{
    app::App,
    caller::Caller,
    model::{MY_SERVER, ServerModel},
    servers::{How, Started, Stopped},
    state::State as Stage,
    stop::{Stop, StopReason},
    watch::Snapshot,
};

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

/// `GET /version`, for anyone.
pub(crate) async fn version() -> Json<Value> {
    Json(json!({ "name": "bp-openclaw spawner", "version": env!("CARGO_PKG_VERSION") }))
}

/// `GET /me`: who the token says is asking.
pub(crate) async fn me(
    State(app): State<Arc<App>>,
    caller: Caller,
) -> Result<Json<Value>, Problem> {
    let server = ServerModel::of(&app.snapshot(caller.user())?);
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
    Ok(Json(ServerModel::of(&app.snapshot(caller.user())?)))
}

/// `POST /me/server[?wait=s]`: 201 when it is ready, 202 when it is not yet, 409 while the one before
/// is being stopped. Asking again changes nothing.
pub(crate) async fn start_server(
    State(app): State<Arc<App>>,
    caller: Caller,
    wait: WaitQuery,
) -> Result<Response, Problem> {
    let budget = budget(&app, wait)?;
    app.snapshot(caller.user())?;
    let started = start(&app, caller.user()).await?;
    if started.how == How::Stopping {
        return Err(Problem::new(
            StatusCode::CONFLICT,
            "stopping",
            "Your workspace is being stopped",
        )
        .detail("It can be started again as soon as it has stopped.")
        .retry_after(LOOK_AGAIN));
    }
    let snapshot = if budget.is_zero() {
        started.snapshot
    } else {
        app.pods.follow(caller.user()).until_settled(budget).await
    };
    Ok(server(&snapshot))
}

/// `DELETE /me/server[?wait=s]`: 204 when it is gone, 202 while it is being stopped. Also calls off a
/// start.
pub(crate) async fn stop_server(
    State(app): State<Arc<App>>,
    caller: Caller,
    wait: WaitQuery,
) -> Result<Response, Problem> {
    let budget = budget(&app, wait)?;
    app.snapshot(caller.user())?;
    let Stopped::Stopping { uid } = stop(&app, caller.user()).await? else {
        return Ok(StatusCode::NO_CONTENT.into_response());
    };
    let mut follower = app.pods.follow(caller.user());
    let snapshot = follower.until(budget, |seen| !seen.is_pod(&uid)).await;
    if snapshot.is_pod(&uid) {
        return Ok(server(&snapshot));
    }
    Ok(StatusCode::NO_CONTENT.into_response())
}

/// Starts `user`'s server. In a task of its own: a client that goes away half-way leaves a whole
/// start behind, and its line in the audit log.
pub(crate) async fn start(app: &App, user: &UserId) -> Result<Started, Problem> {
    let (servers, user) = (app.servers.clone(), user.clone());
    Ok(tokio::spawn(async move { servers.start(&user).await }).await.map_err(ended)??)
}

/// Stops `user`'s server, or calls off its start. In a task of its own, as a start.
pub(crate) async fn stop(app: &App, user: &UserId) -> Result<Stopped, Problem> {
    let (servers, user) = (app.servers.clone(), user.clone());
    let stop = Stop { reason: StopReason::User, by: Some(user.clone()) };
    Ok(tokio::spawn(async move { servers.stop(&user, &stop).await }).await.map_err(ended)??)
}

/// The server of `snapshot`, with the status that says how far it is.
fn server(snapshot: &Snapshot) -> Response {
    let model = ServerModel::of(snapshot);
    let status =
        if model.state == Stage::Ready { StatusCode::CREATED } else { StatusCode::ACCEPTED };
    let mut response = (status, Json(model)).into_response();
    let headers = response.headers_mut();
    headers.insert(header::LOCATION, HeaderValue::from_static(MY_SERVER));
    if status == StatusCode::ACCEPTED {
        headers.insert(header::RETRY_AFTER, LOOK_AGAIN.as_secs().into());
    }
    response
}

/// How long an answer may take, never longer than the start timeout.
fn budget(app: &App, wait: WaitQuery) -> Result<Duration, Problem> {
    match wait {
        Ok(Query(Wait { wait })) => Ok(Duration::from_secs(wait.into()).min(app.start_timeout)),
        Err(error) => {
            Err(Problem::new(StatusCode::BAD_REQUEST, "bad_query", "The query is not understood")
                .detail(format!("There is only `wait`, in whole seconds: {error}.")))
        }
    }
}

/// A task that was cut off; only the end of the process does that.
fn ended(_: tokio::task::JoinError) -> Problem {
    Problem::new(StatusCode::SERVICE_UNAVAILABLE, "interrupted", "This replica is ending")
        .detail("Try again: another one goes on where this one stopped.")
        .retry_after(Duration::from_secs(1))
}
