//! The login sessions whose tokens were seen, so that a stream lives as long as its session: a newer
//! token of the same login extends every stream of it, a logout ends them at once and refuses the
//! login's tokens until they expire.
//!
//! A request costs one look-up. Nothing here has a timer: a stream that lasts waits by itself, see
//! [`Session::ended`].

mod denied;
#[cfg(test)]
mod tests;

use std::{
    collections::HashMap,
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use contract::UserId;
use tokio::time::Instant;

use self::denied::{Denied, Issued};
use crate::{
    oidc::{Logout, Policy, Rejection, UnixTime, Verified},
    proxy::{Session, SessionHandle},
};

/// Sessions without a request that are remembered, at about 700 bytes each. Those with one always
/// are, and the server bounds how many those can be.
const IDLE_CAPACITY: usize = 64;

/// Longer than any server runs, and still within every clock's range.
const FOR_EVER: Duration = Duration::from_secs(u32::MAX as u64);

/// All sessions of one server.
#[derive(Debug)]
pub struct Sessions(Mutex<State>);

#[derive(Debug)]
struct State {
    known: HashMap<Login, Known>,
    denied: Denied,
}

/// Which login a token belongs to.
#[derive(Debug, PartialEq, Eq, Hash)]
struct Login {
    user: UserId,
    subject: Option<String>,
    token: TokenOf,
}

#[derive(Debug, PartialEq, Eq, Hash)]
enum TokenOf {
    /// Any token of this `sid`.
    Session(String),
    /// A token that names no session is its own: nothing else can extend it.
    Itself { issued_at: UnixTime, accepted_until: UnixTime },
}

#[derive(Debug)]
struct Known {
    handle: SessionHandle,
    /// Of the newest token.
    issued_at: UnixTime,
    accepted_until: UnixTime,
}

impl Sessions {
    /// No sessions yet; the policy tells how long a token can live.
    #[must_use]
    pub fn new(policy: &Policy) -> Self {
        let denied = Denied::new(policy.leeway, policy.max_lifetime);
        Self(Mutex::new(State { known: HashMap::new(), denied }))
    }

    /// The session of an accepted token. Extends it when the token is accepted for longer than those
    /// before.
    ///
    /// # Errors
    /// [`Rejection::LoggedOut`], also for a token whose verdict was remembered.
    pub fn admit(&self, token: Verified, now: UnixTime) -> Result<Session, Rejection> {
        self.state().admit(token, now)
    }

    /// Ends what the logout names, and refuses its tokens from now on. Tells how many sessions that
    /// were. Saying it again changes nothing.
    pub fn log_out(&self, logout: &Logout, now: UnixTime) -> usize {
        let mut state = self.state();
        let State { known, denied } = &mut *state;
        denied.add(logout, now);
        let before = known.len();
        known.retain(|login, known| {
            let ended = denied.covers(login.issued(known.issued_at));
            if ended {
                known.handle.end();
            }
            !ended
        });
        before - known.len()
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // Nothing panics while it holds the lock.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn admit(&mut self, token: Verified, now: UnixTime) -> Result<Session, Rejection> {
        let Verified { issued_at, accepted_until, .. } = token;
        let login = Login::of(token);
        if self.denied.covers(login.issued(issued_at)) {
            return Err(Rejection::LoggedOut);
        }
        if let Some(known) = self.known.get_mut(&login) {
            if known.accepted_until < accepted_until {
                known.accepted_until = accepted_until;
                known.handle.extend(instant(accepted_until, now));
            }
            known.issued_at = known.issued_at.max(issued_at);
            return Ok(known.handle.session());
        }
        self.make_room(now);
        let (handle, session) = Session::until_changed(Some(instant(accepted_until, now)));
        self.known.insert(login, Known { handle, issued_at, accepted_until });
        Ok(session)
    }

    /// Forgets sessions without a request: those that have ended, and if need be the one that ends
    /// first.
    fn make_room(&mut self, now: UnixTime) {
        if self.known.len() < IDLE_CAPACITY {
            return;
        }
        self.known.retain(|_, known| known.handle.is_used() || now < known.accepted_until);
        let idle = self.known.iter().filter(|(_, known)| !known.handle.is_used());
        let (count, first) = idle.fold((0, None), |(count, first), (_, known)| {
            (count + 1, first.into_iter().chain([known.accepted_until]).min())
        });
        if count >= IDLE_CAPACITY {
            self.known
                .retain(|_, known| known.handle.is_used() || Some(known.accepted_until) != first);
        }
    }
}

impl Login {
    fn of(token: Verified) -> Self {
        let Verified { user, subject, session, issued_at, accepted_until, .. } = token;
        let token = match session {
            Some(session) => TokenOf::Session(session),
            None => TokenOf::Itself { issued_at, accepted_until },
        };
        Self { user, subject, token }
    }

    fn issued(&self, at: UnixTime) -> Issued<'_> {
        let session = match &self.token {
            TokenOf::Session(session) => Some(session.as_str()),
            TokenOf::Itself { .. } => None,
        };
        Issued { subject: self.subject.as_deref(), session, at }
    }
}

/// When the wall clock will show `time`.
fn instant(time: UnixTime, now: UnixTime) -> Instant {
    Instant::now() + now.until(time).min(FOR_EVER)
}
