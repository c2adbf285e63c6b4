//! `/-/api/v1/users`: what an operator may see and do.

use std::sync::Arc;

use axum::{
    Json,
    extract::{Extension, Query, State, rejection::QueryRejection},
    response::{Response, sse::Sse},
};
use edge::{problem::Problem, shutdown::Shutdown};
use http::{HeaderMap, Method, StatusCode};
use serde::{Deserialize, Serialize};

use super::{
    Sent, Target, WaitQuery, bad_query, busy,
    home::{self, ConfirmQuery, HomeModel},
};
use crate::{
    app::App,
    model::ServerModel,
    operator::{Operator, Whose, user_of},
    progress::{self, Told},
    state::State as Stage,
    stop::{Stop, StopReason},
};

/// `?state=&limit=&continue=`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Selection {
    state: Option<String>,
    limit: Option<usize>,
    /// The last user of the page before.
    #[serde(rename = "continue")]
    after: Option<String>,
}

/// A page of the list, in the order of the users' ids.
#[derive(Debug, Serialize)]
pub(crate) struct Page {
    items: Vec<Entry>,
    /// What to ask with for the next page; absent on the last.
    #[serde(rename = "continue", skip_serializing_if = "Option::is_none")]
    next: Option<String>,
}

#[derive(Debug, Serialize)]
struct Entry {
    user: String,
    server: ServerModel,
}

/// How many servers are on a page, unless the caller says otherwise, and at most.
const PAGE: usize = 100;
const LONGEST_PAGE: usize = 500;

/// `GET /users`: the servers there are.
pub(crate) async fn list(
    State(app): State<Arc<App>>,
    _: Operator,
    selection: Result<Query<Selection>, QueryRejection>,
) -> Result<Json<Page>, Problem> {
    let Query(Selection { state, limit, after }) = selection.map_err(|error| {
        bad_query(format!("There are `state`, `limit` and `continue`: {error}."))
    })?;
    let state = match state.as_deref() {
        None => None,
        Some(name) => Some(Stage::named(name).ok_or_else(|| bad_query(no_such_state(name)))?),
    };
    let limit = limit.unwrap_or(PAGE);
    if !(1..=LONGEST_PAGE).contains(&limit) {
        return Err(bad_query(format!("`limit` must be from 1 to {LONGEST_PAGE}, not {limit}.")));
    }
    let after = after.as_deref().map(user_of).transpose()?;
    let snapshots = app.snapshots()?;
    let mut items: Vec<Entry> = snapshots
        .into_iter()
        .filter(|(user, _)| after.as_ref().is_none_or(|after| user > after))
        .filter(|(user, seen)| state.is_none_or(|state| app.status(user, seen).state == state))
        .take(limit + 1)
        .map(|(user, seen)| Entry {
            server: app.model(&user, &seen).of_another(&user),
            user: user.to_string(),
        })
        .collect();
    let more = items.len() > limit;
    items.truncate(limit);
    let next = items.last().filter(|_| more).map(|entry| entry.user.clone());
    Ok(Json(Page { items, next }))
}

/// `GET /users/{user}/server`.
pub(crate) async fn show(
    State(app): State<Arc<App>>,
    _: Operator,
    Whose(user): Whose,
) -> Result<Json<ServerModel>, Problem> {
    Ok(Json(app.describe(&user).await?.of_another(&user)))
}

/// `POST /users/{user}/server`, as a user's own.
pub(crate) async fn start(
    State(app): State<Arc<App>>,
    operator: Operator,
    Whose(user): Whose,
    wait: WaitQuery,
    sent: Sent,
) -> Result<Response, Problem> {
    operator.acts_on(&user, &Method::POST);
    let target = Target::of_another(user);
    super::start_target(&app, &target, wait, sent).await
}

/// `DELETE /users/{user}/server`, as a user's own.
pub(crate) async fn stop(
    State(app): State<Arc<App>>,
    operator: Operator,
    Whose(user): Whose,
    wait: WaitQuery,
) -> Result<Response, Problem> {
    operator.acts_on(&user, &Method::DELETE);
    let target = Target::of_another(user);
    let stop = Stop { reason: StopReason::Admin, by: Some(operator.caller.user().clone()) };
    super::stop_target(&app, &target, wait, stop).await
}

/// `POST /users/{user}/server/restart`, as a user's own.
pub(crate) async fn restart(
    State(app): State<Arc<App>>,
    operator: Operator,
    Whose(user): Whose,
) -> Result<Response, Problem> {
    operator.acts_on(&user, &Method::POST);
    let target = Target::of_another(user);
    super::restart_target(&app, &target, operator.caller.user().clone()).await
}

/// `GET /users/{user}/home`.
pub(crate) async fn show_home(
    State(app): State<Arc<App>>,
    _: Operator,
    Whose(user): Whose,
) -> Result<Json<HomeModel>, Problem> {
    home::show_of(&app, &user).await
}

/// `DELETE /users/{user}/home?confirm=<uuid>`, as a user's own.
pub(crate) async fn purge_home(
    State(app): State<Arc<App>>,
    operator: Operator,
    Whose(user): Whose,
    confirm: ConfirmQuery,
) -> Result<Response, Problem> {
    operator.acts_on(&user, &Method::DELETE);
    let location = home::location_of(&user);
    let stop = Stop { reason: StopReason::Admin, by: Some(operator.caller.user().clone()) };
    home::purge_of(&app, &user, confirm, stop, location).await
}

/// `GET /users/{user}/server/progress`, as a user's own.
pub(crate) async fn progress(
    State(app): State<Arc<App>>,
    shutdown: Option<Extension<Shutdown>>,
    operator: Operator,
    Whose(user): Whose,
    headers: HeaderMap,
) -> Result<Sse<impl Told>, Problem> {
    progress::tell(app, &user, operator.caller.time_left(), shutdown, &headers)
}

/// `POST /users/{user}/server/activity`, as a user's own.
pub(crate) async fn keep_awake(
    State(app): State<Arc<App>>,
    operator: Operator,
    Whose(user): Whose,
    sent: Sent,
) -> Result<StatusCode, Problem> {
    operator.acts_on(&user, &Method::POST);
    busy::keep(&app, &user, operator.caller.user(), sent).await
}

fn no_such_state(name: &str) -> String {
    let shown: String = name.chars().take(64).collect();
    let known = Stage::ALL.map(Stage::name).join(", ");
    format!("{shown:?} is no state; there are {known}.")
}
