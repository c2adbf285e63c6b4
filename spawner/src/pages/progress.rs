//! The page that is shown in place of a workspace that is not there yet: what happens, how long it
//! usually takes, and what to do when it does not work.

use std::time::Duration;

use axum::response::Response;
use edge::problem::Problem;
use http::StatusCode;
use maud::{Markup, html};

use super::{Follow, Page, button, home};
use crate::state::{Reason, State, Status};

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
const RELOAD: u64 = 3;
/// When to ask again for a place, if nothing else is said.
const ASK_AGAIN: Duration = Duration::from_secs(5);

/// The page for a workspace that is on its way, or on its way out.
pub(crate) fn under_way(status: &Status, csrf: &str) -> Response {
    let ending = status.state.is_ending();
    let held = status.reason.is_some_and(Reason::needs_somebody);
    let (title, usually) = match (ending, held) {
        (true, _) => ("Restarting your workspace", "First it ends, usually within half a minute."),
        (_, true) => (
            "Your workspace is waiting",
            "It goes on by itself as soon as that is mended, and so does this page.",
        ),
        _ => (
            "Starting your workspace",
            "Usually ready in half a minute; a minute or two when its program has to be fetched first.",
        ),
    };
    let content = html! {
        p #message role="status" class=[status.reason.map(|_| "notice")] { (status.message) }
        p.soft { (usually) }
        progress #bar aria-label="Progress of the start" max="100" value=(status.state.progress()) {}
        (steps(status.state))
        div.actions {
            @if !ending { (button(home::STOP, csrf, "Cancel", false)) }
            a.button href="/-/" { "Overview" }
        }
        noscript { p.soft { "This page looks again every few seconds." } }
    };
    let phase = status.state.name();
    let follow = Follow { page: "progress", phase, held, reload: Some(RELOAD) };
    Page::new(title, content).following(follow).respond(StatusCode::OK)
}

/// The page for a workspace that waits for others to have started. Asking again keeps the place, so
/// the page does.
pub(crate) fn queued(place: usize, problem: &Problem) -> Response {
    let wait = problem.wait().unwrap_or(ASK_AGAIN).as_secs().max(1);
    let ahead = match place {
        0 | 1 => "Yours is next.".to_owned(),
        2 => "One is ahead of yours.".to_owned(),
        _ => format!("{} are ahead of yours.", place - 1),
    };
    let content = html! {
        p role="status" {
            "Every place is taken: as many workspaces start or run as may at once. " strong { (ahead) }
        }
        p.soft {
            "Keep this page open: it asks again every few seconds, which keeps your place, and goes on \
             by itself. When it closes, the place is lost after half a minute."
        }
        div.actions { a.button href="/-/" { "Overview" } }
    };
    let phase = State::Queued.name();
    let follow = Follow { page: "queue", phase, held: false, reload: Some(wait) };
    Page::new("Waiting for a free place", content).following(follow).respond(StatusCode::OK)
}

fn steps(now: State) -> Markup {
    let current = STEPS.iter().position(|(_, states, _)| states.contains(&now));
    html! {
        p.soft #steps { "Steps, and how long they usually take" }
        ol aria-labelledby="steps" {
            @if now.is_ending() {
                li data-phases="Stopping Suspending" aria-current="step" { span { "End the one before" } small { "up to half a minute" } }
            }
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
    Page::new("Your workspace does not start", content).respond(StatusCode::SERVICE_UNAVAILABLE)
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
    Page::new("Your workspace cannot be started", content).respond(problem.status())
}
