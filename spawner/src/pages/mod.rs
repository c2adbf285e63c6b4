//! The spawner's own pages: plain HTML that works without script, one small stylesheet, and a few
//! lines of script where something is followed.
//!
//! Pages share their origin with whatever a pod serves. So that no script of a pod reads a form's
//! CSRF token, a page with forms is answered only to a top-level navigation
//! ([`crate::login::guard::is_page_visit`]), never in a frame (`frame-ancestors`), and in a browsing
//! context group of its own (`Cross-Origin-Opener-Policy`), out of reach of whoever opened it.

pub(crate) mod home;
pub(crate) mod progress;
pub(crate) mod table;
mod times;

use std::sync::LazyLock;

use aws_lc_rs::digest;
use axum::{
    body::Body,
    extract::Request,
    middleware::Next,
    response::{IntoResponse, Response},
};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use edge::problem::Problem;
use http::{HeaderName, HeaderValue, StatusCode, header};
use maud::{DOCTYPE, Markup, PreEscaped, html};

use crate::{
    caller::CSRF_FIELD,
    login::{Login, Site, guard, guard::Crossing, routes::LOGOUT},
};

const STYLE: &str = include_str!("style.css");
const SCRIPT: &str = include_str!("follow.js");

/// What every page has.
pub(crate) struct Page {
    title: &'static str,
    /// The content of `main`.
    content: Markup,
    /// What the script has to know; without it there is none.
    follow: Option<Follow>,
    /// Where forms may lead: to us, and on from there to the issuer.
    forms_lead_to: Option<String>,
    wide: bool,
}

/// What the script follows, for the attributes of `main`.
pub(crate) struct Follow {
    pub(crate) page: &'static str,
    pub(crate) phase: &'static str,
    /// Somebody has to do something first.
    pub(crate) held: bool,
    /// How often a browser without script reloads the page, in seconds; of the page "queue" every
    /// browser.
    pub(crate) reload: Option<u64>,
}

/// A page that says one thing.
pub(crate) struct Message<'a> {
    pub(crate) title: &'static str,
    pub(crate) text: &'a str,
    /// What to do next: the words, and where they lead.
    pub(crate) action: Option<(&'static str, String)>,
}

impl Page {
    pub(crate) fn new(title: &'static str, content: Markup) -> Self {
        Self { title, content, follow: None, forms_lead_to: None, wide: false }
    }

    pub(crate) fn following(self, follow: Follow) -> Self {
        Self { follow: Some(follow), ..self }
    }

    pub(crate) fn leading_to(self, forms_lead_to: Option<String>) -> Self {
        Self { forms_lead_to, ..self }
    }

    /// For a table.
    pub(crate) fn wide(self) -> Self {
        Self { wide: true, ..self }
    }

    pub(crate) fn respond(self, status: StatusCode) -> Response {
        let policy = policy(self.forms_lead_to.as_deref());
        let mut response = Response::new(Body::from(self.markup().into_string()));
        *response.status_mut() = status;
        let headers = response.headers_mut();
        for (name, value) in HEADERS {
            headers.insert(name, HeaderValue::from_static(value));
        }
        if let Ok(policy) = HeaderValue::try_from(policy) {
            headers.insert(header::CONTENT_SECURITY_POLICY, policy);
        }
        response
    }

    fn markup(self) -> Markup {
        let Self { title, content, follow, forms_lead_to: _, wide } = self;
        let class = wide.then_some("wide");
        let reload = follow.as_ref().and_then(|follow| follow.reload);
        html! {
            (DOCTYPE)
            html lang="en" {
                head {
                    meta charset="utf-8";
                    meta name="viewport" content="width=device-width, initial-scale=1";
                    meta name="color-scheme" content="light dark";
                    title { (title) }
                    style { (PreEscaped(STYLE)) }
                    @if let Some(seconds) = reload {
                        noscript { meta http-equiv="refresh" content=(seconds); }
                    }
                }
                body {
                    @if let Some(Follow { page, phase, held, reload }) = follow {
                        main data-page=(page) data-phase=(phase) data-held=[held.then_some("")]
                            data-reload=[reload]
                        {
                            h1 { (title) } (content)
                        }
                        script type="module" { (PreEscaped(SCRIPT)) }
                    } @else {
                        main class=[class] { h1 { (title) } (content) }
                    }
                }
            }
        }
    }
}

/// The headers of every page.
const HEADERS: [(HeaderName, &str); 7] = [
    (header::CONTENT_TYPE, "text/html; charset=utf-8"),
    (header::CACHE_CONTROL, "no-store"),
    (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
    (header::X_FRAME_OPTIONS, "DENY"),
    // Not `no-referrer`, with which a browser would send our own forms with `Origin: null`.
    (header::REFERRER_POLICY, "same-origin"),
    (HeaderName::from_static("cross-origin-opener-policy"), "same-origin"),
    (HeaderName::from_static("cross-origin-resource-policy"), "same-origin"),
];

/// Nothing from elsewhere, nothing inline but the style and the script above. A form's redirects
/// count as well, so the issuer has to be named where a form ends there.
fn policy(forms_lead_to: Option<&str>) -> String {
    static HASHES: LazyLock<[String; 2]> = LazyLock::new(|| [STYLE, SCRIPT].map(hash));
    let [style, script] = &*HASHES;
    let to = forms_lead_to.map(|origin| format!(" {origin}")).unwrap_or_default();
    format!(
        "default-src 'none'; style-src '{style}'; script-src '{script}'; connect-src 'self'; \
         form-action 'self'{to}; base-uri 'none'; frame-ancestors 'none'"
    )
}

fn hash(text: &str) -> String {
    let hash = digest::digest(&digest::SHA256, text.as_bytes());
    format!("sha256-{}", STANDARD.encode(hash))
}

/// A form that is one button.
pub(crate) fn button(action: &str, csrf: &str, words: &str, main: bool) -> Markup {
    html! {
        form method="post" action=(action) {
            input type="hidden" name=(CSRF_FIELD) value=(csrf);
            button class=[main.then_some("main")] { (words) }
        }
    }
}

/// The line at the end of a page of somebody who is signed in, with a way to somewhere else.
pub(crate) fn sign_out(csrf: &str, elsewhere: Markup) -> Markup {
    html! { footer { (elsewhere) (button(LOGOUT, csrf, "Sign out", false)) } }
}

/// What was asked for was not done; `back` is where it was asked for.
pub(crate) fn problem_page(problem: &Problem, back: String) -> Response {
    let (title, text) = (problem.title(), problem.text().unwrap_or_default());
    message(problem.status(), &Message { title, text, action: Some(("Back", back)) })
}

pub(crate) fn message(status: StatusCode, message: &Message<'_>) -> Response {
    let Message { title, text, action } = message;
    let content = html! {
        p { (text) }
        @if let Some((words, to)) = action {
            div.actions { a.button.main href=(to) { (words) } }
        }
    };
    Page::new(title, content).respond(status)
}

/// The request is for another name than the public one.
pub(crate) fn other_host(login: &Login) -> Response {
    let text =
        format!("Workspaces have one address: {}. Open that one.", login.origin(Site::Workspaces));
    message(
        StatusCode::MISDIRECTED_REQUEST,
        &Message {
            title: "Another address",
            text: &text,
            action: Some(("Open it", format!("{}/", login.origin(Site::Workspaces)))),
        },
    )
}

/// The issuer does not go on with the session.
pub(crate) fn session_ended(sign_in: String) -> Response {
    message(
        StatusCode::UNAUTHORIZED,
        &Message {
            title: "You are signed out",
            text: "The identity provider has ended your session: you signed out elsewhere, or it was not \
               used for a long time. Your workspace is as you left it.",
            action: Some(("Sign in", sign_in)),
        },
    )
}

/// The issuer cannot be asked.
pub(crate) fn issuer_down(again: &str) -> Response {
    let mut response = message(
        StatusCode::SERVICE_UNAVAILABLE,
        &Message {
            title: "The identity provider cannot be reached",
            text: "You stay signed in, and your workspace goes on. Try again in a few seconds.",
            action: Some(("Try again", crate::login::sanitised(again).to_owned())),
        },
    );
    response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from_static("2"));
    response
}

/// The cookie may not speak for the request.
pub(crate) fn crossing(crossing: Crossing) -> Response {
    message(
        StatusCode::FORBIDDEN,
        &Message {
            title: "This was not done",
            text: &crossing.to_string(),
            action: Some(("Back to your workspace", "/-/".to_owned())),
        },
    )
}

/// There is no login here.
pub(crate) fn no_login() -> Problem {
    Problem::new(StatusCode::NOT_FOUND, "no_login", "Nobody signs in here with a browser")
        .detail("This installation has no login; send a bearer token.")
}

/// A form was sent by something else than a signed-in browser.
pub(crate) fn only_for_browsers() -> Problem {
    Problem::new(StatusCode::UNAUTHORIZED, "only_for_browsers", "Only for signed-in browsers")
        .detail("This is a form of the pages under /-/. With a token use /-/api/v1.")
}

/// More than a form of ours can be.
pub(crate) fn too_large() -> Response {
    Problem::new(StatusCode::PAYLOAD_TOO_LARGE, "body_too_large", "The form is too large")
        .detail("The forms under /-/ have a few short fields.")
        .into_response()
}

/// Shows people a page where programs get a problem document.
pub(crate) async fn for_people(request: Request, next: Next) -> Response {
    let page = guard::wants_page(request.method(), request.headers());
    let response = next.run(request).await;
    let Some(problem) = response.extensions().get::<Problem>().filter(|_| page) else {
        return response;
    };
    let text = problem.text();
    let shown = Message {
        title: problem.title(),
        text: text.unwrap_or("Nothing more is known."),
        action: Some(("Back to your workspace", "/-/".to_owned())),
    };
    let mut shown = message(response.status(), &shown);
    for name in [header::RETRY_AFTER, header::ALLOW, header::CONNECTION] {
        if let Some(value) = response.headers().get(&name) {
            shown.headers_mut().insert(name, value.clone());
        }
    }
    shown
}
