//! `/-/`: how the workspace is, and what can be done with it; and what its buttons do.

use std::sync::Arc;

use axum::{
    extract::{Request, State as Shared},
    response::{IntoResponse, Response},
};
use edge::problem::Problem;
use http::{HeaderMap, StatusCode};
use maud::{Markup, html};

use super::{Follow, Message, Page, button, message, sign_out};
use crate::{
    api,
    app::App,
    caller::{CSRF_FIELD, Caller, FormCaller, refuse_crossing},
    login::{guard, routes::redirect},
    model::ServerModel,
    servers::{Purged, Stopped},
    state::State,
};

/// The page.
pub(crate) const HOME: &str = "/-/";
/// Starts the workspace.
pub(crate) const START: &str = "/-/server/start";
/// Stops it, or calls off its start.
pub(crate) const STOP: &str = "/-/server/stop";
/// Stops it and starts it again.
pub(crate) const RESTART: &str = "/-/server/restart";

/// Deletes the home.
pub(crate) const PURGE: &str = "/-/home/delete";
/// The field of the box to tick before that.
const CONFIRM_FIELD: &str = "confirm";

/// `GET /-/`.
pub(crate) async fn home(
    Shared(app): Shared<Arc<App>>,
    caller: Caller,
    request: Request,
) -> Response {
    let (parts, _) = request.into_parts();
    let (Some(browser), Some(login)) = (&caller.browser, &app.login) else {
        return super::only_for_browsers().into_response();
    };
    if let Err(crossing) = guard::is_page_visit(&parts.headers) {
        return refuse_crossing(&app, &parts, crossing);
    }
    let server = match app.recalled(caller.user()).await {
        Ok(snapshot) => ServerModel::of(&snapshot),
        Err(problem) => return problem.into_response(),
    };
    let csrf = browser.csrf();
    let content = html! {
        (state(&server))
        div.actions { (actions(server.state, csrf)) }
        @if app.servers.blueprint().has_home() { (delete_home(csrf)) }
        (sign_out(csrf))
    };
    let follow = Follow { page: "home", phase: server.state.name(), reload: None };
    let forms_lead_to = login.issuer_origin();
    let page = Page { title: "Your workspace", content, follow: Some(follow), forms_lead_to };
    page.respond(StatusCode::OK)
}

fn state(server: &ServerModel) -> Markup {
    let (class, words) = match server.state {
        State::Ready => ("good", "Running"),
        State::Stopped => ("", "Not running"),
        State::Stopping => ("busy", "Stopping"),
        State::Failed => ("bad", "Failed"),
        _ => ("busy", "Starting"),
    };
    html! {
        div.state.(class) role="status" { (words) }
        p class=[server.reason.map(|_| "notice")] { (server.message) }
        @if let Some(started) = server.started.filter(|_| server.state == State::Ready) {
            p.soft { "Since " (started.strftime("%Y-%m-%d %H:%M UTC")) }
        }
    }
}

fn actions(state: State, csrf: &str) -> Markup {
    html! {
        @match state {
            State::Ready => {
                a.button.main href="/" { "Open" }
                (button(RESTART, csrf, "Restart", false))
                (button(STOP, csrf, "Stop", false))
            }
            State::Stopped => (button(START, csrf, "Start", true)),
            State::Failed => {
                (button(RESTART, csrf, "Try again", true))
                (button(STOP, csrf, "Stop", false))
            }
            State::Stopping => a.button href="/-/" { "Look again" },
            _ => {
                a.button.main href="/" { "Show progress" }
                (button(STOP, csrf, "Cancel", false))
            }
        }
    }
}

/// `POST /-/server/start`: on to the workspace, where the progress is.
pub(crate) async fn start(Shared(app): Shared<Arc<App>>, form: FormCaller) -> Response {
    match api::start(&app, form.caller.user()).await {
        Ok(_) => redirect(StatusCode::SEE_OTHER, "/", Vec::new()),
        Err(problem) => super::progress::refused(&problem, form.browser.csrf()),
    }
}

/// `POST /-/server/stop`.
pub(crate) async fn stop(Shared(app): Shared<Arc<App>>, form: FormCaller) -> Response {
    match api::stop(&app, form.caller.user()).await {
        Ok(_) => redirect(StatusCode::SEE_OTHER, HOME, Vec::new()),
        Err(problem) => problem_page(&problem),
    }
}

/// `POST /-/server/restart`: stops it; the page of a workspace that is stopping starts it again.
pub(crate) async fn restart(Shared(app): Shared<Arc<App>>, form: FormCaller) -> Response {
    match api::stop(&app, form.caller.user()).await {
        Ok(Stopped::Gone | Stopped::Stopping { .. }) => {
            redirect(StatusCode::SEE_OTHER, "/", Vec::new())
        }
        Err(problem) => problem_page(&problem),
    }
}

fn delete_home(csrf: &str) -> Markup {
    html! {
        details {
            summary { "Delete my home" }
            p {
                "Your files and settings are kept when your workspace stops. This stops it and deletes \
                 them for good; nobody can bring them back."
            }
            form method="post" action=(PURGE) {
                input type="hidden" name=(CSRF_FIELD) value=(csrf);
                label {
                    input type="checkbox" name=(CONFIRM_FIELD) value="yes" required;
                    " Delete everything in it"
                }
                button { "Delete my home" }
            }
        }
    }
}

/// `POST /-/home/delete`.
pub(crate) async fn purge(Shared(app): Shared<Arc<App>>, form: FormCaller) -> Response {
    if form.field(CONFIRM_FIELD) != Some("yes") {
        return said(StatusCode::BAD_REQUEST, "Nothing was deleted", NOT_TICKED);
    }
    let user = form.caller.user();
    match api::home::do_purge(&app, user, api::by_user(user)).await {
        Ok(Purged::Gone) => said(StatusCode::OK, "There is no home", NO_HOME),
        Ok(Purged::Deleting) => said(StatusCode::ACCEPTED, "Your home is being deleted", DELETING),
        Err(problem) => problem_page(&problem),
    }
}

const NOT_TICKED: &str = "The box that says so was not ticked. Your home is as it was.";
const NO_HOME: &str = "Nothing had to be deleted. Your workspace gets a new home when it starts.";
const DELETING: &str = "It goes as soon as your workspace has stopped. When you start it again it has a \
    new, empty home.";

fn said(status: StatusCode, title: &'static str, text: &str) -> Response {
    message(status, &Message { title, text, action: Some(("Back", HOME.to_owned())) })
}

fn problem_page(problem: &Problem) -> Response {
    said(problem.status(), problem.title(), problem.text().unwrap_or_default())
}

/// What a browser gets that opens a page of a workspace which does not answer: the progress of its
/// start, which this begins, or why there is none. `None`: nothing of the kind, go on.
pub(crate) async fn instead_of_workspace(
    app: &App,
    caller: &Caller,
    method: &http::Method,
    headers: &HeaderMap,
) -> Option<Response> {
    let browser = caller.browser.as_ref()?;
    if method != http::Method::GET || guard::is_page_visit(headers).is_err() {
        return None;
    }
    let csrf = browser.csrf();
    let snapshot = app.snapshot(caller.user()).ok()?;
    let status = snapshot.status();
    Some(match status.state {
        State::Ready => return None,
        State::Failed => super::progress::failed(&status, csrf),
        State::Stopped => match api::start(app, caller.user()).await {
            Ok(started) => super::progress::under_way(&started.snapshot.status(), csrf),
            Err(problem) => super::progress::refused(&problem, csrf),
        },
        _ => super::progress::under_way(&status, csrf),
    })
}
