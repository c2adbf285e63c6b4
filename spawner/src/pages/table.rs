//! `/-/users`, at the control address alone: everybody's workspaces, and what an operator can do
//! with them.

mod view;

use std::{collections::BTreeMap, sync::Arc};

use axum::{
    extract::{Query, Request, State as Shared, rejection::QueryRejection},
    response::{IntoResponse, Response},
};
use contract::UserId;
use edge::problem::Problem;
use futures::future::join_all;
use http::{Method, StatusCode};
use k8s_openapi::jiff::Timestamp;
use maud::{Markup, html};

pub(crate) use self::view::View;
use self::view::{Key, Rows, Sort};
use super::{Page, button, home, problem_page, sign_out, times::relative};
use crate::{
    api,
    app::App,
    caller::refuse_crossing,
    login::{guard, routes::redirect},
    model::ServerModel,
    operator::{Operator, OperatorForm, Whose},
    state::State,
    stop::{Stop, StopReason},
    watch::Snapshot,
};

/// The table.
pub(crate) const USERS: &str = "/-/users";
/// Stops a workspace.
pub(crate) const STOP: &str = "/-/users/{user}/stop";
/// Stops it and starts it again.
pub(crate) const RESTART: &str = "/-/users/{user}/restart";

/// What the query says; a misspelled one is refused in words.
type Asked = Result<Query<View>, QueryRejection>;

/// `GET /-/users`.
pub(crate) async fn table(
    Shared(app): Shared<Arc<App>>,
    operator: Operator,
    asked: Asked,
    request: Request,
) -> Result<Response, Response> {
    let (parts, _) = request.into_parts();
    let (Some(browser), Some(login)) = (&operator.caller.browser, &app.login) else {
        return Err(super::only_for_browsers().into_response());
    };
    guard::is_page_visit(&parts.headers)
        .map_err(|crossing| refuse_crossing(&app, &parts, crossing))?;
    let view = view_of(asked).map_err(IntoResponse::into_response)?;
    let snapshots = app.snapshots().map_err(IntoResponse::into_response)?;
    let keys = keys(&app, &snapshots);
    let rows = view.rows(&keys);
    let servers = servers(&app, &rows).await;
    let csrf = browser.csrf();
    let content = html! {
        (filters(&view, &keys))
        @if rows.keys.is_empty() {
            p.empty { (if keys.is_empty() { "Nobody's workspace is running." } else { "No workspace matches." }) }
        } @else {
            (list(&view, &servers, &Forms { csrf, kept: home::kept(&app) }))
            (paging(&view, &rows))
        }
        (sign_out(csrf, html! { a href=(home::HOME) { "Your workspace" } }))
    };
    let page = Page::new("Workspaces", content).wide().leading_to(login.issuer_origin());
    Ok(page.respond(StatusCode::OK))
}

/// `POST /-/users/{user}/stop`.
pub(crate) async fn stop(
    Shared(app): Shared<Arc<App>>,
    Whose(user): Whose,
    asked: Asked,
    form: OperatorForm,
) -> Result<Response, Problem> {
    let view = view_of(asked)?;
    form.operator().acts_on(&user, &Method::POST);
    let by = Some(form.operator().caller.user().clone());
    let stopped = api::stop(&app, &user, Stop { reason: StopReason::Admin, by }).await;
    Ok(back_to(&view, stopped.map(drop)))
}

/// `POST /-/users/{user}/restart`.
pub(crate) async fn restart(
    Shared(app): Shared<Arc<App>>,
    Whose(user): Whose,
    asked: Asked,
    form: OperatorForm,
) -> Result<Response, Problem> {
    let view = view_of(asked)?;
    form.operator().acts_on(&user, &Method::POST);
    let by = form.operator().caller.user().clone();
    let restarted = api::restart(&app, &user, by).await;
    Ok(back_to(&view, restarted.map(drop)))
}

fn back_to(view: &View, done: Result<(), Problem>) -> Response {
    let table = view.link(USERS);
    match done {
        Ok(()) => redirect(StatusCode::SEE_OTHER, &table, Vec::new()),
        Err(problem) => problem_page(&problem, table),
    }
}

fn view_of(asked: Asked) -> Result<View, Problem> {
    let refuse = |detail: String| {
        let title = "The query is not understood";
        Problem::new(StatusCode::BAD_REQUEST, "bad_query", title).detail(detail)
    };
    let Query(view) =
        asked.map_err(|error| refuse(format!("There are state, user, sort and page: {error}.")))?;
    if !view.state.is_empty() && State::named(&view.state).is_none() {
        return Err(refuse(format!("There are {}.", State::ALL.map(State::name).join(", "))));
    }
    Ok(view)
}

fn keys(app: &App, snapshots: &BTreeMap<UserId, Snapshot>) -> Vec<Key> {
    let key = |(user, seen): (&UserId, &Snapshot)| Key {
        user: user.clone(),
        state: app.status(user, seen).state,
        started: seen.pod.as_ref().and_then(|pod| pod.created),
    };
    snapshots.iter().map(key).collect()
}

/// The servers of the rows, with what their sidecars say, all asked at once.
async fn servers(app: &App, rows: &Rows) -> Vec<(UserId, ServerModel)> {
    let described = rows.keys.iter().map(async |Key { user, .. }| {
        // One that has gone meanwhile is told as such.
        Some((user.clone(), app.describe(user).await.ok()?))
    });
    join_all(described).await.into_iter().flatten().collect()
}

/// The states that there are, to choose from, and a field for a user.
fn filters(view: &View, keys: &[Key]) -> Markup {
    let mut counts: BTreeMap<&str, (State, usize)> = BTreeMap::new();
    for Key { state, .. } in keys {
        counts.entry(state.name()).or_insert((*state, 0)).1 += 1;
    }
    let chip = |state: Option<State>, words: &str, count: usize| {
        let current = state.map(State::name).unwrap_or_default() == view.state;
        html! {
            a href=(view.only(state).link(USERS)) aria-current=[current.then_some("true")] {
                (words) " " span { (count) }
            }
        }
    };
    html! {
        div.filters {
            nav.chips aria-label="By state" {
                (chip(None, "All", keys.len()))
                @for (name, (state, count)) in counts { (chip(Some(state), name, count)) }
            }
            form.find method="get" action=(USERS) role="search" {
                @if !view.state.is_empty() {
                    input type="hidden" name="state" value=(view.state);
                }
                input type="search" name="user" value=(view.user) maxlength="36" spellcheck="false"
                    autocomplete="off" placeholder="User id" aria-label="User id, or its beginning";
                button { "Find" }
            }
        }
    }
}

/// What the forms of every row have.
struct Forms<'a> {
    csrf: &'a str,
    /// What becomes of the files.
    kept: &'static str,
}

fn list(view: &View, servers: &[(UserId, ServerModel)], forms: &Forms<'_>) -> Markup {
    let now = Timestamp::now();
    let by_age = if view.sort == Sort::Newest { Sort::Oldest } else { Sort::Newest };
    let heading = |words: &str, sort: Sort, sorted: Option<&'static str>| {
        html! {
            th scope="col" aria-sort=[sorted] { a href=(view.sorted(sort).link(USERS)) { (words) } }
        }
    };
    let (user, state, age) = match view.sort {
        Sort::User => (Some("ascending"), None, None),
        Sort::State => (None, Some("ascending"), None),
        Sort::Newest => (None, None, Some("descending")),
        Sort::Oldest => (None, None, Some("ascending")),
    };
    html! {
        table {
            thead {
                tr {
                    (heading("User", Sort::User, user))
                    (heading("State", Sort::State, state))
                    (heading("Started", by_age, age))
                    th scope="col" { "Last used" }
                    th scope="col" { "Stops" }
                    th scope="col" { "Template" }
                    th scope="col" { span.unseen { "What to do" } }
                }
            }
            tbody { @for (user, server) in servers { (row(view, user, server, now, forms)) } }
        }
    }
}

fn row(
    view: &View,
    user: &UserId,
    server: &ServerModel,
    now: Timestamp,
    forms: &Forms<'_>,
) -> Markup {
    let time = |what: &str, at: Option<Timestamp>| {
        html! {
            td data-label=(what) class=[at.is_none().then_some("none")] {
                @match at { Some(at) => (relative(at, now)), None => "\u{2013}" }
            }
        }
    };
    let outdated = server.template.as_ref().map(|template| template.outdated);
    html! {
        tr {
            th scope="row" { code { (user) } }
            td data-label="State" {
                div { div.state.(home::class(server.state)) { (server.state.name()) }
                @if let Some(reason) = server.reason { small { (reason) } } }
            }
            (time("Started", server.started))
            (time("Last used", server.last_activity))
            (time("Stops", server.stops_at))
            td data-label="Template" class=[outdated.is_none().then_some("none")] {
                @match outdated {
                    Some(true) => span.badge { "Outdated" },
                    Some(false) => "Current",
                    None => "\u{2013}",
                }
            }
            td.act { @if server.state != State::Queued { (manage(view, user, server, forms)) } }
        }
    }
}

/// A button, and behind it what can be done and what that means for the user.
fn manage(view: &View, user: &UserId, server: &ServerModel, forms: &Forms<'_>) -> Markup {
    let Forms { csrf, kept } = *forms;
    let id = format!("manage-{user}");
    let to = |path: &str| view.link(&path.replace("{user}", user.as_str()));
    html! {
        button popovertarget=(id) aria-label=(format!("Manage the workspace of {user}")) { "Manage" }
        div id=(id) popover role="dialog" aria-labelledby=(format!("{id}-title")) {
            h2 id=(format!("{id}-title")) { "Workspace of " code { (user) } }
            p { span.soft { "Its user reads: " } (server.message) }
            p.soft { "Stopping or restarting cuts off whoever works in it." (kept) }
            div.actions {
                (button(&to(RESTART), csrf, "Restart", true))
                @if !server.state.is_ending() { (button(&to(STOP), csrf, "Stop", false)) }
                button type="button" popovertarget=(id) popovertargetaction="hide" { "Close" }
            }
        }
    }
}

fn paging(view: &View, Rows { all, page, pages, .. }: &Rows) -> Markup {
    let step = |words: &str, to: usize, there: bool| {
        html! {
            @if there { a.button href=(view.at(to).link(USERS)) { (words) } }
        }
    };
    html! {
        nav.paging aria-label="Pages" {
            (step("Previous", page.saturating_sub(1), *page > 1))
            span.soft { (all) (if *all == 1 { " workspace" } else { " workspaces" }) ", page " (page) " of " (pages) }
            (step("Next", page + 1, page < pages))
        }
    }
}
