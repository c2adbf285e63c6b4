//! Which tokens a logout has ended before their time. Pure: the caller brings the clock.

use std::{collections::VecDeque, time::Duration};

use crate::oidc::{Logout, UnixTime};

/// How many logouts are remembered one by one, at about 100 bytes each.
const CAPACITY: usize = 1024;

/// How long a logout is remembered when no policy bounds the life of a token.
const LONGEST: Duration = Duration::from_secs(24 * 60 * 60);

/// The logouts whose tokens may not have expired yet.
///
/// It never forgets a token that might still be good. What no longer fits, by number or by age, is
/// replaced by something coarser: every token as old as that logout is refused, whosesoever it is. A
/// client then gets a new one, and a stolen one stays useless.
#[derive(Debug)]
pub(super) struct Denied {
    /// Oldest first.
    logouts: VecDeque<Denial>,
    /// Tokens issued until then are refused.
    floor: Option<UnixTime>,
    leeway: Duration,
    /// Longest life of an acceptable token, when the policy says so.
    max_lifetime: Option<Duration>,
}

/// Whose login a token belongs to, and since when it is out.
#[derive(Clone, Copy, Debug)]
pub(super) struct Issued<'token> {
    pub(super) subject: Option<&'token str>,
    pub(super) session: Option<&'token str>,
    pub(super) at: UnixTime,
}

#[derive(Debug)]
struct Denial {
    whose: Whose,
    /// Tokens issued until then are refused.
    issued_until: UnixTime,
    /// From then on all of those have expired.
    over: UnixTime,
}

#[derive(Debug, PartialEq, Eq)]
enum Whose {
    /// One login session, by its `sid`.
    Session(Box<str>),
    /// All of a user's, by their `sub`.
    Subject(Box<str>),
}

impl Denied {
    pub(super) fn new(leeway: Duration, max_lifetime: Option<Duration>) -> Self {
        Self { logouts: VecDeque::new(), floor: None, leeway, max_lifetime }
    }

    /// Whether a logout has ended this token.
    pub(super) fn covers(&self, token: Issued<'_>) -> bool {
        let old = |until: UnixTime| token.at <= until;
        self.floor.is_some_and(old)
            || self.logouts.iter().any(|denial| denial.whose.is(token) && old(denial.issued_until))
    }

    /// Refuses the tokens of a login from now on. A logout that comes twice changes nothing.
    pub(super) fn add(&mut self, logout: &Logout, now: UnixTime) {
        let Some(denial) = self.denial(logout) else { return };
        while self.logouts.front().is_some_and(|oldest| oldest.over <= now) {
            self.forget_oldest();
        }
        if let Some(known) = self.logouts.iter_mut().find(|known| known.whose == denial.whose) {
            known.issued_until = known.issued_until.max(denial.issued_until);
            known.over = known.over.max(denial.over);
            return;
        }
        if self.logouts.len() >= CAPACITY {
            self.raise_floor();
        }
        self.logouts.push_back(denial);
    }

    fn denial(&self, logout: &Logout) -> Option<Denial> {
        let (whose, issued_until) = match (&logout.session, &logout.subject) {
            // Nodes of one issuer have clocks of their own, and no session comes back after its end.
            (Some(session), _) => {
                (Whose::Session(session.as_str().into()), logout.issued_at.plus(self.leeway))
            }
            // A user may well come back within seconds.
            (None, Some(subject)) => (Whose::Subject(subject.as_str().into()), logout.issued_at),
            (None, None) => return None,
        };
        let lifetime = self.max_lifetime.unwrap_or(LONGEST);
        let over = issued_until.plus(lifetime).plus(self.leeway);
        Some(Denial { whose, issued_until, over })
    }

    /// Drops the oldest; without a bound on lifetimes its tokens may live on, so the floor rises.
    fn forget_oldest(&mut self) {
        if self.max_lifetime.is_none() {
            self.raise_floor();
        } else {
            self.logouts.pop_front();
        }
    }

    fn raise_floor(&mut self) {
        let oldest = self.logouts.pop_front().map(|oldest| oldest.issued_until);
        self.floor = self.floor.max(oldest);
    }
}

impl Whose {
    fn is(&self, token: Issued<'_>) -> bool {
        match self {
            Self::Session(session) => token.session == Some(session),
            // A token that does not say whose it is may be theirs.
            Self::Subject(subject) => token.subject.is_none_or(|token| token == &**subject),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LEEWAY: Duration = Duration::from_secs(30);
    const HOUR: Duration = Duration::from_secs(3600);

    fn at(secs: u64) -> UnixTime {
        UnixTime::from_secs(1_800_000_000 + secs)
    }

    fn logout(subject: Option<&str>, session: Option<&str>, secs: u64) -> Logout {
        Logout {
            subject: subject.map(str::to_owned),
            session: session.map(str::to_owned),
            id: "jti".to_owned(),
            issued_at: at(secs),
            expires_at: at(secs + 120),
        }
    }

    fn denied() -> Denied {
        Denied::new(LEEWAY, Some(HOUR))
    }

    fn token<'a>(subject: &'a str, session: Option<&'a str>, secs: u64) -> Issued<'a> {
        Issued { subject: Some(subject), session, at: at(secs) }
    }

    #[test]
    fn a_session_is_ended_whatever_its_nodes_clock() {
        let mut denied = denied();
        denied.add(&logout(Some("alice"), Some("s1"), 100), at(100));
        assert!(denied.covers(token("alice", Some("s1"), 0)));
        assert!(denied.covers(token("alice", Some("s1"), 130)));
        assert!(!denied.covers(token("alice", Some("s1"), 131)), "another login of that name");
        assert!(!denied.covers(token("alice", Some("s2"), 0)), "alice's other session");
        assert!(!denied.covers(token("alice", None, 0)));
    }

    #[test]
    fn a_user_is_logged_out_everywhere_and_may_come_back() {
        let mut denied = denied();
        denied.add(&logout(Some("alice"), None, 100), at(100));
        assert!(denied.covers(token("alice", Some("s1"), 99)));
        assert!(denied.covers(token("alice", None, 100)));
        assert!(
            denied.covers(Issued { subject: None, ..token("", Some("s1"), 100) }),
            "may be hers"
        );
        assert!(!denied.covers(token("alice", Some("s2"), 101)));
        assert!(!denied.covers(token("bob", Some("s1"), 99)));
    }

    #[test]
    fn a_logout_for_nobody_ends_nothing() {
        let mut denied = denied();
        denied.add(&logout(None, None, 100), at(100));
        assert!(!denied.covers(token("alice", Some("s1"), 0)));
    }

    #[test]
    fn the_same_logout_again_takes_no_room() {
        let mut denied = denied();
        for _ in 0..3 {
            denied.add(&logout(None, Some("s1"), 100), at(100));
        }
        assert_eq!(denied.logouts.len(), 1);
        denied.add(&logout(None, Some("s1"), 50), at(101));
        assert!(denied.covers(token("alice", Some("s1"), 130)), "an older one shortens nothing");
    }

    #[test]
    fn a_logout_is_forgotten_once_its_tokens_have_expired() {
        let mut denied = denied();
        denied.add(&logout(None, Some("s1"), 0), at(0));
        denied.add(&logout(None, Some("s2"), 3659), at(3659));
        assert_eq!(denied.logouts.len(), 2);
        denied.add(&logout(None, Some("s3"), 3660), at(3660));
        assert_eq!((denied.logouts.len(), denied.floor), (2, None));
    }

    #[test]
    fn without_a_bound_on_lifetimes_what_is_forgotten_stays_refused() {
        let mut denied = Denied::new(LEEWAY, None);
        denied.add(&logout(None, Some("s1"), 0), at(0));
        let later = 2 * LONGEST.as_secs();
        denied.add(&logout(None, Some("s2"), later), at(later));
        assert_eq!(denied.logouts.len(), 1);
        assert!(denied.covers(token("alice", Some("s1"), 0)));
        assert!(!denied.covers(token("alice", Some("s3"), 31)));
    }

    #[test]
    fn too_many_logouts_refuse_more_and_never_less() {
        let mut denied = denied();
        for number in 0..CAPACITY as u64 + 1 {
            let session = format!("s{number}");
            denied.add(&logout(None, Some(&session), number), at(number));
        }
        assert_eq!(denied.logouts.len(), CAPACITY);
        assert!(denied.covers(token("alice", Some("s0"), 0)));
        assert!(denied.covers(token("bob", Some("other"), 30)), "as old as what was dropped");
        assert!(!denied.covers(token("bob", Some("other"), 31)));
    }
}
