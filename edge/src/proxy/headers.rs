//! Which headers cross the proxy. A header that the upstream trusts is set here or it is not there:
//! everything a client could claim is removed before the caller's own headers are added.

use http::{HeaderMap, HeaderName, HeaderValue, header};

use super::cookies;

/// Fields that belong to one connection (RFC 9110 section 7.6.1, RFC 9112 appendix C.2.2).
const HOP_BY_HOP: [&str; 11] = [
    "connection",
    "http2-settings",
    "keep-alive",
    "proxy-authenticate",
    "proxy-authentication-info",
    "proxy-authorization",
    "proxy-connection",
    "te",
    "transfer-encoding",
    "upgrade",
    // Ours to answer: the body is asked for as soon as the upstream is there.
    "expect",
];

/// Fields by which upstreams of all kinds let a proxy tell who the user is, where the request comes
/// from, or which URL it was for. From a client each is a forgery.
const CLAIMS: [&str; 17] = [
    "authorization",
    "client-ip",
    "fastly-client-ip",
    "forwarded",
    "remote-user",
    "true-client-ip",
    "via",
    "x-client-cert",
    "x-client-ip",
    "x-cluster-client-ip",
    "x-email",
    "x-groups",
    "x-jwt-assertion",
    "x-original-url",
    "x-real-ip",
    "x-rewrite-url",
    "x-user",
];

/// Families of [`CLAIMS`], by prefix.
const CLAIM_FAMILIES: [&str; 17] = [
    "cf-",
    "impersonate-",
    "ssl-client-",
    "tailscale-",
    "x-amzn-oidc-",
    "x-auth-",
    "x-authenticated-",
    "x-envoy-",
    "x-forwarded-",
    "x-goog-",
    "x-ms-client-principal",
    "x-openclaw-",
    "x-original-forwarded-",
    "x-remote-",
    "x-ssl-",
    "x-user-",
    "x-webauth-",
];

/// Makes a client's headers fit for the upstream: what belongs to the client's connection and what
/// a client must not say goes, then `edit` adds what this proxy says.
///
/// This is the only place where a trusted header is set, and it is set after all stripping, so
/// nothing that a client sends (not even `Connection: <our header>`) can add, replace or remove one.
pub fn to_upstream(headers: &mut HeaderMap, edit: impl FnOnce(&mut HeaderMap)) {
    let trailers = accepts_trailers(headers);
    remove_hop_by_hop(headers);
    remove_claims(headers);
    cookies::to_upstream(headers);
    headers.remove(header::CONTENT_LENGTH);
    if trailers {
        headers.insert(header::TE, HeaderValue::from_static("trailers"));
        headers.insert(header::CONNECTION, HeaderValue::from_static("te"));
    }
    edit(headers);
}

/// Removes what belongs to the upstream's connection from its response, and what would set a cookie of
/// the spawner's.
pub fn to_client(headers: &mut HeaderMap) {
    if headers.contains_key(header::TRANSFER_ENCODING) {
        headers.remove(header::CONTENT_LENGTH);
    }
    remove_hop_by_hop(headers);
    cookies::to_client(headers);
}

/// Removes everything that only a proxy may say. Applies to trailers as well.
pub fn remove_claims(headers: &mut HeaderMap) {
    remove_where(headers, is_claim);
}

fn is_claim(name: &str) -> bool {
    // Upstreams that follow CGI read `X_Forwarded_User` as `X-Forwarded-User`. No name that anybody
    // needs has an underscore, so none passes (as in nginx).
    name.contains('_')
        || CLAIMS.contains(&name)
        || CLAIM_FAMILIES.iter().any(|family| name.starts_with(family))
}

fn remove_hop_by_hop(headers: &mut HeaderMap) {
    let named: Vec<HeaderName> = connection_options(headers)
        .filter_map(|option| option.parse().ok())
        // The host is about the request, whatever a client says.
        .filter(|name| name != header::HOST)
        .collect();
    for name in named {
        headers.remove(name);
    }
    for name in HOP_BY_HOP {
        headers.remove(name);
    }
}

fn remove_where(headers: &mut HeaderMap, unwanted: impl Fn(&str) -> bool) {
    let names: Vec<HeaderName> =
        headers.keys().filter(|name| unwanted(name.as_str())).cloned().collect();
    for name in names {
        headers.remove(name);
    }
}

/// The options of all `Connection` fields. What is no text names nothing.
pub(super) fn connection_options(headers: &HeaderMap) -> impl Iterator<Item = &str> {
    list(headers, header::CONNECTION)
}

fn accepts_trailers(headers: &HeaderMap) -> bool {
    list(headers, header::TE).any(|coding| coding.eq_ignore_ascii_case("trailers"))
}

fn list(headers: &HeaderMap, name: HeaderName) -> impl Iterator<Item = &str> {
    headers
        .get_all(name)
        .into_iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .map(str::trim)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(fields: &[(&str, &str)]) -> HeaderMap {
        fields
            .iter()
            .map(|(name, value)| (name.parse::<HeaderName>().unwrap(), value.parse().unwrap()))
            .collect()
    }

    fn forwarded(fields: &[(&str, &str)]) -> HeaderMap {
        let mut headers = headers(fields);
        to_upstream(&mut headers, |_| {});
        headers
    }

    #[test]
    fn what_only_a_proxy_may_say_is_removed() {
        for name in [
            "Authorization",
            "Proxy-Authorization",
            "Forwarded",
            "X-Forwarded-For",
            "X-Forwarded-User",
            "X_Forwarded_User",
            "X-Forwarded_User",
            "x-real-ip",
            "Remote-User",
            "REMOTE_USER",
            "CF-Connecting-IP",
            "True-Client-IP",
            "Tailscale-User-Login",
            "X-OpenClaw-User",
            "X-Auth-Request-Email",
            "X-Remote-Group",
            "Impersonate-User",
            "X-Original-URL",
        ] {
            assert!(forwarded(&[(name, "forged")]).is_empty(), "{name}");
        }
    }

    #[test]
    fn what_is_between_client_and_upstream_passes() {
        let fields = [
            ("host", "a"),
            ("cookie", "theme=dark"),
            ("x-requested-with", "fetch"),
            ("last-event-id", "7"),
            ("sec-websocket-key", "k"),
            ("trailer", "checksum"),
        ];
        assert_eq!(forwarded(&fields), headers(&fields));
    }

    #[test]
    fn what_belongs_to_the_connection_is_removed_also_by_name() {
        let left = forwarded(&[
            ("connection", "keep-alive, X-Private"),
            ("connection", "x-other,, ,host"),
            ("x-private", "1"),
            ("x-other", "2"),
            ("host", "a"),
            ("keep-alive", "timeout=5"),
            ("transfer-encoding", "chunked"),
            ("content-length", "3"),
            ("upgrade", "websocket"),
            ("expect", "100-continue"),
        ]);
        assert_eq!(left, headers(&[("host", "a")]));
    }

    #[test]
    fn a_client_cannot_strip_what_the_proxy_sets() {
        let mut headers = headers(&[
            ("connection", "authorization, x-forwarded-user"),
            ("authorization", "Bearer of-the-client"),
            ("x-forwarded-user", "mallory"),
        ]);
        to_upstream(&mut headers, |headers| {
            headers.insert("x-forwarded-user", HeaderValue::from_static("alice"));
            headers.insert(header::AUTHORIZATION, HeaderValue::from_static("Bearer ours"));
        });
        assert_eq!(headers["x-forwarded-user"], "alice");
        assert_eq!(headers[header::AUTHORIZATION], "Bearer ours");
        assert_eq!(headers.len(), 2);
    }

    #[test]
    fn only_the_wish_for_trailers_is_passed_on() {
        let left = forwarded(&[("te", "gzip, trailers;q=1"), ("connection", "te")]);
        assert!(left.is_empty(), "{left:?}");
        let left = forwarded(&[("te", "gzip, Trailers")]);
        assert_eq!(left, headers(&[("te", "trailers"), ("connection", "te")]));
    }

    #[test]
    fn a_response_keeps_its_length_unless_it_is_chunked() {
        let mut plain =
            headers(&[("content-length", "3"), ("connection", "close, x-hop"), ("x-hop", "1")]);
        to_client(&mut plain);
        assert_eq!(plain, headers(&[("content-length", "3")]));
        let mut chunked = headers(&[("content-length", "3"), ("transfer-encoding", "chunked")]);
        to_client(&mut chunked);
        assert!(chunked.is_empty());
    }
}
