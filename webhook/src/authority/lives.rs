//! How long certificates last.

use std::time::Duration;

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
