use serde_json::Value;

use super::{Rejection, algorithm::Algorithm, json};

/// What we use of a token's header (RFC 7515 section 4.1).
///
/// `jwk`, `jku`, `x5u` and `x5c` are not read: a token does not say which key to trust, it only
/// names one of the issuer's.
#[derive(Debug)]
pub(super) struct JoseHeader {
    pub(super) algorithm: Algorithm,
    pub(super) kid: String,
}

/// Header types of access tokens (RFC 7519 section 5.1, RFC 9068 section 2.1). A logout token has
/// another one.
const TYPES: [&str; 3] = ["JWT", "at+jwt", "application/at+jwt"];

impl JoseHeader {
    pub(super) fn parse(bytes: &[u8]) -> Result<Self, Rejection> {
        let header = json::object(bytes).map_err(|_| Rejection::MalformedHeader)?;
        // We understand no extension, so every `crit` has to be refused, an empty one too.
        if header.contains_key("crit") {
            return Err(Rejection::CriticalHeader);
        }
        let is_access_token = |typ: &Value| {
            typ.as_str()
                .is_some_and(|typ| TYPES.iter().any(|known| typ.eq_ignore_ascii_case(known)))
        };
        if !header.get("typ").is_none_or(is_access_token) {
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
        JoseHeader::parse(header.as_bytes()).map(|header| header.algorithm.name())
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
    fn strange_headers_are_refused() {
        use Rejection::*;
        for (bad, reason) in [
            (r#"["RS256"]"#, MalformedHeader),
            (r#"{"alg":"none","alg":"RS256","kid":"a"}"#, MalformedHeader),
            (r#"{"alg":"RS256","kid":"a","crit":[]}"#, CriticalHeader),
            (r#"{"alg":"RS256","kid":"a","crit":null}"#, CriticalHeader),
            (r#"{"alg":"RS256","kid":"a","crit":["b64"],"b64":false}"#, CriticalHeader),
            (r#"{"alg":"RS256","kid":"a","typ":"logout+jwt"}"#, OtherHeaderType),
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
