use std::{fmt, str::FromStr};

/// A user's id: a UUID in its one canonical text, lowercase 8-4-4-4-12 hex (RFC 9562 section 4).
///
/// Strict, because the id becomes part of Secret and pod names: two spellings of one user would be
/// two users, and anything else than hex and dashes could name another object.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct UserId(String);

/// The text is not a lowercase 8-4-4-4-12 hex UUID.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "{0:?} is not a user id: it must be a lowercase UUID like 11111111-2222-4333-8444-555555555555"
)]
pub struct InvalidUserId(String);

/// How much of a rejected text an error repeats, in characters.
const SHOWN: usize = 64;

impl UserId {
    /// The canonical text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for UserId {
    type Err = InvalidUserId;

    fn from_str(text: &str) -> Result<Self, InvalidUserId> {
        let canonical = text.len() == 36
            && text.bytes().enumerate().all(|(at, byte)| match at {
                8 | 13 | 18 | 23 => byte == b'-',
                _ => matches!(byte, b'0'..=b'9' | b'a'..=b'f'),
            });
        if canonical {
            Ok(Self(text.to_owned()))
        } else {
            Err(InvalidUserId(text.chars().take(SHOWN).collect()))
        }
    }
}

impl fmt::Display for UserId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for UserId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[cfg(test)]
mod tests {
    use super::UserId;

    #[test]
    fn only_the_canonical_text_is_a_user_id() {
        let good = "11111111-2222-4333-8444-55555555abcd";
        assert_eq!(good.parse::<UserId>().unwrap().as_str(), good);
        for bad in [
            "",
            "11111111-2222-4333-8444-55555555ABCD",
            "11111111-2222-4333-8444-5555555555555",
            "11111111-2222-4333-8444-55555555555",
            "111111112222433384445555555555551111",
            "{1111111-2222-4333-8444-55555555555}",
            "11111111-2222-4333-8444-55555555555g",
            "11111111-2222-4333-8444-5555555555\u{e9}",
            " 1111111-2222-4333-8444-555555555555",
            "../../etc/passwd",
        ] {
            assert!(bad.parse::<UserId>().is_err(), "{bad:?}");
        }
    }

    #[test]
    fn the_error_names_the_value_and_bounds_it() {
        let error = "x".repeat(10_000).parse::<UserId>().unwrap_err().to_string();
        assert!(error.contains("xxxx") && error.len() < 300, "{error}");
    }
}
