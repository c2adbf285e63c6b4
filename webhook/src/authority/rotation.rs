//! How one CA follows another without a failed call: trust first, use later.
//!
//! ```text
//! publish   a next CA is made and put beside the current one, into the Secret and the caBundle
//! observe   it stands in the caBundle, and API servers had time to see it
//! serve     it becomes the current one; leaves are signed by it from now on
//! retire    the previous one stays trusted until no leaf of it can be left
//! ```
//! The whole state is in the Secret, so any replica may take the next step, and all see it.

use std::{collections::BTreeMap, time::Duration};

use super::{
    Lives, UnixTime,
    ca::{Ca, CaError},
    pem,
};

/// All CAs of the webhook, as they are in the Secret.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rotation {
    /// Signs leaves.
    pub current: Ca,
    /// Will sign leaves, and is trusted already.
    pub next: Option<Ca>,
    /// Since when `current` signs: no leaf of an earlier one is older than that.
    since: UnixTime,
    /// Certificates that are still trusted, as PEM.
    previous: String,
}

/// Keys of the Secret.
const CURRENT: [&str; 2] = ["ca.crt", "ca.key"];
const NEXT: [&str; 2] = ["next.crt", "next.key"];
const PREVIOUS: &str = "previous.crt";
/// Seconds since 1970.
const SINCE: &str = "since";

/// All keys that the Secret may have from us.
pub(super) const KEYS: [&str; 6] = [CURRENT[0], CURRENT[1], NEXT[0], NEXT[1], PREVIOUS, SINCE];

/// The Secret's content, decoded.
pub(super) type Data = BTreeMap<String, Vec<u8>>;

impl Rotation {
    /// A first CA. What `trusted` certifies stays trusted: other replicas may serve under it.
    pub fn begin(now: UnixTime, lives: Lives, trusted: &[u8]) -> Result<Self, CaError> {
        let current = Ca::generate(now, lives.ca)?;
        Ok(Self { current, next: None, since: now, previous: pem::still_valid(trusted, now) })
    }

    /// Reads a Secret.
    pub(super) fn from_data(data: &Data) -> Result<Self, CaError> {
        let text = |key: &str| {
            let bytes = data.get(key).map(Vec::as_slice).unwrap_or_default();
            String::from_utf8_lossy(bytes).into_owned()
        };
        let ca = |[certificate, key]: [&str; 2]| Ca::from_pem(&text(certificate), &text(key));
        let current = ca(CURRENT)?;
        Ok(Self {
            // A broken next one is as good as none: it is not in use.
            next: ca(NEXT).ok(),
            since: text(SINCE).parse().unwrap_or_else(|_none| current.made()),
            // Whatever else stands there would make a `caBundle` that API servers refuse.
            previous: pem::only_certificates(text(PREVIOUS).as_bytes()),
            current,
        })
    }

    /// What the Secret should hold.
    #[must_use]
    pub(super) fn to_data(&self) -> Data {
        let mut data = Data::new();
        let mut put = |key: &str, text: &str| data.insert(key.to_owned(), text.as_bytes().to_vec());
        put(CURRENT[0], self.current.certificate());
        put(CURRENT[1], self.current.key());
        if let Some(next) = &self.next {
            put(NEXT[0], next.certificate());
            put(NEXT[1], next.key());
        }
        put(SINCE, &self.since.to_string());
        if !self.previous.is_empty() {
            put(PREVIOUS, &self.previous);
        }
        data
    }

    /// Everything that is to be trusted, as PEM: the `caBundle`.
    #[must_use]
    pub fn bundle(&self) -> String {
        let next = self.next.as_ref().map_or("", Ca::certificate);
        [self.current.certificate(), next, self.previous.as_str()].concat()
    }

    /// The state that should follow, or `None` when nothing is due.
    ///
    /// `published` is the `caBundle` as it was observed.
    pub fn step(
        &self,
        now: UnixTime,
        lives: Lives,
        published: &[u8],
    ) -> Result<Option<Self>, CaError> {
        let validity = self.current.validity();
        let following = match &self.next {
            // The clock jumped, or nobody ran for a year: no time to settle is worth waiting for.
            Some(next) if !validity.covers(now) && next.validity().covers(now) => {
                self.followed_by(next.clone(), now)
            }
            _ if !validity.covers(now) => self.followed_by(Ca::generate(now, lives.ca)?, now),
            Some(next)
                if settled(next, now, lives) && pem::contains(published, next.certificate()) =>
            {
                self.followed_by(next.clone(), now)
            }
            None if validity.is_due(now) => self.announcing(now, lives)?,
            _ => Self { previous: self.still_needed(now, lives), ..self.clone() },
        };
        Ok((following != *self).then_some(following))
    }

    /// The state in which the next CA is on its way, whether it is due or not.
    pub fn announcing(&self, now: UnixTime, lives: Lives) -> Result<Self, CaError> {
        let next = match &self.next {
            Some(next) => next.clone(),
            None => Ca::generate(now, lives.ca)?,
        };
        Ok(Self { next: Some(next), ..self.clone() })
    }

    /// The state in which `served`, the CA (PEM) of somebody's leaf, is trusted as well: whoever
    /// wrote the Secret may not know of it.
    #[must_use]
    pub(super) fn trusting(&self, served: &str, now: UnixTime) -> Self {
        if pem::contains(self.bundle().as_bytes(), served) {
            return self.clone();
        }
        let previous = [self.previous.as_str(), served].concat();
        Self { previous: pem::still_valid(previous.as_bytes(), now), ..self.clone() }
    }

    /// Which previous certificates can still have leaves in use.
    fn still_needed(&self, now: UnixTime, lives: Lives) -> String {
        if now >= after(self.since, lives.leaf) {
            return String::new();
        }
        pem::still_valid(self.previous.as_bytes(), now)
    }

    fn followed_by(&self, current: Ca, now: UnixTime) -> Self {
        let trusted = [self.current.certificate(), &self.previous].concat();
        let previous = pem::still_valid(trusted.as_bytes(), now);
        Self { current, next: None, since: now, previous }
    }
}

fn settled(next: &Ca, now: UnixTime, lives: Lives) -> bool {
    now >= after(next.made(), lives.settle)
}

fn after(time: UnixTime, passed: Duration) -> UnixTime {
    time.saturating_add(i64::try_from(passed.as_secs()).unwrap_or(i64::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: UnixTime = 1_800_000_000;
    const SETTLE: UnixTime = 300;
    const LEAF: UnixTime = 3000;

    fn lives() -> Lives {
        let settle = Duration::from_secs(300);
        Lives { ca: Duration::from_secs(30_000), leaf: Duration::from_secs(3000), settle }
    }

    fn begun() -> Rotation {
        Rotation::begin(NOW, lives(), b"").unwrap()
    }

    fn step(rotation: &Rotation, now: UnixTime) -> Option<Rotation> {
        rotation.step(now, lives(), rotation.bundle().as_bytes()).unwrap()
    }

    fn count(bundle: &str) -> usize {
        pem::certificates(bundle.as_bytes()).len()
    }

    #[test]
    fn a_ca_is_followed_by_one_that_was_trusted_before() {
        let first = begun();
        assert_eq!(step(&first, NOW + 19_999), None);
        let published = step(&first, NOW + 20_000).unwrap();
        assert_eq!(published.current, first.current);
        assert_eq!(count(&published.bundle()), 2);

        // Not before it settled, and not while the caBundle lacks it.
        assert_eq!(step(&published, NOW + 20_000 + SETTLE - 1), None);
        let unseen = first.bundle();
        let later = NOW + 20_000 + SETTLE;
        assert_eq!(published.step(later, lives(), unseen.as_bytes()).unwrap(), None);

        let serving = step(&published, later).unwrap();
        assert_eq!(Some(&serving.current), published.next.as_ref());
        assert_eq!(serving.next, None);
        assert_eq!(count(&serving.bundle()), 2);

        assert_eq!(step(&serving, later + LEAF - 1), None, "a leaf of the old one may be in use");
        let retired = step(&serving, later + LEAF).unwrap();
        assert_eq!(count(&retired.bundle()), 1);
        assert_eq!(retired.current, serving.current);
        assert_eq!(step(&retired, later + LEAF), None);
    }

    #[test]
    fn a_rotation_that_is_asked_for_takes_the_same_steps() {
        let first = begun();
        let asked = first.announcing(NOW + 100, lives()).unwrap();
        assert_eq!(asked.current, first.current);
        assert_eq!(asked.announcing(NOW + 101, lives()).unwrap(), asked, "it is under way");
        assert_eq!(step(&asked, NOW + 100 + SETTLE - 1), None);
        let serving = step(&asked, NOW + 100 + SETTLE).unwrap();
        assert_eq!(Some(&serving.current), asked.next.as_ref());
        assert_eq!(count(&serving.bundle()), 2);
    }

    #[test]
    fn what_somebody_serves_stays_trusted_whoever_wrote_the_secret() {
        let (mine, stranger) = (begun(), begun());
        let both = stranger.trusting(mine.current.certificate(), NOW);
        assert_eq!(count(&both.bundle()), 2);
        assert_eq!(both.trusting(mine.current.certificate(), NOW), both);
        assert_eq!(stranger.trusting(mine.current.certificate(), NOW + 40_000), stranger, "ended");
    }

    #[test]
    fn a_clock_that_jumps_over_the_end_needs_no_patience() {
        let first = begun();
        for now in [NOW + 1_000_000, NOW - 1_000_000] {
            let fresh = step(&first, now).unwrap();
            assert!(fresh.current.validity().covers(now));
            assert_eq!(count(&fresh.bundle()), 1);
        }
        let published = step(&first, NOW + 20_000).unwrap();
        let jumped = step(&published, NOW + 40_000).unwrap();
        assert_eq!(Some(jumped.current), published.next);
    }

    #[test]
    fn the_state_survives_its_secret() {
        let rotation = step(&begun(), NOW + 20_000).unwrap();
        assert_eq!(Rotation::from_data(&rotation.to_data()).unwrap(), rotation);
        let serving = step(&rotation, NOW + 21_000).unwrap();
        assert_eq!(Rotation::from_data(&serving.to_data()).unwrap(), serving);
    }

    #[test]
    fn a_broken_secret_is_an_error_and_a_broken_next_is_none() {
        assert!(Rotation::from_data(&Data::new()).is_err());
        let good = step(&begun(), NOW + 20_000).unwrap();
        let other = begun().to_data();
        let read = |key: &str, value: &[u8]| {
            let mut data = good.to_data();
            data.insert(key.into(), value.to_vec());
            Rotation::from_data(&data)
        };
        for broken in [&b""[..], b"nonsense", &[0xff]] {
            for key in CURRENT {
                assert!(read(key, broken).is_err(), "{key}");
            }
            for key in NEXT {
                assert_eq!(read(key, broken).unwrap().next, None, "{key}");
            }
            assert_eq!(read(PREVIOUS, broken).unwrap().bundle(), good.bundle());
            assert_eq!(read(SINCE, broken).unwrap().since, NOW, "made then");
        }
        for key in CURRENT {
            assert!(matches!(read(key, &other[key]), Err(CaError::OtherKey)), "{key}");
        }
        assert_eq!(read(NEXT[1], &other[CURRENT[1]]).unwrap().next, None);
        assert_eq!(good.to_data().keys().filter(|key| !KEYS.contains(&key.as_str())).count(), 0);
    }

    #[test]
    fn a_new_beginning_keeps_what_was_trusted() {
        let old = begun();
        let new = Rotation::begin(NOW, lives(), old.bundle().as_bytes()).unwrap();
        assert!(pem::contains(new.bundle().as_bytes(), &old.bundle()));
        let too_late = Rotation::begin(NOW + 30_000, lives(), old.bundle().as_bytes()).unwrap();
        assert_eq!(count(&too_late.bundle()), 1);
    }
}
