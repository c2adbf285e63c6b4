//! Reading the kubelet's messages, which are the only place where it names what is missing.

use super::{Reason, State, Status, purpose};

/// An object that the pod refers to and that is not there.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Missing<'a> {
    Secret(&'a str),
    ConfigMap(&'a str),
    /// The key, and the `Secret` or `ConfigMap` by kind and name.
    Key(&'a str, &'static str, &'a str),
}

impl Missing<'_> {
    /// What to tell the user; the pod goes on by itself once the object is there.
    pub(super) fn status(&self, state: State) -> Status {
        let (reason, what) = match self {
            Self::Secret(name) => (
                Reason::MissingSecret,
                format!("The Secret {name}{} does not exist yet.", purpose(name)),
            ),
            Self::ConfigMap(name) => {
                (Reason::MissingConfigMap, format!("The ConfigMap {name} does not exist yet."))
            }
            Self::Key(key, kind, name) => {
                (Reason::MissingKey, format!("The {kind} {name} has no key {key}."))
            }
        };
        let message =
            format!("{what} Your workspace starts by itself as soon as an administrator adds it.");
        Status::held_up(state, reason, message)
    }
}

/// Finds what a kubelet message says is missing:
///
/// - `secret "newapi-key-…" not found`
/// - `couldn't find key api-key in Secret tenant/newapi-key-…`
/// - `MountVolume.SetUp failed for volume "seed" : configmap "openclaw-seed" not found`
pub(super) fn missing_object(message: &str) -> Option<Missing<'_>> {
    if let Some(name) = quoted(message, "secret \"") {
        return Some(Missing::Secret(name));
    }
    if let Some(name) = quoted(message, "configmap \"") {
        return Some(Missing::ConfigMap(name));
    }
    let (_, rest) = message.split_once("couldn't find key ")?;
    let (key, rest) = rest.split_once(" in ")?;
    let (kind, rest) = rest.split_once(' ')?;
    let kind = match kind {
        "Secret" => "Secret",
        "ConfigMap" => "ConfigMap",
        _ => return None,
    };
    let (_, name) = rest.split_once('/')?;
    let name = name.split(|end: char| !is_name(end)).next()?;
    Some(Missing::Key(key, kind, name))
}

/// The name after `opening`, if the message says that it was not found.
fn quoted<'a>(message: &'a str, opening: &str) -> Option<&'a str> {
    let (_, rest) = message.split_once(opening)?;
    let (name, rest) = rest.split_once('"')?;
    rest.trim_start().starts_with("not found").then_some(name)
}

fn is_name(character: char) -> bool {
    matches!(character, 'a'..='z' | '0'..='9' | '-' | '.')
}

/// A foreign message as a sentence to add to one of ours: one line, bounded, with a space before and
/// a full stop after. Empty for an empty message.
pub(super) fn sentence(message: &str) -> String {
    let line = message.lines().map(str::trim).find(|line| !line.is_empty()).unwrap_or_default();
    let line = line.trim_end_matches(['.', ':', ' ']);
    match line.char_indices().nth(SHOWN_CHARS) {
        _ if line.is_empty() => String::new(),
        Some((end, _)) => format!(" ({}...)", line.get(..end).unwrap_or_default()),
        None => format!(" ({line}.)"),
    }
}

/// The last line that says something: what a crashed program wrote before it ended.
pub(super) fn last_line(message: &str) -> &str {
    message.lines().map(str::trim).rfind(|line| !line.is_empty()).unwrap_or_default()
}

/// How much of a foreign message is repeated, in characters.
const SHOWN_CHARS: usize = 300;

#[cfg(test)]
mod tests {
    use super::{Missing, last_line, missing_object, sentence};

    #[test]
    fn what_is_missing_is_named() {
        for (message, expected) in [
            (r#"secret "newapi-key-1" not found"#, Some(Missing::Secret("newapi-key-1"))),
            (
                "couldn't find key api-key in Secret tenant/newapi-key-1",
                Some(Missing::Key("api-key", "Secret", "newapi-key-1")),
            ),
            (
                "MountVolume.SetUp failed for volume \"seed\" : configmap \"openclaw-seed\" not found",
                Some(Missing::ConfigMap("openclaw-seed")),
            ),
            ("container has runAsNonRoot and image will run as root", None),
            (r#"secret "x" is forbidden"#, None),
            ("couldn't find key", None),
            ("", None),
        ] {
            assert_eq!(missing_object(message), expected, "{message}");
        }
    }

    #[test]
    fn foreign_words_are_one_bounded_line() {
        assert_eq!(sentence("0/1 nodes are available.\nmore"), " (0/1 nodes are available.)");
        assert_eq!(sentence(" \n"), "");
        let long = sentence(&"\u{e4}".repeat(5000));
        assert!(long.chars().count() < 310 && long.ends_with("...)"), "{long}");
        assert_eq!(last_line("a\n  b \n\n"), "b");
    }
}
