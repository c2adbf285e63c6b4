use serde::{Deserialize, Serialize};

use crate::Better;

/// What a number should be.
#[derive(Clone, Copy, Debug, PartialEq, Deserialize, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Goal {
    AtMost(f64),
    Below(f64),
    AtLeast(f64),
}

impl Goal {
    /// Whether `measured` is as it should be.
    #[must_use]
    pub fn is_met(self, measured: f64) -> bool {
        match self {
            Self::AtMost(limit) => measured <= limit,
            Self::Below(limit) => measured < limit,
            Self::AtLeast(limit) => measured >= limit,
        }
    }

    /// The number that it is compared with.
    #[must_use]
    pub const fn limit(self) -> f64 {
        match self {
            Self::AtMost(limit) | Self::Below(limit) | Self::AtLeast(limit) => limit,
        }
    }

    /// As it stands before the limit.
    #[must_use]
    pub const fn words(self) -> &'static str {
        match self {
            Self::AtMost(_) => "at most",
            Self::Below(_) => "below",
            Self::AtLeast(_) => "at least",
        }
    }

    pub(crate) const fn better(self) -> Better {
        match self {
            Self::AtMost(_) | Self::Below(_) => Better::Less,
            Self::AtLeast(_) => Better::More,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_below_leaves_the_limit_out() {
        let met = |goal: Goal| [0.9, 1.0, 1.1].map(|measured| goal.is_met(measured));
        assert_eq!(met(Goal::AtMost(1.0)), [true, true, false]);
        assert_eq!(met(Goal::Below(1.0)), [true, false, false]);
        assert_eq!(met(Goal::AtLeast(1.0)), [false, true, true]);
    }
}
