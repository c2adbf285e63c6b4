use std::time::{Duration, SystemTime};

const DAY: Duration = Duration::from_secs(24 * 60 * 60);

/// How far [`Validity::days`] reaches into the past: a peer whose clock is a little behind must not
/// refuse a certificate that was made a moment ago.
const BACKDATED: Duration = Duration::from_mins(5);

/// The last second that an X.509 date can name, 9999-12-31T23:59:59Z (RFC 5280, section 4.1.2.5).
const LAST: Duration = Duration::from_secs(253_402_300_799);

/// The time in which a certificate counts, both ends included, in whole seconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Validity {
    not_before: SystemTime,
    not_after: SystemTime,
}

impl Validity {
    /// From five minutes ago until so many days from now.
    #[must_use]
    pub fn days(days: u16) -> Self {
        let now = SystemTime::now();
        Self::between(now - BACKDATED, now + DAY * u32::from(days))
    }

    /// From one moment to another. What X.509 cannot write, before 1970 or after 9999, is moved to
    /// the nearest moment that it can. An end before the beginning makes a certificate that never
    /// counts, which tests want.
    #[must_use]
    pub fn between(not_before: SystemTime, not_after: SystemTime) -> Self {
        Self { not_before: writable(not_before), not_after: writable(not_after) }
    }

    /// The first second.
    #[must_use]
    pub fn not_before(self) -> SystemTime {
        self.not_before
    }

    /// The last second.
    #[must_use]
    pub fn not_after(self) -> SystemTime {
        self.not_after
    }

    /// Whether the moment lies within.
    #[must_use]
    pub fn contains(self, moment: SystemTime) -> bool {
        (self.not_before..=self.not_after).contains(&moment)
    }

    /// The same, ending no later than `limit`.
    pub(crate) fn until_at_most(self, limit: SystemTime) -> Self {
        Self { not_after: self.not_after.min(limit), ..self }
    }
}

fn writable(moment: SystemTime) -> SystemTime {
    let since_epoch = moment.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    SystemTime::UNIX_EPOCH + Duration::from_secs(since_epoch.min(LAST).as_secs())
}

#[cfg(test)]
mod tests {
    use super::{BACKDATED, DAY, LAST, Validity};
    use std::time::{Duration, SystemTime};

    #[test]
    fn a_fresh_validity_contains_now_and_a_slow_clock_but_not_the_day_after() {
        let (now, one_day) = (SystemTime::now(), Validity::days(1));
        assert!(one_day.contains(now) && one_day.contains(now - BACKDATED / 2));
        assert!(!one_day.contains(now + DAY * 2) && !one_day.contains(now - DAY));
    }

    #[test]
    fn moments_that_x509_cannot_write_are_moved_to_its_limits() {
        let epoch = SystemTime::UNIX_EPOCH;
        let wide = Validity::between(epoch - DAY, epoch + LAST + DAY);
        assert_eq!((wide.not_before(), wide.not_after()), (epoch, epoch + LAST));
    }

    #[test]
    fn moments_are_whole_seconds_as_in_the_certificate() {
        let late = SystemTime::UNIX_EPOCH + Duration::from_millis(1_999);
        let whole = Validity::between(late, late);
        assert_eq!(whole.not_before(), SystemTime::UNIX_EPOCH + Duration::from_secs(1));
    }
}
