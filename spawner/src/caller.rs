//! Who asks: by a bearer token, or by a browser's session. A request with a bearer token is judged
//! by that alone, good or not; browsers never add one by themselves, so it means what it says.

use std::sync::{Arc, Mutex, PoisonError};

use axum::{
    body::to_bytes,
    extract::{FromRequest, FromRequestParts, Request},
    middleware::Next,
    response::{IntoResponse, Response},
};
use contract::UserId;
use edge::{
    oidc::{Rejection, Token, UnixTime, Verified},
    problem::Problem,
};
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header, request::Parts};
use tokio::time::{Duration, Instant};

use crate::{
    app::App,
    login::{
        Browser, Login, NoVisit, SessionHash, Visit,
        guard::{self, Crossing},
        routes::{login_path, redirect},
    },
    pages,
};

/// Who asks. An extractor: a handler that takes one is not reached without.
#[derive(Debug)]
pub(crate) struct Caller {
    /// The access token.
    pub(crate) token: Token,
    /// The `Authorization` to pass on to the sidecar. Sensitive: it does not print.
    pub(crate) authorization: HeaderValue,
    /// What it says.
    pub(crate) verified: Verified,
    /// The browser, if it is one.
    pub(crate) browser: Option<Arc<Browser>>,
}

/// A signed-in browser that sent a form from one of our own pages. An extractor.
#[derive(Debug)]
pub(crate) struct FormCaller {
    pub(crate) caller: Caller,
    pub(crate) browser: Arc<Browser>,
    pub(crate) headers: HeaderMap,
    fields: Vec<(String, String)>,
}

/// Cookies to set in the answer to a request, whatever the answer is.
#[derive(Clone, Default)]
struct SetCookies(Arc<Mutex<Vec<HeaderValue>>>);

/// The header in which a script repeats the CSRF token.
const CSRF_HEADER: HeaderName = HeaderName::from_static("x-csrf-token");
/// The field in which a form does.
pub(crate) const CSRF_FIELD: &str = "csrf";
/// Our forms have a few short fields.
const FORM_BYTES: usize = 8 * 1024;
/// When to try again what somebody else has to be up for.
const LATER: Duration = Duration::from_secs(2);

impl Caller {
    /// The user who asks.
    pub(crate) fn user(&self) -> &UserId {
        &self.verified.user
    }

    /// How long the token is still good for.
    pub(crate) fn time_left(&self) -> Duration {
        UnixTime::now().until(self.verified.expires_at)
    }

    /// How long a stream of this caller lives.
    pub(crate) fn stream(&self, app: &App) -> edge::proxy::Session {
        let end = Instant::now() + self.time_left();
        match self.verified.session.as_deref() {
            Some(sid) => app.streams.join(&SessionHash::of(sid), end),
            None => edge::proxy::Session::until(end),
        }
    }

    fn new(token: Token, verified: Verified, browser: Option<Browser>) -> Result<Self, Rejection> {
        let mut authorization = HeaderValue::try_from(format!("Bearer {}", token.expose()))
            .map_err(|_| Rejection::MalformedToken)?;
        authorization.set_sensitive(true);
        Ok(Self { token, authorization, verified, browser: browser.map(Arc::new) })
    }
}

impl FromRequestParts<Arc<App>> for Caller {
    type Rejection = Response;

    async fn from_request_parts(parts: &mut Parts, app: &Arc<App>) -> Result<Self, Response> {
        let caller = authenticate(app, parts).await?;
        let changes = !parts.method.is_safe() && parts.uri.path().starts_with("/-/");
        if changes && let (Some(browser), Some(login)) = (&caller.browser, &app.login) {
            let token = parts.headers.get(CSRF_HEADER).and_then(|token| token.to_str().ok());
            guard::may_change(&parts.headers, login.origin(browser.site()), token, browser.csrf())
                .map_err(|crossing| refuse_crossing(app, parts, crossing))?;
        }
        Ok(caller)
    }
}

impl FromRequest<Arc<App>> for FormCaller {
    type Rejection = Response;

    async fn from_request(request: Request, app: &Arc<App>) -> Result<Self, Response> {
        let (parts, body) = request.into_parts();
        let caller = authenticate(app, &parts).await?;
        let (Some(browser), Some(login)) = (caller.browser.clone(), &app.login) else {
            return Err(pages::only_for_browsers().into_response());
        };
        let body = to_bytes(body, FORM_BYTES).await.map_err(|_| pages::too_large())?;
        let fields = form_urlencoded::parse(&body).into_owned().collect();
        let form = Self { caller, browser, headers: parts.headers.clone(), fields };
        let (token, csrf) = (form.field(CSRF_FIELD), form.browser.csrf());
        guard::may_change(&parts.headers, login.origin(form.browser.site()), token, csrf)
            .map_err(|crossing| refuse_crossing(app, &parts, crossing))?;
        Ok(form)
    }
}

impl FormCaller {
    /// What the field holds. `None` also if there are several of the name.
    pub(crate) fn field(&self, name: &str) -> Option<&str> {
        let mut values = self.fields.iter().filter(|(field, _)| field == name);
        values.next().filter(|_| values.next().is_none()).map(|(_, value)| value.as_str())
    }
}

async fn authenticate(app: &App, parts: &Parts) -> Result<Caller, Response> {
    if let Some(login) = &app.login
        && !parts.headers.contains_key(header::AUTHORIZATION)
    {
        if Login::has_session(&parts.headers) {
            return by_session(app, login, parts).await;
        }
        if guard::wants_page(&parts.method, &parts.headers) {
            return Err(sign_in(login, parts));
        }
    }
    by_token(app, parts).await.map_err(|rejection| {
        let outcome = rejection.reason();
        app.metrics.refused_token(outcome);
        // Whoever sends none has not tried.
        if rejection != Rejection::MissingToken {
            let (method, path) = (parts.method.as_str(), parts.uri.path());
            tracing::warn!(target: "audit", action = "token", method, path, outcome);
        }
        rejection.into_response()
    })
}

async fn by_token(app: &App, parts: &Parts) -> Result<Caller, Rejection> {
    let token = Token::from_headers(&parts.headers)?;
    let verified = app.verifier.verify(&token).await?;
    Caller::new(token, verified, None)
}

async fn by_session(app: &App, login: &Login, parts: &Parts) -> Result<Caller, Response> {
    let Some(site) = login.site_of(&parts.headers, &parts.uri) else {
        return Err(no_visit(app, login, parts, NoVisit::OtherHost));
    };
    let passes = guard::may_pass(&parts.method, &parts.headers, login.origin(site));
    if let Err(crossing) = passes {
        return Err(refuse_crossing(app, parts, crossing));
    }
    let visit = match login.visit(site, &parts.headers, &app.verifier).await {
        Ok(visit) => visit,
        Err(why) => return Err(no_visit(app, login, parts, why)),
    };
    let Visit { token, verified, browser, cookies } = visit;
    set_cookies(parts, cookies);
    Caller::new(token, verified, Some(browser)).map_err(IntoResponse::into_response)
}

/// The answer to a browser whose cookies do not speak for it.
fn no_visit(app: &App, login: &Login, parts: &Parts, why: NoVisit) -> Response {
    let page = guard::wants_page(&parts.method, &parts.headers);
    if let Some(outcome) = why.refusal() {
        let (method, path) = (parts.method.as_str(), parts.uri.path());
        tracing::warn!(target: "audit", action = "cookie", method, path, outcome);
    }
    match why {
        NoVisit::OtherHost => pages::other_host(login),
        NoVisit::SignedOut => {
            set_cookies(parts, Login::clear(&parts.headers));
            if page { sign_in(login, parts) } else { Rejection::MissingToken.into_response() }
        }
        NoVisit::Ended => {
            app.metrics.login("ended");
            set_cookies(parts, Login::clear(&parts.headers));
            let back = login_path(wanted(parts));
            if page { pages::session_ended(back) } else { session_ended().into_response() }
        }
        NoVisit::Unavailable(_) | NoVisit::NotYet if page => pages::issuer_down(wanted(parts)),
        NoVisit::Unavailable(_) | NoVisit::NotYet => issuer_down().into_response(),
    }
}

fn session_ended() -> Problem {
    Problem::new(StatusCode::UNAUTHORIZED, "session_ended", "You are signed out")
        .detail("The identity provider has ended your session. Open the page again to sign in.")
}

fn issuer_down() -> Problem {
    let title = "Your session cannot be renewed now";
    Problem::new(StatusCode::SERVICE_UNAVAILABLE, "issuer_unavailable", title)
        .detail("The identity provider cannot be reached. You stay signed in; try again.")
        .retry_after(LATER)
}

fn sign_in(login: &Login, parts: &Parts) -> Response {
    if login.site_of(&parts.headers, &parts.uri).is_none() {
        return pages::other_host(login);
    }
    redirect(StatusCode::FOUND, &login_path(wanted(parts)), Vec::new())
}

/// The page that was asked for. What was sent by a form is not asked for again.
fn wanted(parts: &Parts) -> &str {
    let path = parts.uri.path_and_query().map_or("/", |path| path.as_str());
    if parts.method.is_safe() { path } else { "/" }
}

pub(crate) fn refuse_crossing(app: &App, parts: &Parts, crossing: Crossing) -> Response {
    let code = crossing.code();
    app.metrics.refused_token(code);
    let (method, path) = (parts.method.as_str(), parts.uri.path());
    tracing::warn!(target: "audit", action = "cookie", method, path, outcome = code);
    if guard::wants_page(&parts.method, &parts.headers) {
        return pages::crossing(crossing);
    }
    Problem::new(StatusCode::FORBIDDEN, code, "The session cookie is not enough for this request")
        .detail(crossing.to_string())
        .into_response()
}

fn set_cookies(parts: &Parts, cookies: Vec<HeaderValue>) {
    if let Some(SetCookies(set)) = parts.extensions.get() {
        set.lock().unwrap_or_else(PoisonError::into_inner).extend(cookies);
    }
}

/// Adds the cookies that a request led to, to whatever answer it gets. Such an answer is nobody
/// else's, so no cache may keep it.
pub(crate) async fn with_cookies(mut request: Request, next: Next) -> Response {
    let set = SetCookies::default();
    request.extensions_mut().insert(set.clone());
    let mut response = next.run(request).await;
    let cookies = std::mem::take(&mut *set.0.lock().unwrap_or_else(PoisonError::into_inner));
    if !cookies.is_empty() {
        let no_store = HeaderValue::from_static("no-store");
        response.headers_mut().insert(header::CACHE_CONTROL, no_store);
    }
    for cookie in cookies {
        response.headers_mut().append(header::SET_COOKIE, cookie);
    }
    response
}
