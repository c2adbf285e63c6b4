//! How long a stream may live: no longer than the session that opened it. A request that ends at once
//! costs no timer; whatever lasts waits by itself.

use tokio::{
    sync::watch,
    time::{Instant, sleep_until},
};

use crate::activity::Activity;

/// The life of the session behind one request. Clones look at the same session.
#[derive(Clone, Debug)]
pub struct Session {
    end: watch::Receiver<End>,
    activity: Option<Activity>,
}

/// Extends or ends a session. Dropping it leaves the end as it is.
#[derive(Clone, Debug)]
pub struct SessionHandle {
    end: watch::Sender<End>,
}

/// When the session ends; `None` is never.
type End = Option<Instant>;

impl Session {
    /// A session without end.
    #[must_use]
    pub fn unbounded() -> Self {
        Self::until_changed(None).1
    }

    /// A session that ends at `end` and cannot be extended.
    #[must_use]
    pub fn until(end: Instant) -> Self {
        Self::until_changed(Some(end)).1
    }

    /// A session that ends at `end` unless its handle says otherwise meanwhile.
    #[must_use]
    pub fn until_changed(end: Option<Instant>) -> (SessionHandle, Self) {
        let (sender, receiver) = watch::channel(end);
        (SessionHandle { end: sender }, Self::of(receiver))
    }

    /// The same, with its WebSockets and their client's data counted there.
    #[must_use]
    pub fn counted_by(self, activity: &Activity) -> Self {
        Self { activity: Some(activity.clone()), ..self }
    }

    pub(super) const fn activity(&self) -> Option<&Activity> {
        self.activity.as_ref()
    }

    fn of(end: watch::Receiver<End>) -> Self {
        Self { end, activity: None }
    }

    /// Whether the session has ended already.
    #[must_use]
    pub fn has_ended(&self) -> bool {
        self.end.borrow().is_some_and(|end| end <= Instant::now())
    }

    /// Resolves when the session has ended.
    pub async fn ended(mut self) {
        loop {
            let end = *self.end.borrow_and_update();
            let changed = tokio::select! {
                () = at(end) => return,
                changed = self.end.changed() => changed,
            };
            if changed.is_err() {
                // Nobody can extend it any more.
                return at(end).await;
            }
        }
    }
}

impl SessionHandle {
    /// The session itself, for one more request.
    #[must_use]
    pub fn session(&self) -> Session {
        Session::of(self.end.subscribe())
    }

    /// Whether a request has this session.
    #[must_use]
    pub fn is_used(&self) -> bool {
        self.end.receiver_count() > 0
    }

    /// Moves the end later. An earlier end changes nothing: a token's clock never shortens what a
    /// newer token granted.
    pub fn extend(&self, end: Instant) {
        self.end.send_if_modified(|current| {
            let later = current.is_some_and(|current| current < end);
            if later {
                *current = Some(end);
            }
            later
        });
    }

    /// Ends the session now.
    pub fn end(&self) {
        self.end.send_replace(Some(Instant::now()));
    }
}

async fn at(end: End) {
    match end {
        Some(end) => sleep_until(end).await,
        None => std::future::pending().await,
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use futures::FutureExt;

    use super::*;

    const MINUTE: Duration = Duration::from_secs(60);

    #[tokio::test(start_paused = true)]
    async fn a_session_ends_at_its_time() {
        let start = Instant::now();
        Session::until(start + MINUTE).ended().await;
        assert_eq!(Instant::now() - start, MINUTE);
        assert!(Session::unbounded().ended().now_or_never().is_none());
    }

    #[tokio::test(start_paused = true)]
    async fn a_session_can_be_extended_but_not_shortened() {
        let start = Instant::now();
        let (handle, session) = Session::until_changed(Some(start + MINUTE));
        handle.extend(start + 2 * MINUTE);
        handle.extend(start + MINUTE);
        drop(handle);
        session.ended().await;
        assert_eq!(Instant::now() - start, 2 * MINUTE);
    }

    #[tokio::test(start_paused = true)]
    async fn an_ended_session_ends_every_stream_at_once() {
        let start = Instant::now();
        let (handle, session) = Session::until_changed(None);
        let streams = [session.clone(), session].map(|session| tokio::spawn(session.ended()));
        handle.end();
        for stream in streams {
            stream.await.unwrap();
        }
        assert_eq!(Instant::now(), start);
    }
}
