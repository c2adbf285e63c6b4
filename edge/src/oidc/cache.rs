use std::{
    collections::{HashMap, VecDeque},
    fmt,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use aws_lc_rs::digest::{SHA256, digest};

use super::{Token, UnixTime, Verified, store::Loaded};

/// Tokens that were accepted, so that a browser's many requests cost one signature check.
///
/// Only acceptance is remembered, so nobody without good tokens can fill it. It is tied to the keys
/// that signed: with new keys everything is forgotten, and a removed key has no afterlife. Tokens
/// are kept as SHA-256, never as text.
pub(super) struct VerdictCache(Mutex<Verdicts>);

/// How many tokens are remembered, at about 500 bytes each.
const CAPACITY: usize = 256;

type TokenHash = [u8; 32];

#[derive(Default)]
struct Verdicts {
    /// The keys for which all of them were given.
    keys: Option<Arc<Loaded>>,
    accepted: HashMap<TokenHash, Verified>,
    /// Oldest first.
    order: VecDeque<TokenHash>,
}

impl VerdictCache {
    pub(super) fn new() -> Self {
        Self(Mutex::default())
    }

    /// What was said about this token with these keys, if it still holds.
    pub(super) fn find(
        &self,
        token: &Token,
        keys: &Arc<Loaded>,
        now: UnixTime,
    ) -> Option<Verified> {
        let verdicts = self.of(keys);
        if verdicts.accepted.is_empty() {
            return None;
        }
        let verified = verdicts.accepted.get(&hash(token))?;
        // Everything but its time was settled when it was accepted; and the clock may be set.
        (verified.accepted_from <= now && now < verified.accepted_until).then(|| verified.clone())
    }

    /// Remembers an acceptance; the oldest makes room.
    pub(super) fn accept(&self, token: &Token, keys: &Arc<Loaded>, verified: &Verified) {
        let hash = hash(token);
        let mut verdicts = self.of(keys);
        if verdicts.accepted.insert(hash, verified.clone()).is_none() {
            verdicts.order.push_back(hash);
        }
        if verdicts.order.len() > CAPACITY
            && let Some(oldest) = verdicts.order.pop_front()
        {
            verdicts.accepted.remove(&oldest);
        }
    }

    /// The verdicts given with these keys; those of other keys are dropped.
    fn of(&self, keys: &Arc<Loaded>) -> MutexGuard<'_, Verdicts> {
        let mut verdicts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if !verdicts.keys.as_ref().is_some_and(|known| Arc::ptr_eq(known, keys)) {
            *verdicts = Verdicts { keys: Some(Arc::clone(keys)), ..Verdicts::default() };
        }
        verdicts
    }
}

fn hash(token: &Token) -> TokenHash {
    let mut hash = [0; 32];
    hash.copy_from_slice(digest(&SHA256, token.expose().as_bytes()).as_ref());
    hash
}

impl fmt::Debug for VerdictCache {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("VerdictCache(..)")
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::oidc::{
        KeySet,
        testing::{ALICE, Idp},
    };

    const NOW: UnixTime = UnixTime::from_secs(1_800_000_000);

    fn token(number: usize) -> Token {
        Token::from_text(&format!("a.b.c{number}")).unwrap()
    }

    fn keys() -> Arc<Loaded> {
        Loaded::now(KeySet::parse(Idp::shared().jwks().to_string().as_bytes()).unwrap())
    }

    fn verified() -> Verified {
        Verified {
            user: ALICE.parse().unwrap(),
            subject: None,
            session: None,
            id: None,
            authorized_party: None,
            issued_at: NOW,
            expires_at: NOW,
            accepted_from: NOW,
            accepted_until: UnixTime::from_secs(NOW.as_secs() + 30),
        }
    }

    #[test]
    fn an_acceptance_is_remembered_until_its_end() {
        let (cache, keys) = (VerdictCache::new(), keys());
        let at = |secs| UnixTime::from_secs(NOW.as_secs() + secs);
        assert_eq!(cache.find(&token(1), &keys, NOW), None);
        cache.accept(&token(1), &keys, &verified());
        assert_eq!(cache.find(&token(1), &keys, at(29)), Some(verified()));
        assert_eq!(cache.find(&token(1), &keys, at(30)), None);
        // A clock that is set back finds it not yet valid, as it would a new token.
        assert_eq!(cache.find(&token(1), &keys, NOW.minus(Duration::from_secs(1))), None);
        assert_eq!(cache.find(&token(2), &keys, NOW), None);
    }

    #[test]
    fn other_keys_forget_everything() {
        let (cache, old, new) = (VerdictCache::new(), keys(), keys());
        cache.accept(&token(1), &old, &verified());
        assert_eq!(cache.find(&token(1), &new, NOW), None);
        assert_eq!(cache.find(&token(1), &old, NOW), None);
    }

    #[test]
    fn the_oldest_makes_room() {
        let (cache, keys) = (VerdictCache::new(), keys());
        for number in 0..=CAPACITY {
            cache.accept(&token(number), &keys, &verified());
            cache.accept(&token(number), &keys, &verified());
        }
        assert_eq!(cache.find(&token(0), &keys, NOW), None);
        assert_eq!(cache.find(&token(1), &keys, NOW), Some(verified()));
        assert_eq!(cache.find(&token(CAPACITY), &keys, NOW), Some(verified()));
        assert_eq!(cache.of(&keys).accepted.len(), CAPACITY);
    }
}
