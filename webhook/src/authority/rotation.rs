//! How one CA follows another without a failed call: trust first, use later.
//!
//! ```text
//! publish   a next CA is made and put beside the current one, into the Secret and the caBundle
//! observe   it stands in the caBundle, and API servers had time to see it
//! serve     it becomes the current one; leaves are signed by it from now on
//! retire    the previous one stays trusted until it ends by itself
//! ```
//! The whole state is in the Secret, so any replica may take the next step, and all see it.

use std::{collections::BTreeMap, time::Duration};

use super::{
    UnixTime,
    ca::{BACKDATE, Ca, CaError},
    pem,
};

/// How long things last.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Lives {
    pub ca: Duration,
    pub leaf: Duration,
    /// How long a published CA waits before it is used. API servers learn of it within seconds.
    pub settle: Duration,
}

impl Default for Lives {
    fn default() -> Self {
        Self {
            ca: Duration::from_hours(365 * 24),
            leaf: Duration::from_hours(7 * 24),
            settle: Duration::from_mins(5),
        }
    }
}

/// All CAs of the webhook, as they are in the Secret.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rotation {
    /// Signs leaves.
    pub current: Ca,
    /// Will sign leaves, and is trusted already.
    pub next: Option<Ca>,
    /// Certificates that are still trusted, as PEM.
    previous: String,
}

/// Keys of the Secret.
const CURRENT: [&str; 2] = ["ca.crt", "ca.key"];
const NEXT: [&str; 2] = ["next.crt", "next.key"];
const PREVIOUS: &str = "previous.crt";

/// The Secret's content, decoded.
pub(super) type Data = BTreeMap<String, Vec<u8>>;

impl Rotation {
    /// A first CA. What `trusted` certifies stays trusted: other replicas may serve under it.
    pub fn begin(now: UnixTime, lives: Lives, trusted: &[u8]) -> Result<Self, CaError> {
        let current = Ca::generate(now, lives.ca)?;
        Ok(Self { current, next: None, previous: pem::still_valid(trusted, now) })
    }

    /// Reads a Secret.
    pub(super) fn from_data(data: &Data) -> Result<Self, CaError> {
        let text = |key: &str| {
            let bytes = data.get(key).map(Vec::as_slice).unwrap_or_default();
            String::from_utf8_lossy(bytes).into_owned()
        };
        let ca = |[certificate, key]: [&str; 2]| Ca::from_pem(&text(certificate), &text(key));
        Ok(Self {
            current: ca(CURRENT)?,
            // A broken next one is as good as none: it is not in use.
            next: ca(NEXT).ok(),
            previous: text(PREVIOUS),
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
            None if validity.is_due(now) => {
                Self { next: Some(Ca::generate(now, lives.ca)?), ..self.clone() }
            }
            _ => Self { previous: pem::still_valid(self.previous.as_bytes(), now), ..self.clone() },
        };
        Ok((following != *self).then_some(following))
    }

    fn followed_by(&self, current: Ca, now: UnixTime) -> Self {
        let trusted = [self.current.certificate(), &self.previous].concat();
        Self { current, next: None, previous: pem::still_valid(trusted.as_bytes(), now) }
    }
}

fn settled(next: &Ca, now: UnixTime, lives: Lives) -> bool {
    let made = next.validity().not_before.saturating_add(BACKDATE);
    let settle = i64::try_from(lives.settle.as_secs()).unwrap_or(i64::MAX);
    now >= made.saturating_add(settle)
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: UnixTime = 1_800_000_000;
    const SETTLE: UnixTime = 300;

    fn lives() -> Lives {
        Lives { ca: Duration::from_secs(30_000), ..Lives::default() }
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

        let retired = step(&serving, NOW + 30_000).unwrap();
        assert_eq!(count(&retired.bundle()), 1);
        assert_eq!(retired.current, serving.current);
        assert_eq!(step(&retired, NOW + 30_000), None);
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
        let mut data = step(&begun(), NOW + 20_000).unwrap().to_data();
        data.insert("next.key".into(), b"nonsense".to_vec());
        assert_eq!(Rotation::from_data(&data).unwrap().next, None);
        data.insert("ca.key".into(), vec![0xff]);
        assert!(Rotation::from_data(&data).is_err());
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
