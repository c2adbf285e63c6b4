//! `/-/`: how the workspace is, and what can be done with it; and what its buttons do.

use std::sync::Arc;

use axum::{
    extract::{Request, State as Shared},
    response::{IntoResponse, Response},
};
use edge::problem::Problem;
use http::{HeaderMap, StatusCode};
use k8s_openapi::jiff::Timestamp;
use maud::{Markup, html};

use super::{Follow, Message, Page, button, message, problem_page, sign_out, times::relative};
use crate::{
    api,
    app::App,
    caller::{CSRF_FIELD, Caller, FormCaller, refuse_crossing},
    login::{Login, Site, guard, routes::redirect},
    model::ServerModel,
    servers::Purged,
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
    let server = match app.describe(caller.user()).await {
        Ok(server) => server,
        Err(problem) => return problem.into_response(),
    };
    let (csrf, site) = (browser.csrf(), browser.site());
    let workspace = match site {
        Site::Workspaces => "/".to_owned(),
        Site::Control => format!("{}/", login.origin(Site::Workspaces)),
    };
    let content = html! {
        (state(&server, kept(&app)))
        div.actions { (actions(server.state, csrf, &workspace)) }
        @if app.servers.blueprint().has_home() { (delete_home(csrf)) }
        (sign_out(csrf, to_table(&app, login, &caller).await))
    };
    let follow = Follow { page: "home", phase: server.state.name(), held: false, reload: None };
    let page = Page::new("Your workspace", content).following(follow);
    page.leading_to(login.issuer_origin()).respond(StatusCode::OK)
}

/// The way to the workspaces of others, for whoever may go it.
async fn to_table(app: &App, login: &Login, caller: &Caller) -> Markup {
    let may = app.verifier.has_role(&caller.token, &app.operator).await.unwrap_or(false);
    html! {
        @if let Some(control) = login.control().filter(|_| may) {
            a href=(format!("{control}{}", super::table::USERS)) { "All workspaces" }
        }
    }
}

/// How a state looks.
pub(super) fn class(state: State) -> &'static str {
    match state {
        State::Ready => "good",
        State::Stopped => "off",
        State::Failed => "bad",
        _ => "busy",
    }
}

/// What is true of the files where homes last, and nothing elsewhere.
pub(super) fn kept(app: &App) -> &'static str {
    if app.servers.blueprint().has_home() { " The files of its home are kept." } else { "" }
}

fn state(server: &ServerModel, kept: &str) -> Markup {
    let words = match server.state {
        State::Ready => "Running",
        State::Stopped => "Not running",
        State::Queued => "Waiting for its turn",
        State::Suspending => "Going to sleep",
        State::Stopping => "Stopping",
        State::Failed => "Failed",
        _ => "Starting",
    };
    let now = Timestamp::now();
    html! {
        div.state.large.(class(server.state)) role="status" { (words) }
        @match (&server.last_stop, server.state) {
            (_, State::Ready) => (running(server, now, kept)),
            (Some(last), State::Stopped) => p { (last.reason.words()) " That was " (relative(last.at, now)) "." (kept) },
            (None, State::Stopped) => p { "Start it when you need it." (kept) },
            _ => p class=[server.reason.map(|_| "notice")] { (server.message) },
        }
    }
}

fn running(server: &ServerModel, now: Timestamp, kept: &str) -> Markup {
    let rows = [
        ("Started", server.started),
        ("Last used", server.last_activity),
        ("Goes to sleep unless used", server.stops_at),
    ];
    html! {
        dl {
            @for (what, at) in rows.iter().filter_map(|(what, at)| Some((what, (*at)?))) {
                div { dt { (what) } dd { (relative(at, now)) } }
            }
        }
        @if server.template.as_ref().is_some_and(|template| template.outdated) {
            p.hint { "There is a newer version, which a restart brings." (kept) }
        }
    }
}

fn actions(state: State, csrf: &str, workspace: &str) -> Markup {
    html! {
        @match state {
            State::Ready => {
                a.button.main href=(workspace) { "Open" }
                (button(RESTART, csrf, "Restart", false))
                (button(STOP, csrf, "Stop", false))
            }
            State::Stopped => (button(START, csrf, "Start", true)),
            State::Failed => {
                (button(RESTART, csrf, "Try again", true))
                (button(STOP, csrf, "Stop", false))
            }
            State::Suspending | State::Stopping => a.button href="/-/" { "Look again" },
            State::Queued => a.button.main href=(workspace) { "Show progress" },
            _ => {
                a.button.main href=(workspace) { "Show progress" }
                (button(STOP, csrf, "Cancel", false))
            }
        }
    }
}

/// Where a start can be watched: at the workspace's own address, if this is that.
fn progress(form: &FormCaller) -> Response {
    let to = if form.browser.site() == Site::Workspaces { "/" } else { HOME };
    redirect(StatusCode::SEE_OTHER, to, Vec::new())
}

/// `POST /-/server/start`: on to the workspace, where the progress is.
pub(crate) async fn start(Shared(app): Shared<Arc<App>>, form: FormCaller) -> Response {
    match api::start(&app, form.caller.user()).await {
        Ok(_) => progress(&form),
        Err(problem) => not_started(&app, &form.caller, &problem, form.browser.csrf()),
    }
}

/// `POST /-/server/stop`.
pub(crate) async fn stop(Shared(app): Shared<Arc<App>>, form: FormCaller) -> Response {
    let user = form.caller.user();
    match api::stop(&app, user, api::by_user(user)).await {
        Ok(_) => redirect(StatusCode::SEE_OTHER, HOME, Vec::new()),
        Err(problem) => problem_page(&problem, HOME.to_owned()),
    }
}

/// `POST /-/server/restart`: on to the workspace, where the end of the old one and the start of the
/// new one are shown.
pub(crate) async fn restart(Shared(app): Shared<Arc<App>>, form: FormCaller) -> Response {
    let user = form.caller.user();
    match api::restart(&app, user, user.clone()).await {
        Ok(_) => progress(&form),
        Err(problem) => not_started(&app, &form.caller, &problem, form.browser.csrf()),
    }
}

/// The page for a start that did not begin: for want of room, or for a worse reason.
fn not_started(app: &App, caller: &Caller, problem: &Problem, csrf: &str) -> Response {
    match app.servers.place(caller.user()) {
        Some(place) => super::progress::queued(place, problem),
        None => super::progress::refused(problem, csrf),
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
        Err(problem) => problem_page(&problem, HOME.to_owned()),
    }
}

const NOT_TICKED: &str = "The box that says so was not ticked. Your home is as it was.";
const NO_HOME: &str = "Nothing had to be deleted. Your workspace gets a new home when it starts.";
const DELETING: &str = "It goes as soon as your workspace has stopped. When you start it again it has a \
    new, empty home.";

fn said(status: StatusCode, title: &'static str, text: &str) -> Response {
    message(status, &Message { title, text, action: Some(("Back", HOME.to_owned())) })
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
            Err(problem) => not_started(app, caller, &problem, csrf),
        },
        _ => super::progress::under_way(&status, csrf),
    })
}
