use std::{
    fmt,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

/// Seconds since 1970-01-01T00:00:00Z, as in a token's `exp` (RFC 7519, NumericDate).
///
/// Arithmetic saturates: a token may claim any number, and none of them may overflow.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct UnixTime(u64);

impl UnixTime {
    /// The end of the year 9999, after which RFC 3339 has no dates. No token may claim a later time.
    pub const LAST: Self = Self(253_402_300_799);

    /// The time so many seconds after 1970 began.
    #[must_use]
    pub const fn from_secs(secs: u64) -> Self {
        Self(secs)
    }

    /// The wall clock. A clock set before 1970 reads as 1970, which no token survives.
    #[must_use]
    pub fn now() -> Self {
        Self(SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs()))
    }

    /// Seconds since 1970.
    #[must_use]
    pub const fn as_secs(self) -> u64 {
        self.0
    }

    /// This much later; parts of a second are dropped.
    #[must_use]
    pub const fn plus(self, duration: Duration) -> Self {
        Self(self.0.saturating_add(duration.as_secs()))
    }

    /// This much earlier, but not before 1970; parts of a second are dropped.
    #[must_use]
    pub const fn minus(self, duration: Duration) -> Self {
        Self(self.0.saturating_sub(duration.as_secs()))
    }

    /// The time from here to `later`; zero when `later` is in the past.
    #[must_use]
    pub const fn until(self, later: Self) -> Duration {
        Duration::from_secs(later.0.saturating_sub(self.0))
    }
}

/// RFC 3339 in UTC, for people. Beyond the year 9999 the bare number.
impl fmt::Display for UnixTime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if *self > Self::LAST {
            return write!(f, "{} s after 1970", self.0);
        }
        let time = UNIX_EPOCH + Duration::from_secs(self.0);
        humantime::format_rfc3339_seconds(time).fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arithmetic_saturates() {
        let last = UnixTime::from_secs(u64::MAX);
        assert_eq!(last.plus(Duration::from_secs(1)), last);
        assert_eq!(last.until(UnixTime::from_secs(1)), Duration::ZERO);
        assert_eq!(UnixTime::from_secs(1).minus(Duration::from_secs(2)), UnixTime::from_secs(0));
    }

    #[test]
    fn people_read_rfc_3339() {
        assert_eq!(UnixTime::from_secs(1_800_000_000).to_string(), "2027-01-15T08:00:00Z");
        assert_eq!(UnixTime::LAST.to_string(), "9999-12-31T23:59:59Z");
        assert_eq!(UnixTime::from_secs(u64::MAX).to_string(), "18446744073709551615 s after 1970");
    }
}
