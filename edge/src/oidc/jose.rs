use serde_json::Value;

use super::{Rejection, algorithm::Algorithm, json, signed::TokenKind};

/// What we use of a token's header (RFC 7515 section 4.1).
#[derive(Debug)]
pub(super) struct JoseHeader {
    pub(super) algorithm: Algorithm,
    pub(super) kid: String,
}

/// Where a token would have its own key taken from (RFC 7515 sections 4.1.2 to 4.1.6). The issuer's
/// keys come from the issuer, so these could be ignored; but no issuer of ours sends them, and who
/// does is trying something. Thumbprints (`x5t`) only name a key and are ignored.
const KEY_SOURCES: [&str; 4] = ["jwk", "jku", "x5u", "x5c"];

/// Marks of a payload that is not the claims as they stand: unencoded (RFC 7797), compressed or
/// encrypted (RFC 7516).
const OTHER_PAYLOADS: [&str; 3] = ["b64", "zip", "enc"];

impl JoseHeader {
    pub(super) fn parse(bytes: &[u8], kind: TokenKind) -> Result<Self, Rejection> {
        let header = json::object(bytes).map_err(|_| Rejection::MalformedHeader)?;
        let has = |name: &&str| header.contains_key(*name);
        // We understand no extension, so every `crit` has to be refused, an empty one too.
        if header.contains_key("crit") {
            return Err(Rejection::CriticalHeader);
        }
        if KEY_SOURCES.iter().any(has) {
            return Err(Rejection::BringsItsKey);
        }
        if OTHER_PAYLOADS.iter().any(has) {
            return Err(Rejection::OtherPayload);
        }
        let is_of_kind = |typ: &Value| {
            let known = kind.header_types();
            typ.as_str()
                .is_some_and(|typ| known.iter().any(|known| typ.eq_ignore_ascii_case(known)))
        };
        if !header.get("typ").is_none_or(is_of_kind) {
            return Err(Rejection::OtherHeaderType);
        }
        let text = |name| header.get(name).and_then(Value::as_str);
        let algorithm = text("alg").and_then(Algorithm::from_name);
        let algorithm = algorithm.ok_or(Rejection::UnsupportedAlgorithm)?;
        let kid = text("kid").ok_or(Rejection::MissingKeyId)?.to_owned();
        Ok(Self { algorithm, kid })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(header: &str) -> Result<&'static str, Rejection> {
        JoseHeader::parse(header.as_bytes(), TokenKind::Access)
            .map(|header| header.algorithm.name())
    }

    #[test]
    fn ordinary_headers_are_read() {
        for good in [
            r#"{"alg":"RS256","typ":"JWT","kid":"a"}"#,
            r#"{"alg":"RS256","kid":"a"}"#,
            r#"{"alg":"RS256","kid":"","typ":"at+jwt","x5t":"AAAA"}"#,
            r#"{"alg":"RS256","kid":"a","typ":"application/AT+JWT"}"#,
        ] {
            assert_eq!(parse(good), Ok("RS256"), "{good}");
        }
    }

    #[test]
    fn a_logout_token_has_a_type_of_its_own() {
        for (typ, access, logout) in [
            ("JWT", true, true),
            ("at+jwt", true, false),
            ("logout+jwt", false, true),
            ("application/Logout+JWT", false, true),
            ("dpop+jwt", false, false),
        ] {
            let header = format!(r#"{{"alg":"ES256","kid":"a","typ":"{typ}"}}"#);
            for (kind, good) in [(TokenKind::Access, access), (TokenKind::Logout, logout)] {
                let outcome = JoseHeader::parse(header.as_bytes(), kind).map(|_| ());
                let expected = if good { Ok(()) } else { Err(Rejection::OtherHeaderType) };
                assert_eq!(outcome, expected, "{typ} {kind:?}");
            }
        }
    }

    #[test]
    fn strange_headers_are_refused() {
        use Rejection::*;
        for (bad, reason) in [
            (r#"["RS256"]"#, MalformedHeader),
            (r#"{"alg":"none","alg":"RS256","kid":"a"}"#, MalformedHeader),
            (r#"{"alg":"RS256","kid":"a","crit":[]}"#, CriticalHeader),
            (r#"{"alg":"RS256","kid":"a","crit":null}"#, CriticalHeader),
            (r#"{"alg":"RS256","kid":"a","crit":["b64"],"b64":false}"#, CriticalHeader),
            (r#"{"alg":"RS256","kid":"a","jwk":{}}"#, BringsItsKey),
            (r#"{"alg":"RS256","kid":"a","jku":null}"#, BringsItsKey),
            (r#"{"alg":"RS256","kid":"a","x5u":"https://evil/"}"#, BringsItsKey),
            (r#"{"alg":"RS256","kid":"a","x5c":[]}"#, BringsItsKey),
            (r#"{"alg":"RS256","kid":"a","b64":true}"#, OtherPayload),
            (r#"{"alg":"RS256","kid":"a","zip":"DEF"}"#, OtherPayload),
            (r#"{"alg":"RS256","kid":"a","enc":"A256GCM"}"#, OtherPayload),
            (r#"{"alg":"RS256","kid":"a","typ":"logout+jwt"}"#, OtherHeaderType),
            (r#"{"alg":"RS256","kid":"a","typ":"at+jwt "}"#, OtherHeaderType),
            (r#"{"alg":"RS256","kid":"a","typ":"jwt;a=b"}"#, OtherHeaderType),
            (r#"{"alg":"RS256","kid":"a","typ":"application/jwt"}"#, OtherHeaderType),
            (r#"{"alg":"RS256","kid":"a","typ":""}"#, OtherHeaderType),
            (r#"{"alg":"RS256","kid":"a","typ":null}"#, OtherHeaderType),
            (r#"{"alg":"RS256","kid":"a","typ":["JWT"]}"#, OtherHeaderType),
            (r#"{"alg":"none","kid":"a"}"#, UnsupportedAlgorithm),
            (r#"{"alg":"nOnE","kid":"a"}"#, UnsupportedAlgorithm),
            (r#"{"alg":"HS256","kid":"a"}"#, UnsupportedAlgorithm),
            (r#"{"alg":"RS1","kid":"a"}"#, UnsupportedAlgorithm),
            (r#"{"alg":"ES512","kid":"a"}"#, UnsupportedAlgorithm),
            (r#"{"alg":"ES256K","kid":"a"}"#, UnsupportedAlgorithm),
            (r#"{"alg":"rs256","kid":"a"}"#, UnsupportedAlgorithm),
            (r#"{"alg":"","kid":"a"}"#, UnsupportedAlgorithm),
            (r#"{"alg":["RS256"],"kid":"a"}"#, UnsupportedAlgorithm),
            (r#"{"kid":"a"}"#, UnsupportedAlgorithm),
            (r#"{"alg":"RS256"}"#, MissingKeyId),
            (r#"{"alg":"RS256","kid":5}"#, MissingKeyId),
        ] {
            assert_eq!(parse(bad), Err(reason), "{bad}");
        }
    }
}
