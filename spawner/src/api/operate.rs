//! `/-/api/v1/users`: what an operator may see and do. Always by a bearer token with the operator's
//! role, never by a cookie: code that a pod serves could ride an operator's browser session.

use std::sync::Arc;

use axum::{
    Json,
    body::Bytes,
    extract::{FromRequestParts, Path, Query, State, rejection::QueryRejection},
    response::{IntoResponse, Response},
};
use contract::UserId;
use edge::{oidc::Token, problem::Problem};
use http::{Method, StatusCode, request::Parts};
use serde::{Deserialize, Serialize};

use super::{
    Target, WaitQuery, bad_query,
    home::{self, ConfirmQuery, HomeModel},
};
use crate::{
    app::App,
    model::ServerModel,
    state::State as Stage,
    stop::{Stop, StopReason},
};

/// An operator, by a verified token with the role. An extractor.
#[derive(Debug)]
pub(crate) struct Operator(UserId);

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

impl FromRequestParts<Arc<App>> for Operator {
    type Rejection = Response;

    async fn from_request_parts(parts: &mut Parts, app: &Arc<App>) -> Result<Self, Response> {
        let refuse = |outcome: &'static str, user: &str| {
            app.metrics.refused_token(outcome);
            let (method, path) = (parts.method.as_str(), parts.uri.path());
            tracing::warn!(target: "audit", action = "operate", by = user, method, path, outcome);
        };
        let verdict = async {
            let token = Token::from_headers(&parts.headers)?;
            let verified = app.verifier.verify(&token).await?;
            Ok((verified.user, app.verifier.has_role(&token, &app.operator).await?))
        };
        match verdict.await {
            Ok((user, true)) => Ok(Self(user)),
            Ok((user, false)) => {
                refuse("operator_only", user.as_str());
                Err(operators_only(&app.operator.name).into_response())
            }
            Err(rejection) => {
                refuse(edge::oidc::Rejection::reason(&rejection), "");
                Err(rejection.into_response())
            }
        }
    }
}

fn operators_only(role: &str) -> Problem {
    Problem::new(StatusCode::FORBIDDEN, "operator_only", "This is for operators")
        .detail(format!("The token lacks the role {role}."))
}

/// `GET /users`: the servers there are.
pub(crate) async fn list(
    State(app): State<Arc<App>>,
    Operator(_): Operator,
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
        .filter(|(_, seen)| state.is_none_or(|state| seen.status().state == state))
        .take(limit + 1)
        .map(|(user, seen)| Entry { server: app.model(&user, &seen), user: user.to_string() })
        .collect();
    let more = items.len() > limit;
    items.truncate(limit);
    let next = items.last().filter(|_| more).map(|entry| entry.user.clone());
    Ok(Json(Page { items, next }))
}

/// `GET /users/{user}/server`.
pub(crate) async fn show(
    State(app): State<Arc<App>>,
    Operator(_): Operator,
    Path(user): Path<String>,
) -> Result<Json<ServerModel>, Problem> {
    Ok(Json(app.describe(&user_of(&user)?).await?))
}

/// `POST /users/{user}/server`, as a user's own.
pub(crate) async fn start(
    State(app): State<Arc<App>>,
    operator: Operator,
    Path(user): Path<String>,
    wait: WaitQuery,
    body: Bytes,
) -> Result<Response, Problem> {
    super::start_target(&app, &operator.target(&user, &Method::POST)?, wait, &body).await
}

/// `DELETE /users/{user}/server`, as a user's own.
pub(crate) async fn stop(
    State(app): State<Arc<App>>,
    operator: Operator,
    Path(user): Path<String>,
    wait: WaitQuery,
) -> Result<Response, Problem> {
    let target = operator.target(&user, &Method::DELETE)?;
    let stop = Stop { reason: StopReason::Admin, by: Some(operator.0) };
    super::stop_target(&app, &target, wait, stop).await
}

/// `POST /users/{user}/server/restart`, as a user's own.
pub(crate) async fn restart(
    State(app): State<Arc<App>>,
    operator: Operator,
    Path(user): Path<String>,
) -> Result<Response, Problem> {
    let target = operator.target(&user, &Method::POST)?;
    super::restart_target(&app, &target, operator.0).await
}

/// `GET /users/{user}/home`.
pub(crate) async fn show_home(
    State(app): State<Arc<App>>,
    Operator(_): Operator,
    Path(user): Path<String>,
) -> Result<Json<HomeModel>, Problem> {
    home::show_of(&app, &user_of(&user)?).await
}

/// `DELETE /users/{user}/home?confirm=<uuid>`, as a user's own.
pub(crate) async fn purge_home(
    State(app): State<Arc<App>>,
    operator: Operator,
    Path(user): Path<String>,
    confirm: ConfirmQuery,
) -> Result<Response, Problem> {
    let user = operator.acts_on(&user, &Method::DELETE)?;
    let location = home::location_of(&user);
    let stop = Stop { reason: StopReason::Admin, by: Some(operator.0) };
    home::purge_of(&app, &user, confirm, stop, location).await
}

impl Operator {
    /// Whose server or home is meant. That an operator acts on it is told before it is done.
    fn acts_on(&self, user: &str, method: &Method) -> Result<UserId, Problem> {
        let user = user_of(user)?;
        tracing::info!(target: "audit", action = "operate", %user, by = %self.0, %method);
        Ok(user)
    }

    fn target(&self, user: &str, method: &Method) -> Result<Target, Problem> {
        self.acts_on(user, method).map(Target::of_another)
    }
}

fn user_of(text: &str) -> Result<UserId, Problem> {
    text.parse().map_err(|error: contract::InvalidUserId| {
        Problem::new(StatusCode::BAD_REQUEST, "bad_user", "No such user").detail(error.to_string())
    })
}

fn no_such_state(name: &str) -> String {
    let shown: String = name.chars().take(64).collect();
    let known = Stage::ALL.map(Stage::name).join(", ");
    format!("{shown:?} is no state; there are {known}.")
}
