//! `${NAME}` in a template: the two names that exist, and nothing else.

use contract::{UserId, secret};

/// The user's id.
pub(crate) const USER_UUID: &str = "USER_UUID";
/// The name of the Secret with the user's NewAPI key; the name only, never a value.
pub(crate) const SECRET_NAME: &str = "SECRET_NAME";

/// What the placeholders stand for, for one user.
pub(crate) struct Values {
    user: String,
    secret: String,
}

/// A `${` that cannot be replaced.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadPlaceholder {
    /// A name that does not exist. A typing error would otherwise reach the cluster as text.
    #[error(
        "${{{0}}} is not a placeholder: there are ${{USER_UUID}} and ${{SECRET_NAME}}; \
         to keep ${{{0}}} as it is, write $${{{0}}}"
    )]
    Unknown(String),
    /// `${` without `}`.
    #[error("`${{` is not closed by `}}`; to keep it as it is, write `$${{`")]
    Unclosed,
}

impl Values {
    pub(crate) fn of(user: &UserId) -> Self {
        Self { user: user.to_string(), secret: secret::newapi_key(user) }
    }

    fn named(&self, name: &str) -> Option<&str> {
        match name {
            USER_UUID => Some(&self.user),
            SECRET_NAME => Some(&self.secret),
            _ => None,
        }
    }

    /// Replaces every placeholder in `text`, and turns the escape `$${` into `${`. What replaces a
    /// placeholder is not looked at again.
    pub(crate) fn expand(&self, text: &str) -> Result<String, BadPlaceholder> {
        let mut expanded = String::with_capacity(text.len());
        let mut rest = text;
        while let Some((before, after)) = rest.split_once("${") {
            if let Some(kept) = before.strip_suffix('$') {
                expanded.push_str(kept);
                expanded.push_str("${");
                rest = after;
                continue;
            }
            let (name, after) = after.split_once('}').ok_or(BadPlaceholder::Unclosed)?;
            let value = self.named(name).ok_or_else(|| BadPlaceholder::Unknown(name.to_owned()))?;
            expanded.push_str(before);
            expanded.push_str(value);
            rest = after;
        }
        expanded.push_str(rest);
        Ok(expanded)
    }
}

/// Whether `text` uses the placeholder `name`.
pub(crate) fn uses(text: &str, name: &str) -> bool {
    text.match_indices(&format!("${{{name}}}"))
        .any(|(at, _)| !text.get(..at).is_some_and(|before| before.ends_with('$')))
}

#[cfg(test)]
mod tests {
    use super::{BadPlaceholder, Values, uses};

    fn expand(text: &str) -> Result<String, BadPlaceholder> {
        Values::of(&"11111111-2222-4333-8444-555555555555".parse().unwrap()).expand(text)
    }

    #[test]
    fn both_names_are_replaced_and_the_escape_is_kept() {
        assert_eq!(
            expand("a-${USER_UUID}-${SECRET_NAME}-$HOME-$${HOME}").unwrap(),
            "a-11111111-2222-4333-8444-555555555555-\
             newapi-key-11111111-2222-4333-8444-555555555555-$HOME-${HOME}"
        );
        assert_eq!(
            expand("no placeholder, $ and } and {").unwrap(),
            "no placeholder, $ and } and {"
        );
    }

    #[test]
    fn anything_else_is_refused_by_name() {
        assert_eq!(expand("x ${USER_ID} y"), Err(BadPlaceholder::Unknown("USER_ID".to_owned())));
        assert_eq!(
            expand("${ USER_UUID }"),
            Err(BadPlaceholder::Unknown(" USER_UUID ".to_owned()))
        );
        assert_eq!(expand("${USER_UUID"), Err(BadPlaceholder::Unclosed));
    }

    #[test]
    fn an_escaped_placeholder_is_not_a_use() {
        assert!(uses("x${USER_UUID}", "USER_UUID"));
        assert!(!uses("x$${USER_UUID}", "USER_UUID"));
        assert!(uses("$${USER_UUID}${USER_UUID}", "USER_UUID"));
    }
}
