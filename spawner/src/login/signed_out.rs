//! Sessions that ended at the issuer before their tokens did. Every replica has to know them, and
//! there is no state outside Kubernetes objects, so they stand in one small ConfigMap of the
//! tenant's namespace that every replica watches: the hash of the `sid`, and until when to remember
//! it. It is written by merge patches, which add without reading first, so replicas do not conflict.
//!
//! An entry outlives the access tokens of its session; a refresh token is dead at the issuer.

use std::{
    collections::{BTreeMap, HashMap},
    fmt,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use aws_lc_rs::digest;
use base64::{Engine as _, prelude::BASE64_URL_SAFE_NO_PAD};
use edge::oidc::UnixTime;
use serde_json::{Map, Value, json};

use crate::streams::Streams;

/// How long an entry is kept: longer than anybody lets an access token live.
const KEPT: Duration = Duration::from_secs(24 * 3600);
/// How many are kept, the latest: about half of what an object may hold.
const MOST: usize = 8000;

/// A session's name, without its value: whoever may read the ConfigMap learns no `sid`.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct SessionHash(String);

/// The sessions that ended early. Clones look at the same.
#[derive(Clone, Default)]
pub struct SignedOut {
    known: Arc<Mutex<HashMap<SessionHash, UnixTime>>>,
    streams: Streams,
}

impl SessionHash {
    /// Of a `sid`.
    #[must_use]
    pub fn of(sid: &str) -> Self {
        Self(BASE64_URL_SAFE_NO_PAD.encode(digest::digest(&digest::SHA256, sid.as_bytes())))
    }
}

impl SignedOut {
    /// Ends the streams of a session as soon as it is known to have ended.
    #[must_use]
    pub fn ending(streams: Streams) -> Self {
        Self { known: Arc::default(), streams }
    }

    /// Whether the session has ended.
    #[must_use]
    pub fn contains(&self, session: &SessionHash) -> bool {
        let known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        known.get(session).is_some_and(|until| UnixTime::now() < *until)
    }

    /// The data of the ConfigMap, as it is now.
    pub(crate) fn apply(&self, data: &BTreeMap<String, String>) {
        for (session, until) in data {
            if let Ok(until) = until.parse() {
                self.add(SessionHash(session.clone()), UnixTime::from_secs(until));
            }
        }
    }

    /// Notes that a session has ended; the merge patch that tells the other replicas. It also removes
    /// what needs no longer be known.
    pub(crate) fn end(&self, session: &SessionHash) -> Value {
        let now = UnixTime::now();
        let until = now.plus(KEPT);
        self.add(session.clone(), until);
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        let mut gone: Vec<_> = known
            .iter()
            .filter(|(_, until)| **until <= now)
            .map(|(session, _)| session.clone())
            .collect();
        if let Some(too_many) = (known.len() - gone.len()).checked_sub(MOST) {
            let mut by_age: Vec<_> = known.iter().filter(|(_, until)| **until > now).collect();
            by_age.sort_by_key(|(_, until)| **until);
            gone.extend(by_age.into_iter().take(too_many).map(|(session, _)| session.clone()));
        }
        let mut data = Map::new();
        for old in gone {
            known.remove(&old);
            data.insert(old.0, Value::Null);
        }
        data.insert(session.0.clone(), until.as_secs().to_string().into());
        json!({ "data": data })
    }

    fn add(&self, session: SessionHash, until: UnixTime) {
        if until <= UnixTime::now() {
            return;
        }
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        if known.insert(session.clone(), until).is_none() {
            self.streams.end(&session);
        }
    }
}

impl fmt::Debug for SessionHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for SignedOut {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SignedOut")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn data(entries: &[(&SessionHash, u64)]) -> BTreeMap<String, String> {
        entries.iter().map(|(session, until)| (session.0.clone(), until.to_string())).collect()
    }

    #[test]
    fn a_session_that_ended_on_one_replica_has_ended_on_the_other() {
        let (here, there) = (SignedOut::default(), SignedOut::default());
        let session = SessionHash::of("c2b1a5d2");
        let patch = here.end(&session);
        assert!(here.contains(&session) && !there.contains(&session));
        assert!(!patch.to_string().contains("c2b1a5d2"), "{patch}");
        let data = serde_json::from_value(patch["data"].clone()).unwrap();
        there.apply(&data);
        assert!(there.contains(&session));
        assert!(!there.contains(&SessionHash::of("another")));
    }

    #[test]
    fn what_is_too_old_is_forgotten_and_removed() {
        let known = SignedOut::default();
        let now = UnixTime::now().as_secs();
        let (old, fresh) = (SessionHash::of("old"), SessionHash::of("fresh"));
        known.apply(&data(&[(&old, now - 1), (&fresh, now + 60)]));
        assert!(!known.contains(&old) && known.contains(&fresh));
        known.apply(&BTreeMap::from([("strange".to_owned(), "not a number".to_owned())]));
    }

    #[test]
    fn the_object_stays_small() {
        let known = SignedOut::default();
        let now = UnixTime::now().as_secs();
        let all: Vec<_> = (0..MOST as u64).map(|n| SessionHash::of(&n.to_string())).collect();
        let entries: Vec<_> = all.iter().zip(0..).map(|(one, n)| (one, now + 60 + n)).collect();
        known.apply(&data(&entries));
        let patch = known.end(&SessionHash::of("one more"));
        assert_eq!(patch["data"][all[0].0.as_str()], Value::Null, "the oldest makes room");
        assert_eq!(patch["data"].as_object().unwrap().len(), 2);
        assert!(known.contains(&all[1]) && !known.contains(&all[0]));
    }
}
