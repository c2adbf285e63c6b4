//! `/me/home` and `/users/{user}/home`: what there is of a user's home, and its end.

use std::sync::Arc;

use axum::{
    Json,
    extract::{Query, State, rejection::QueryRejection},
    response::{IntoResponse, Response},
};
use contract::{UserId, object};
use edge::problem::Problem;
use http::{StatusCode, header};
use k8s_openapi::jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::{LOOK_AGAIN, bad_query, by_user, ended};
use crate::{
    app::App,
    caller::Caller,
    cluster::Home,
    model::{API, MY_HOME},
    servers::Purged,
    stop::Stop,
};

/// `?confirm=<uuid>`: the user whose home is meant, once more.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Confirm {
    confirm: String,
}

pub(super) type ConfirmQuery = Result<Query<Confirm>, QueryRejection>;

/// A user's home, as the API tells it.
#[derive(Debug, Serialize)]
pub(crate) struct HomeModel {
    /// The claim's name.
    name: String,
    state: HomeState,
    /// A Kubernetes quantity.
    size: Option<String>,
    created: Option<Timestamp>,
}

/// How far a home is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
enum HomeState {
    /// There is none; the next start makes one.
    Missing,
    /// It has no volume yet. Many storage classes make one for the first pod only.
    Pending,
    /// It has a volume.
    Bound,
    /// Its volume is gone.
    Lost,
    /// It was deleted, and goes when its pod has gone.
    Deleting,
}

impl HomeModel {
    fn of(user: &UserId, home: Option<Home>) -> Self {
        let name = object::home(user);
        let Some(home) = home else {
            return Self { name, state: HomeState::Missing, size: None, created: None };
        };
        let state = match (home.deleting, home.phase.as_str()) {
            (true, _) => HomeState::Deleting,
            (false, "Bound") => HomeState::Bound,
            (false, "Lost") => HomeState::Lost,
            (false, _) => HomeState::Pending,
        };
        Self { name, state, size: home.size, created: home.created }
    }
}

/// `GET /me/home`.
pub(super) async fn show(
    State(app): State<Arc<App>>,
    caller: Caller,
) -> Result<Json<HomeModel>, Problem> {
    show_of(&app, caller.user()).await
}

/// `DELETE /me/home?confirm=<uuid>`: 202 while it goes, 204 when there is none.
pub(super) async fn purge(
    State(app): State<Arc<App>>,
    caller: Caller,
    confirm: ConfirmQuery,
) -> Result<Response, Problem> {
    let user = caller.user();
    purge_of(&app, user, confirm, by_user(user), MY_HOME.to_owned()).await
}

pub(super) async fn show_of(app: &App, user: &UserId) -> Result<Json<HomeModel>, Problem> {
    Ok(Json(HomeModel::of(user, app.servers.home(user).await?)))
}

/// Where another user's home is.
pub(super) fn location_of(user: &UserId) -> String {
    format!("{API}/users/{user}/home")
}

pub(super) async fn purge_of(
    app: &App,
    user: &UserId,
    confirm: ConfirmQuery,
    stop: Stop,
    location: String,
) -> Result<Response, Problem> {
    let Query(Confirm { confirm }) =
        confirm.map_err(|error| bad_query(format!("There is only `confirm`: {error}.")))?;
    if confirm != user.as_str() {
        return Err(not_confirmed(user));
    }
    match do_purge(app, user, stop).await? {
        Purged::Gone => Ok(StatusCode::NO_CONTENT.into_response()),
        Purged::Deleting => {
            let retry_after = LOOK_AGAIN.as_secs().to_string();
            let headers = [(header::LOCATION, location), (header::RETRY_AFTER, retry_after)];
            Ok((StatusCode::ACCEPTED, headers, show_of(app, user).await?).into_response())
        }
    }
}

/// Deletes `user`'s home. In a task of its own: a client that goes away half-way leaves a whole purge
/// behind, and its line in the audit log.
pub(crate) async fn do_purge(app: &App, user: &UserId, stop: Stop) -> Result<Purged, Problem> {
    app.snapshot(user)?;
    let (servers, user) = (app.servers.clone(), user.clone());
    Ok(tokio::spawn(async move { servers.purge(&user, &stop).await }).await.map_err(ended)??)
}

fn not_confirmed(user: &UserId) -> Problem {
    Problem::new(StatusCode::BAD_REQUEST, "not_confirmed", "The home was not deleted").detail(
        format!(
            "What is in it would be lost for good. To delete it all the same, say whose it is: \
             ?confirm={user}"
        ),
    )
}
