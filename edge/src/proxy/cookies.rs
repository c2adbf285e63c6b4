//! The spawner's cookies end at the proxy. They hold the user's own tokens, and what runs in a pod is
//! not trusted with those: neither to read them nor to replace them.

use contract::cookie::PREFIX;
use http::{HeaderMap, HeaderName, HeaderValue, header};

/// Removes the spawner's cookies from a request. The others keep their bytes and their order.
pub(super) fn to_upstream(headers: &mut HeaderMap) {
    keep(headers, header::COOKIE, without_ours);
}

/// Removes from a response what would set one of them.
pub(super) fn to_client(headers: &mut HeaderMap) {
    keep(headers, header::SET_COOKIE, |value| (!is_ours(value)).then(|| value.to_vec()));
}

fn keep(headers: &mut HeaderMap, name: HeaderName, kept: impl Fn(&[u8]) -> Option<Vec<u8>>) {
    let mentioned = |value: &HeaderValue| parts(value.as_bytes()).any(is_ours);
    if !headers.get_all(&name).iter().any(mentioned) {
        return;
    }
    let values: Vec<HeaderValue> = headers
        .get_all(&name)
        .iter()
        .filter_map(|value| kept(value.as_bytes()))
        // A piece of a header's value is one too.
        .filter_map(|value| HeaderValue::from_bytes(&value).ok())
        .collect();
    headers.remove(&name);
    for value in values {
        headers.append(&name, value);
    }
}

fn without_ours(cookies: &[u8]) -> Option<Vec<u8>> {
    let others: Vec<&[u8]> = parts(cookies).filter(|cookie| !is_ours(cookie)).collect();
    let others = others.join(&b';');
    let others = others.trim_ascii();
    (!others.is_empty()).then(|| others.to_vec())
}

/// What is between the semicolons. A session is kilobytes long, so they are not looked at one by one.
fn parts(value: &[u8]) -> impl Iterator<Item = &[u8]> {
    let mut begin = 0;
    let ends = memchr::memchr_iter(b';', value).chain(std::iter::once(value.len()));
    ends.filter_map(move |end| value.get(std::mem::replace(&mut begin, end + 1)..end))
}

/// Browsers compare the prefix without case (RFC 6265bis section 4.1.3), so an upstream may too.
fn is_ours(cookie: &[u8]) -> bool {
    let name = cookie.trim_ascii_start().get(..PREFIX.len());
    name.is_some_and(|name| name.eq_ignore_ascii_case(PREFIX.as_bytes()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kept(name: HeaderName, values: &[&str], change: impl Fn(&mut HeaderMap)) -> Vec<String> {
        let mut headers = HeaderMap::new();
        for value in values {
            headers.append(&name, value.parse().unwrap());
        }
        change(&mut headers);
        headers.get_all(&name).iter().map(|value| value.to_str().unwrap().to_owned()).collect()
    }

    #[test]
    fn the_spawners_cookies_do_not_reach_a_pod() {
        let cookies = |values: &[&str]| kept(header::COOKIE, values, to_upstream);
        let odd = "a=1;b=\"x y\" ;  c=;d";
        assert_eq!(cookies(&[odd, "e=2"]), [odd, "e=2"]);
        assert_eq!(cookies(&["__Host-openclaw-session-0=s"]), [""; 0]);
        assert_eq!(cookies(&["a=1; __Host-openclaw-session-0=s; b=2"]), ["a=1; b=2"]);
        assert_eq!(cookies(&["__Host-openclaw-login-x=s;a=1"]), ["a=1"]);
        assert_eq!(cookies(&["a=1;__host-OPENCLAW-session-1=s", "b=2"]), ["a=1", "b=2"]);
        assert_eq!(cookies(&["a=__Host-openclaw-session-0"]), ["a=__Host-openclaw-session-0"]);
    }

    #[test]
    fn a_pod_does_not_set_them() {
        let set = |values: &[&str]| kept(header::SET_COOKIE, values, to_client);
        let own = "theme=dark; Path=/";
        assert_eq!(set(&[own, "__Host-openclaw-session-0=x; Path=/; Secure"]), [own]);
        assert_eq!(set(&[" __HOST-openclaw-session-0=x"]), [""; 0]);
    }
}
