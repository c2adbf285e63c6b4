//! Cookies as text: which ones a request carries, and how ours are set. A session is longer than a
//! browser keeps in one cookie, so it is cut into pieces; the first says how many there are.

use contract::cookie::{LOGIN, PREFIX, SESSION};
use http::{HeaderMap, HeaderValue, header};

/// How long one piece may be: browsers keep 4096 bytes of name and value (RFC 6265 section 6.1).
const PIECE_BYTES: usize = 3800;
/// How many pieces there may be. More would not fit into the 16 KiB of headers of an HTTP/2 request.
const MAX_PIECES: usize = 3;
/// How many logins one browser may have begun at once, in as many tabs.
const MAX_LOGINS: usize = 8;
/// How long a begun login may take, in seconds.
pub(crate) const LOGIN_SECONDS: u64 = 600;

/// What a browser keeps of a cookie, and for how long.
enum Keep<'a> {
    /// Until the browser ends.
    Session(&'a str),
    /// For so many seconds.
    Seconds(&'a str, u64),
    /// No longer.
    Nothing,
}

/// The cookies of a request, in order, as bytes: every request brings thousands of them, and all but
/// a few are somebody's value.
fn all(headers: &HeaderMap) -> impl Iterator<Item = (&[u8], &[u8])> {
    headers.get_all(header::COOKIE).into_iter().flat_map(|value| pairs(value.as_bytes()))
}

/// The cookies of one header.
fn pairs(mut rest: &[u8]) -> impl Iterator<Item = (&[u8], &[u8])> {
    std::iter::from_fn(move || {
        let (pair, behind) = split_at(rest, b';').unwrap_or((rest, &[]));
        let some = !rest.is_empty();
        rest = behind;
        some.then_some(pair)
    })
    .filter_map(|pair| split_at(pair.trim_ascii(), b'='))
}

/// What is before the first `byte`, and what is behind it.
fn split_at(text: &[u8], byte: u8) -> Option<(&[u8], &[u8])> {
    let (before, behind) = text.split_at_checked(memchr::memchr(byte, text)?)?;
    Some((before, behind.get(1..)?))
}

/// The value of the one cookie called `name`. Two of one name are nobody's.
fn one<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    let mut found =
        all(headers).filter(|(found, _)| *found == name.as_bytes()).map(|(_, value)| value);
    let value = found.next()?;
    std::str::from_utf8(value).ok().filter(|_| found.next().is_none())
}

/// Whether the request claims to be of a session.
pub(crate) fn has_session(headers: &HeaderMap) -> bool {
    all(headers).any(|(name, _)| name.starts_with(SESSION.as_bytes()))
}

/// The sealed session, put together.
pub(crate) fn session(headers: &HeaderMap) -> Option<String> {
    let (count, first) = one(headers, &piece(0))?.split_once('.')?;
    let count: usize = count.parse().ok().filter(|count| (1..=MAX_PIECES).contains(count))?;
    let mut sealed = first.to_owned();
    for number in 1..count {
        sealed.push_str(one(headers, &piece(number))?);
    }
    Some(sealed)
}

/// Sets the session. `None` if it is too large for cookies.
pub(crate) fn set_session(headers: &HeaderMap, sealed: &str) -> Option<Vec<HeaderValue>> {
    let pieces: Vec<&[u8]> = sealed.as_bytes().chunks(PIECE_BYTES).collect();
    let count = pieces.len();
    if count > MAX_PIECES {
        return None;
    }
    let mut set = clear_where(headers, |name| {
        name.starts_with(SESSION) && !(0..count).any(|number| name == piece(number))
    });
    for (number, value) in pieces.into_iter().enumerate() {
        let value = std::str::from_utf8(value).ok()?;
        let value = if number == 0 { format!("{count}.{value}") } else { value.to_owned() };
        set.push(line(&piece(number), &Keep::Session(&value))?);
    }
    Some(set)
}

/// Removes whatever pieces of a session the browser sent.
pub(crate) fn clear_session(headers: &HeaderMap) -> Vec<HeaderValue> {
    clear_where(headers, |name| name.starts_with(SESSION))
}

/// The sealed login that began with `state`.
pub(crate) fn login<'a>(headers: &'a HeaderMap, state: &str) -> Option<&'a str> {
    one(headers, &login_name(state))
}

/// Remembers a login that begins, beside those that other tabs began.
pub(crate) fn set_login(headers: &HeaderMap, state: &str, sealed: &str) -> Vec<HeaderValue> {
    let begun = all(headers).filter(|(name, _)| name.starts_with(LOGIN.as_bytes())).count();
    let mut set = match begun {
        // So many are not going to be finished; they would crowd out everything else.
        MAX_LOGINS.. => clear_where(headers, |name| name.starts_with(LOGIN)),
        _ => Vec::new(),
    };
    set.extend(line(&login_name(state), &Keep::Seconds(sealed, LOGIN_SECONDS)));
    set
}

/// Forgets the login that began with `state`.
pub(crate) fn clear_login(state: &str) -> Option<HeaderValue> {
    line(&login_name(state), &Keep::Nothing)
}

/// Whether a `Set-Cookie` is about one of our cookies.
pub(crate) fn sets_ours(value: &HeaderValue) -> bool {
    // A name is everything before the first `=`, without blanks; one without `=` is a value.
    let text = value.as_bytes().trim_ascii_start();
    text.get(..PREFIX.len()).is_some_and(|name| name.eq_ignore_ascii_case(PREFIX.as_bytes()))
}

fn piece(number: usize) -> String {
    format!("{SESSION}{number}")
}

fn login_name(state: &str) -> String {
    format!("{LOGIN}{}", state.get(..LOGIN_NAME_CHARS).unwrap_or_default())
}

/// How much of a `state` tells one login of a browser from another.
const LOGIN_NAME_CHARS: usize = 12;

fn clear_where(headers: &HeaderMap, unwanted: impl Fn(&str) -> bool) -> Vec<HeaderValue> {
    all(headers)
        .filter_map(|(name, _)| std::str::from_utf8(name).ok())
        .filter(|name| unwanted(name))
        .filter_map(|name| line(name, &Keep::Nothing))
        .collect()
}

/// A `Set-Cookie`. Not sent from another site but when the user follows a link from there
/// (`SameSite=Lax`), which is how the user comes back from Keycloak.
fn line(name: &str, keep: &Keep<'_>) -> Option<HeaderValue> {
    let (value, lives) = match keep {
        Keep::Session(value) => (*value, String::new()),
        Keep::Seconds(value, seconds) => (*value, format!("; Max-Age={seconds}")),
        Keep::Nothing => ("", "; Max-Age=0".to_owned()),
    };
    let line = format!("{name}={value}; Path=/; Secure; HttpOnly; SameSite=Lax{lives}");
    let mut line = HeaderValue::try_from(line).ok()?;
    line.set_sensitive(true);
    Some(line)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request(cookies: &[&str]) -> HeaderMap {
        cookies
            .iter()
            .map(|cookie| (header::COOKIE, HeaderValue::from_str(cookie).unwrap()))
            .collect()
    }

    /// What a browser sends back after `set`.
    fn sent(set: &[HeaderValue]) -> Vec<String> {
        let pair =
            |line: &HeaderValue| line.to_str().unwrap().split(';').next().unwrap().to_owned();
        set.iter().map(pair).filter(|pair| !pair.ends_with('=')).collect()
    }

    fn headers_of(cookies: &[String]) -> HeaderMap {
        request(&cookies.iter().map(String::as_str).collect::<Vec<_>>())
    }

    fn long() -> String {
        ('a'..='z').cycle().take(2 * PIECE_BYTES + 17).collect()
    }

    #[test]
    fn a_session_comes_back_as_it_was_set() {
        for sealed in ["k.short".to_owned(), "x".repeat(PIECE_BYTES), long()] {
            let cookies = sent(&set_session(&HeaderMap::new(), &sealed).unwrap());
            assert!(cookies.iter().all(|cookie| cookie.len() <= 4096));
            assert_eq!(session(&headers_of(&cookies)), Some(sealed.clone()));
            let one_line = request(&[&format!("theme=dark; {}; b=c", cookies.join("; "))]);
            assert_eq!(session(&one_line), Some(sealed), "in one header, among others");
        }
    }

    #[test]
    fn what_other_programs_set_does_not_end_a_session() {
        let others = HeaderValue::from_bytes(
            "name=J\u{f6}rg; a; =b;; __Host-openclaw-session-0=1.k.short".as_bytes(),
        );
        let headers = HeaderMap::from_iter([(header::COOKIE, others.unwrap())]);
        assert_eq!(session(&headers).as_deref(), Some("k.short"));
    }

    #[test]
    fn pieces_that_are_missing_repeated_or_of_other_places_are_no_session() {
        let sealed = long();
        let cookies = sent(&set_session(&HeaderMap::new(), &sealed).unwrap());
        for missing in 0..cookies.len() {
            let mut rest = cookies.clone();
            rest.remove(missing);
            assert_eq!(session(&headers_of(&rest)), None, "{missing}");
        }
        let twice = [cookies.clone(), vec![cookies[1].clone()]].concat();
        assert_eq!(session(&headers_of(&twice)), None);
        let mut swapped = cookies.clone();
        swapped[1] = cookies[2].replace("session-2", "session-1");
        swapped[2] = cookies[1].replace("session-1", "session-2");
        assert_ne!(session(&headers_of(&swapped)), Some(sealed), "which the seal then notices");
        for first in ["", "a", "0.a", "4.a", "-1.a", "99999999999999999999.a"] {
            assert_eq!(session(&request(&[&format!("{SESSION}0={first}")])), None, "{first:?}");
        }
    }

    #[test]
    fn what_does_not_fit_is_not_set() {
        assert!(set_session(&HeaderMap::new(), &"x".repeat(3 * PIECE_BYTES)).is_some());
        assert!(set_session(&HeaderMap::new(), &"x".repeat(3 * PIECE_BYTES + 1)).is_none());
    }

    #[test]
    fn a_shorter_session_removes_the_pieces_of_a_longer_one() {
        let before = headers_of(&sent(&set_session(&HeaderMap::new(), &long()).unwrap()));
        let set = set_session(&before, "k.short").unwrap();
        let removed = set.iter().filter(|line| line.to_str().unwrap().contains("Max-Age=0"));
        assert_eq!((removed.count(), set.len()), (2, 3));
        assert_eq!(clear_session(&before).len(), 3);
    }

    #[test]
    fn every_cookie_is_for_this_host_alone_and_out_of_reach_of_scripts() {
        let mut set = set_session(&HeaderMap::new(), "s").unwrap();
        set.extend(set_login(&HeaderMap::new(), "abcdefghijklmnop", "l"));
        set.extend(clear_login("abcdefghijklmnop"));
        for line in set {
            assert!(line.is_sensitive());
            let line = line.to_str().unwrap();
            assert!(line.starts_with("__Host-openclaw-"), "{line}");
            for attribute in ["; Path=/", "; Secure", "; HttpOnly", "; SameSite=Lax"] {
                assert!(line.contains(attribute), "{line}");
            }
            assert!(!line.to_lowercase().contains("domain"), "{line}");
        }
    }

    #[test]
    fn logins_in_tabs_do_not_meet_and_are_bounded() {
        let mut cookies = Vec::new();
        for tab in 0..MAX_LOGINS {
            let state = format!("{tab}-state-of-a-tab");
            cookies.extend(sent(&set_login(&headers_of(&cookies), &state, "sealed")));
        }
        let headers = headers_of(&cookies);
        assert_eq!(login(&headers, "3-state-of-a-tab"), Some("sealed"));
        assert_eq!(login(&headers, "9-state-of-a-tab"), None);
        assert_eq!(set_login(&headers, "9-state-of-a-tab", "sealed").len(), MAX_LOGINS + 1);
    }

    #[test]
    fn a_pod_that_sets_one_of_ours_is_noticed() {
        for (line, ours) in [
            ("__Host-openclaw-session-0=x; Path=/", true),
            ("  __host-OPENCLAW-login-x=; Max-Age=0", true),
            ("theme=dark", false),
            ("openclaw=1", false),
            ("a=__Host-openclaw-", false),
        ] {
            assert_eq!(sets_ours(&HeaderValue::from_static(line)), ours, "{line}");
        }
    }
}
