//! Where a user goes after signing in: back to where they were, and never to another site.

/// The pages of the spawner's own that one may return to.
pub(crate) const HOME: &str = "/-/";
const USERS: &str = crate::pages::table::USERS;
/// Longer ones are not remembered: they would crowd the cookie.
const MAX_BYTES: usize = 2048;

/// `next` if it is a plain path of this site, otherwise `/`.
///
/// A browser reads `//host`, `/\host` and a path with a tab or newline before the second slash as
/// another site; dot segments could lead back to the login page, and around for ever.
pub(crate) fn sanitised(next: &str) -> &str {
    let path = next.split(['?', '#']).next().unwrap_or_default();
    let plain = next.len() <= MAX_BYTES
        && next.starts_with('/')
        && !next.starts_with("//")
        && next.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'\\')
        && !path.split('/').any(is_dots);
    let loops = path.starts_with(HOME) && path != HOME && path != USERS;
    if plain && !loops { next } else { "/" }
}

/// `.` and `..`, also percent-encoded (WHATWG URL, double-dot path segment).
fn is_dots(segment: &str) -> bool {
    let segment = segment.to_ascii_lowercase().replace("%2e", ".");
    segment == "." || segment == ".."
}

#[cfg(test)]
mod tests {
    use super::sanitised;

    #[test]
    fn a_path_of_this_site_is_kept() {
        for good in [
            "/",
            "/chat",
            "/a/b?c=d&e=%2F#f",
            "/-/",
            "/-/?x",
            "/-/users?page=2",
            "/-",
            "/x?u=//y",
            "/x?b=/../",
            "/.a",
        ] {
            assert_eq!(sanitised(good), good);
        }
    }

    #[test]
    fn everything_else_becomes_the_root() {
        for bad in [
            "",
            "chat",
            "https://evil.example/",
            "//evil.example",
            "///evil.example",
            "/\\evil.example",
            "\\\\evil.example",
            "/a\\b",
            "/\t/evil.example",
            "/\n/evil.example",
            "/a\r\nSet-Cookie: a=b",
            "/a b",
            "/\u{0}",
            "/\u{e4}",
            " /a",
            "javascript:alert(1)",
            "/-/login",
            "/-/login?next=/",
            "/-/callback?code=x",
            "/-/logout",
            "/-/api/v1/me",
            "/./-/login",
            "/x/../-/login",
            "/%2e/-/login",
            "/x/%2E./-/login",
            &format!("/{}", "a".repeat(2048)),
        ] {
            assert_eq!(sanitised(bad), "/", "{bad:?}");
        }
    }
}
