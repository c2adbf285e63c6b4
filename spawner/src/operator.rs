//! Who may act on the servers of others: whoever has the operator's role, by a bearer token, or by a
//! session at the control address. Never by a session at the public address: code that a pod serves
//! rides the cookie there.

use std::sync::Arc;

use axum::{
    extract::{FromRequest, FromRequestParts, Path, Request},
    response::{IntoResponse, Response},
};
use contract::UserId;
use edge::problem::Problem;
use http::{Method, StatusCode, header, request::Parts};

use crate::{
    app::App,
    caller::{Caller, FormCaller},
    login::{Login, Site, guard},
    pages::{self, Message, table::USERS},
};

/// An operator. An extractor: a handler that takes one is not reached without.
#[derive(Debug)]
pub(crate) struct Operator {
    pub(crate) caller: Caller,
}

/// An operator who sent a form from one of our pages at the control address. An extractor.
#[derive(Debug)]
pub(crate) struct OperatorForm {
    operator: Operator,
}

/// The user in a path. An extractor.
#[derive(Debug)]
pub(crate) struct Whose(pub(crate) UserId);

impl FromRequestParts<Arc<App>> for Operator {
    type Rejection = Response;

    async fn from_request_parts(parts: &mut Parts, app: &Arc<App>) -> Result<Self, Response> {
        if let Some(refused) = wrong_place(app, parts) {
            return Err(refused);
        }
        let caller = Caller::from_request_parts(parts, app).await?;
        with_role(app, parts, caller).await
    }
}

impl FromRequest<Arc<App>> for OperatorForm {
    type Rejection = Response;

    async fn from_request(request: Request, app: &Arc<App>) -> Result<Self, Response> {
        let (parts, body) = request.into_parts();
        if let Some(refused) = wrong_place(app, &parts) {
            return Err(refused);
        }
        let request = Request::from_parts(parts.clone(), body);
        let FormCaller { caller, .. } = FormCaller::from_request(request, app).await?;
        Ok(Self { operator: with_role(app, &parts, caller).await? })
    }
}

impl<S: Send + Sync> FromRequestParts<S> for Whose {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let found = Path::<String>::from_request_parts(parts, state).await;
        let Path(text) = found.map_err(|rejection| no_such_user(rejection.body_text()))?;
        user_of(&text).map(Self)
    }
}

impl Operator {
    /// Acts on the server of `user`, which is told before it is done.
    pub(crate) fn acts_on(&self, user: &UserId, method: &Method) {
        let by = self.caller.user();
        tracing::info!(target: "audit", action = "operate", %user, %by, %method, outcome = "allowed");
    }
}

impl OperatorForm {
    /// The operator.
    pub(crate) fn operator(&self) -> &Operator {
        &self.operator
    }
}

/// Refuses what comes without a token to any address but the control one. What has neither token
/// nor cookie goes on, to be refused for that.
fn wrong_place(app: &App, parts: &Parts) -> Option<Response> {
    let page = guard::wants_page(&parts.method, &parts.headers);
    let login = app.login.as_ref()?;
    if parts.headers.contains_key(header::AUTHORIZATION)
        || !(page || Login::has_session(&parts.headers))
    {
        return None;
    }
    match login.site_of(&parts.headers, &parts.uri) {
        Some(Site::Control) => None,
        None => Some(pages::other_host(login)),
        Some(Site::Workspaces) => {
            refused(app, parts, "", CONTROL_ONLY);
            Some(elsewhere(login.control(), page))
        }
    }
}

async fn with_role(app: &App, parts: &Parts, caller: Caller) -> Result<Operator, Response> {
    match app.verifier.has_role(&caller.token, &app.operator).await {
        Ok(true) => Ok(Operator { caller }),
        Ok(false) => {
            refused(app, parts, caller.user().as_str(), OPERATOR_ONLY);
            Err(operators_only(&app.operator.name).into_response())
        }
        Err(rejection) => {
            refused(app, parts, caller.user().as_str(), rejection.reason());
            Err(rejection.into_response())
        }
    }
}

const CONTROL_ONLY: &str = "control_host_only";
const OPERATOR_ONLY: &str = "operator_only";

fn refused(app: &App, parts: &Parts, by: &str, outcome: &'static str) {
    app.metrics.refused_token(outcome);
    let (method, path) = (parts.method.as_str(), parts.uri.path());
    tracing::warn!(target: "audit", action = "operate", by, method, path, outcome);
}

fn operators_only(role: &str) -> Problem {
    Problem::new(StatusCode::FORBIDDEN, OPERATOR_ONLY, "This is for operators")
        .detail(format!("Your account lacks the role {role}. An administrator can give it."))
}

/// Says where the servers of others are shown and stopped.
fn elsewhere(control: Option<&str>, page: bool) -> Response {
    let title = "Not at this address";
    let why = "Your own workspace serves pages at this address, and none of them may act in an \
               operator's name.";
    let (text, action) = match control {
        Some(control) => (
            format!("{why} Workspaces of others are shown and stopped at {control}."),
            ("Go there", format!("{control}{USERS}")),
        ),
        None => (
            format!(
                "{why} This installation has no control address, so there is no table; with a \
                 bearer token of an operator, /-/api/v1/users does the same."
            ),
            ("Back to your workspace", "/-/".to_owned()),
        ),
    };
    let status = StatusCode::FORBIDDEN;
    if page {
        return pages::message(status, &Message { title, text: &text, action: Some(action) });
    }
    Problem::new(status, CONTROL_ONLY, title).detail(text).into_response()
}

/// Reads a user id from a path or a query.
pub(crate) fn user_of(text: &str) -> Result<UserId, Problem> {
    text.parse().map_err(|error: contract::InvalidUserId| no_such_user(error.to_string()))
}

fn no_such_user(detail: String) -> Problem {
    Problem::new(StatusCode::BAD_REQUEST, "bad_user", "No such user").detail(detail)
}
