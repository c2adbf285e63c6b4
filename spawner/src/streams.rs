//! How long streams live. All streams of one login session on this replica end together: at the
//! end of its latest token, or at once when the session is ended elsewhere.

use std::{
    collections::HashMap,
    fmt,
    sync::{Arc, Mutex, PoisonError},
};

use edge::proxy::{Session, SessionHandle};
use tokio::time::Instant;

use crate::login::{BrowserSession, SessionHash};

/// The sessions with streams. Clones look at the same.
#[derive(Clone, Default)]
pub struct Streams {
    sessions: Arc<Mutex<Sessions>>,
}

#[derive(Default)]
struct Sessions {
    open: HashMap<SessionHash, Open>,
    /// When so many are known, those that are over are forgotten.
    look_through_at: usize,
}

struct Open {
    handle: SessionHandle,
    end: Instant,
    /// The newest that is known, while somebody keeps the streams open with it.
    browser: Option<BrowserSession>,
}

/// So few sessions are not worth looking through.
const FEW: usize = 1024;

impl Streams {
    /// The life of a stream of `session` with a token that is good until `end`. A later token of the
    /// session extends every stream that is open.
    #[must_use]
    pub fn join(&self, session: &SessionHash, end: Instant) -> Session {
        let mut sessions = self.sessions.lock().unwrap_or_else(PoisonError::into_inner);
        sessions.forget_if_many();
        let open = sessions.open.entry(session.clone()).or_insert_with(|| Open::until(end));
        if open.end <= Instant::now() {
            *open = Open::until(end);
        }
        open.end = open.end.max(end);
        open.handle.extend(end);
        open.handle.session()
    }

    /// Takes note of what can keep the streams of `session` open. Whoever is told `true` has to do so,
    /// until [`Self::kept`] is `None`.
    pub(crate) fn keep(&self, session: &SessionHash, browser: &BrowserSession) -> bool {
        let mut sessions = self.sessions.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(open) = sessions.open.get_mut(session) else { return false };
        let known = open.browser.as_ref();
        let first = known.is_none();
        if known.is_none_or(|known| browser.is_newer_than(known)) {
            open.browser = Some(browser.clone());
        }
        first
    }

    /// What keeps the streams of `session` open. `None` when none is open any more; nobody keeps them
    /// open from then on.
    pub(crate) fn kept(&self, session: &SessionHash) -> Option<BrowserSession> {
        let mut sessions = self.sessions.lock().unwrap_or_else(PoisonError::into_inner);
        let open = sessions.open.get_mut(session)?;
        if !open.handle.is_used() {
            open.browser = None;
        }
        open.browser.clone()
    }

    /// Nobody keeps the streams of `session` open any more.
    pub(crate) fn let_go(&self, session: &SessionHash) {
        let mut sessions = self.sessions.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(open) = sessions.open.get_mut(session) {
            open.browser = None;
        }
    }

    /// What is known of the session of `browser` beyond what it sent.
    pub(crate) fn newer_than(&self, browser: &BrowserSession) -> Option<BrowserSession> {
        let session = SessionHash::of(browser.sid()?);
        let sessions = self.sessions.lock().unwrap_or_else(PoisonError::into_inner);
        let known = sessions.open.get(&session)?.browser.as_ref()?;
        known.is_newer_than(browser).then(|| browser.with_tokens_of(known))
    }

    /// Ends every stream of `session`.
    pub(crate) fn end(&self, session: &SessionHash) {
        let mut sessions = self.sessions.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(open) = sessions.open.remove(session) {
            open.handle.end();
        }
    }
}

impl Sessions {
    fn forget_if_many(&mut self) {
        if self.open.len() < self.look_through_at.max(FEW) {
            return;
        }
        let now = Instant::now();
        self.open.retain(|_, open| open.end > now);
        self.look_through_at = 2 * self.open.len();
    }
}

impl Open {
    fn until(end: Instant) -> Self {
        let (handle, _) = Session::until_changed(Some(end));
        Self { handle, end, browser: None }
    }
}

impl fmt::Debug for Streams {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Streams")
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use futures::FutureExt as _;

    use super::*;

    const MINUTE: Duration = Duration::from_secs(60);

    #[tokio::test(start_paused = true)]
    async fn a_later_token_extends_the_streams_of_its_session_alone() {
        let (streams, start) = (Streams::default(), Instant::now());
        let (mine, other) = (SessionHash::of("mine"), SessionHash::of("other"));
        let stream = streams.join(&mine, start + MINUTE);
        let others = streams.join(&other, start + MINUTE);
        let _later = streams.join(&mine, start + 3 * MINUTE);
        others.ended().await;
        assert_eq!(Instant::now() - start, MINUTE);
        stream.ended().await;
        assert_eq!(Instant::now() - start, 3 * MINUTE);
    }

    #[tokio::test(start_paused = true)]
    async fn a_session_that_is_ended_ends_its_streams_at_once() {
        let (streams, start) = (Streams::default(), Instant::now());
        let (mine, other) = (SessionHash::of("mine"), SessionHash::of("other"));
        let stream = streams.join(&mine, start + MINUTE);
        let others = streams.join(&other, start + MINUTE);
        streams.end(&mine);
        assert!(stream.ended().now_or_never().is_some());
        assert!(others.ended().now_or_never().is_none());
    }

    #[tokio::test(start_paused = true)]
    async fn what_is_over_is_forgotten() {
        let streams = Streams::default();
        for number in 0..3 * FEW {
            let _over = streams.join(&SessionHash::of(&number.to_string()), Instant::now());
        }
        assert!(streams.sessions.lock().unwrap().open.len() <= FEW);
    }
}
