//! The page that is shown in place of a workspace that is not there yet: what happens, how long it
//! usually takes, and what to do when it does not work.

use axum::response::Response;
use edge::problem::Problem;
use http::StatusCode;
use maud::{Markup, html};

use super::{Follow, Page, button, home};
use crate::state::{State, Status};

/// The steps of a start: in a user's words, with the states that belong to each and how long each
/// usually takes: OpenClaw was seen to start in 10 to 25 seconds on two cores.
const STEPS: [(&str, &[State], &str); 5] = [
    ("Create it", &[State::Creating], "about a second"),
    ("Find a machine for it", &[State::Scheduling, State::ScalingUp], "about a second"),
    ("Fetch its program", &[State::Pulling], "up to a minute"),
    ("Prepare its files", &[State::Initializing], "a few seconds"),
    ("Start it", &[State::Starting], "10 to 30 seconds"),
];

/// How often a browser without script looks again, in seconds.
const RELOAD: u8 = 3;

/// The page for a workspace that is on its way, or on its way out.
pub(crate) fn under_way(status: &Status, csrf: &str) -> Response {
    let stopping = status.state == State::Stopping;
    let title = if stopping { "Your workspace is stopping" } else { "Starting your workspace" };
    let message = match stopping {
        true => "It is being stopped. As soon as that is done it is started again.",
        false => &status.message,
    };
    let content = html! {
        p #message role="status" class=[status.reason.map(|_| "notice")] { (message) }
        progress #bar aria-label="Progress of the start" max="100" value=(status.state.progress()) {}
        (steps(status.state))
        div.actions {
            @if !stopping { (button(home::STOP, csrf, "Cancel", false)) }
            a.button href="/-/" { "Overview" }
        }
        noscript { p.soft { "This page looks again every few seconds." } }
    };
    let follow = Follow { page: "progress", phase: status.state.name(), reload: Some(RELOAD) };
    Page { title, content, follow: Some(follow), forms_lead_to: None }.respond(StatusCode::OK)
}

fn steps(now: State) -> Markup {
    let current = STEPS.iter().position(|(_, states, _)| states.contains(&now));
    html! {
        p.soft #steps { "Steps, and how long they usually take" }
        ol aria-labelledby="steps" {
            @for (at, (words, states, usually)) in STEPS.iter().enumerate() {
                li data-phases=(states.iter().map(|state| state.name()).collect::<Vec<_>>().join(" "))
                    class=[current.filter(|current| at < *current).map(|_| "done")]
                    aria-current=[current.filter(|current| at == *current).map(|_| "step")]
                {
                    span { (words) }
                    small { (usually) }
                }
            }
        }
    }
}

/// The page for a workspace that has failed. Nothing is started by looking at it.
pub(crate) fn failed(status: &Status, csrf: &str) -> Response {
    let content = html! {
        p.notice.failed role="alert" { (status.message) }
        @if let Some(reason) = status.reason {
            p.soft { "In the words of the API: " code { (reason.name()) } }
        }
        div.actions {
            (button(home::RESTART, csrf, "Try again", true))
            a.button href="/-/" { "Overview" }
        }
    };
    let title = "Your workspace does not start";
    let page = Page { title, content, follow: None, forms_lead_to: None };
    page.respond(StatusCode::SERVICE_UNAVAILABLE)
}

/// The page for a start that was refused: by a quota, a policy, an API server that is down.
pub(crate) fn refused(problem: &Problem, csrf: &str) -> Response {
    let text = problem.text().unwrap_or_else(|| problem.title());
    let content = html! {
        p.notice.failed role="alert" { (text) }
        p.soft { "In the words of the API: " code { (problem.code()) } }
        div.actions {
            (button(home::START, csrf, "Try again", true))
            a.button href="/-/" { "Overview" }
        }
    };
    let title = "Your workspace cannot be started";
    Page { title, content, follow: None, forms_lead_to: None }.respond(problem.status())
}
