//! Which pages may open the gateway's WebSocket, as the seed has them.
//!
//! A home outlives the address that it was made for. So the seed's origins are added to the list of a
//! home that is there already; what the user has in it stays.

use std::path::Path;

use super::{disk, json5};

pub(super) const ALLOWED_ORIGINS: &[&str] = &["gateway", "controlUi", "allowedOrigins"];

/// The origins that a list has to hold, or why there are none to add.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Origins {
    Named(Vec<String>),
    Unknown(&'static str),
}

impl Origins {
    /// Those of the seed at `path`. A seed that cannot be used is no reason to keep a home that is
    /// there from starting.
    pub(super) fn of_seed(path: Option<&Path>) -> Self {
        let Some(path) = path else { return Self::Unknown("no --seed was given") };
        match disk::read_seed(path) {
            Ok(Some(text)) => Self::of_text(&text),
            Ok(None) => Self::Unknown("the seed is absent"),
            Err(_) => Self::Unknown("the seed cannot be read"),
        }
    }

    pub(super) fn of_text(seed: &str) -> Self {
        let Ok(root) = json5::parse(seed) else {
            return Self::Unknown("the seed is not valid JSON5");
        };
        let list = root.at(ALLOWED_ORIGINS).and_then(json5::Node::as_array).unwrap_or_default();
        let named: Vec<_> =
            list.iter().filter_map(|item| item.as_str()).map(str::to_owned).collect();
        if named.is_empty() { Self::Unknown("the seed names none") } else { Self::Named(named) }
    }
}

#[cfg(test)]
mod tests {
    use super::Origins;

    #[test]
    fn the_seeds_list_is_read_or_the_reason_said() {
        let named = Origins::Named(vec!["https://a.example".to_owned()]);
        let seed = "{gateway:{controlUi:{allowedOrigins:['https://a.example', 1]}}}";
        assert_eq!(Origins::of_text(seed), named);
        for (seed, reason) in [
            ("{", "the seed is not valid JSON5"),
            ("{}", "the seed names none"),
            ("{gateway:{controlUi:{allowedOrigins:'https://a.example'}}}", "the seed names none"),
        ] {
            assert_eq!(Origins::of_text(seed), Origins::Unknown(reason), "{seed}");
        }
        assert_eq!(Origins::of_seed(None), Origins::Unknown("no --seed was given"));
    }
}
