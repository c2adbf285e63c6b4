//! Keeps the streams of a browser open for as long as its session lasts. A page that has a WebSocket
//! and nothing else sends no request that would bring fresh tokens. So the replica that holds the
//! stream asks for them, with the session that opened it, and shows the sidecar the new one.
//!
//! That session is in memory only for as long as the stream is: whoever loses one has lost both. The
//! browser keeps its older tokens until a request brings it the new ones. An issuer that takes a
//! refresh token only once may therefore send it to the login again, if that request reaches another
//! replica.

use std::{sync::Arc, time::Duration};

use axum::{body::Body, extract::Request};
use contract::{UserId, path};
use edge::oidc::UnixTime;
use http::header;
use tokio::time::{Instant, sleep};

use super::{NoVisit, SessionHash, desk};
use crate::{app::App, caller::Caller};

/// When to ask an issuer again that cannot be reached.
const AGAIN: Duration = Duration::from_secs(2);

/// Keeps whatever `caller` has open.
pub(crate) fn keep_open(app: &Arc<App>, caller: &Caller) {
    let Some(browser) = caller.browser.as_deref().map(super::Browser::session) else { return };
    let Some(session) = browser.sid().map(SessionHash::of) else { return };
    if browser.refresh_token().is_some() && app.streams.keep(&session, browser) {
        tokio::spawn(keep(Arc::clone(app), session, caller.user().clone()));
    }
}

/// Goes on while a stream of `session` is open and the issuer agrees. One that it ends lives as long
/// as its last token.
async fn keep(app: Arc<App>, session: SessionHash, user: UserId) {
    let Some(login) = &app.login else { return };
    while let Some(browser) = app.streams.kept(&session) {
        let due = browser.due_in(UnixTime::now());
        if !due.is_zero() {
            sleep(due).await;
            continue;
        }
        match login.renew(&browser, &app.verifier).await {
            Ok((browser, token, verified)) => {
                let end = Instant::now() + UnixTime::now().until(verified.expires_at);
                let _stream = app.streams.join(&session, end);
                app.streams.keep(&session, &browser);
                show(&app, &user, token.expose()).await;
                // Tokens that hardly live must not make this a flood at the issuer.
                sleep(AGAIN / 2).await;
            }
            Err(NoVisit::Unavailable(_) | NoVisit::NotYet) => sleep(AGAIN).await,
            Err(_ended) => {
                app.metrics.login("ended");
                app.streams.let_go(&session);
            }
        }
    }
}

/// Shows the sidecar a fresh token, so that it extends its streams too.
async fn show(app: &App, user: &UserId, token: &str) {
    let request = Request::builder().header(header::AUTHORIZATION, format!("Bearer {token}"));
    // A token that was verified is a valid header.
    if let Ok(request) = request.body(Body::empty()) {
        desk::tell(app, user, path::SESSION, request).await;
    }
}
