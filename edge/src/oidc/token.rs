use std::fmt;

use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};
use http::{HeaderMap, header::AUTHORIZATION};

use super::Rejection;

/// A bearer token as it came, of the right form but not yet verified.
///
/// A secret: it has no `Display`, and its `Debug` hides the text.
#[derive(Clone)]
pub struct Token {
    text: String,
    /// Where the two dots are.
    dots: [usize; 2],
}

/// The three parts of a signed token (RFC 7515 section 3.1), still encoded.
pub(super) struct Parts<'token> {
    pub(super) header: &'token str,
    pub(super) claims: &'token str,
    pub(super) signature: &'token str,
    /// What the signature covers: header, dot, claims.
    pub(super) signed: &'token str,
}

impl Token {
    /// Longest token that is looked at, in bytes. Keycloak's have about 1.1 KB, with many roles 8 KB.
    pub const MAX_BYTES: usize = 16 * 1024;

    /// Takes the token from the one `Authorization: Bearer` header of a request (RFC 6750 section 2.1).
    ///
    /// # Errors
    /// Refuses two headers even when they are equal: whoever reads the first and whoever reads the
    /// last must not see different users. Another scheme counts as no token.
    pub fn from_headers(headers: &HeaderMap) -> Result<Self, Rejection> {
        let mut values = headers.get_all(AUTHORIZATION).iter();
        let value = values.next().ok_or(Rejection::MissingToken)?;
        if values.next().is_some() {
            return Err(Rejection::SeveralAuthorizations);
        }
        let value = value.to_str().map_err(|_| Rejection::MalformedAuthorization)?;
        let (scheme, token) = value.split_once(' ').unwrap_or((value, ""));
        if !scheme.eq_ignore_ascii_case("bearer") {
            return Err(Rejection::MissingToken);
        }
        let token = token.trim_start_matches(' ');
        // Whatever is a token is a token68 as well, so that is asked of the others alone.
        Self::from_text(token).map_err(|rejection| {
            let malformed = token.is_empty() || !token.bytes().all(is_token68);
            if malformed { Rejection::MalformedAuthorization } else { rejection }
        })
    }

    /// Takes the bare text of a token: three base64url parts with dots between, none of them empty.
    ///
    /// # Errors
    /// [`Rejection::TokenTooLarge`] before anything is read, or [`Rejection::MalformedToken`].
    pub fn from_text(text: &str) -> Result<Self, Rejection> {
        if text.len() > Self::MAX_BYTES {
            return Err(Rejection::TokenTooLarge);
        }
        let dots = dots(text).ok_or(Rejection::MalformedToken)?;
        Ok(Self { text: text.to_owned(), dots })
    }

    /// The secret text, for the one place that passes it on.
    #[must_use]
    pub fn expose(&self) -> &str {
        &self.text
    }

    pub(super) fn parts(&self) -> Parts<'_> {
        let [first, second] = self.dots;
        let (signed, signature) = self.text.split_at(second);
        let (header, claims) = signed.split_at(first);
        Parts { header, claims: after_dot(claims), signature: after_dot(signature), signed }
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Token(..)")
    }
}

/// Decodes base64url strictly: no padding, no blanks, no loose bits at the end (RFC 7515 section 2).
pub(super) fn decode(part: &str) -> Option<Vec<u8>> {
    BASE64_URL_SAFE_NO_PAD.decode(part).ok()
}

fn after_dot(part: &str) -> &str {
    part.strip_prefix('.').unwrap_or_default()
}

/// Where the two dots are, if nothing else is wrong. Each request's token comes through here.
fn dots(text: &str) -> Option<[usize; 2]> {
    let bytes = text.as_bytes();
    let mut dots = memchr::memchr_iter(b'.', bytes);
    let (first, second) = (dots.next()?, dots.next()?);
    let parts_are_filled = first > 0 && second > first + 1 && second + 1 < bytes.len();
    let others = bytes.iter().fold(0, |sum, byte| sum + usize::from(!is_base64url(*byte)));
    (parts_are_filled && dots.next().is_none() && others == 2).then_some([first, second])
}

fn is_base64url(byte: u8) -> bool {
    BASE64URL.get(usize::from(byte)).copied().unwrap_or_default()
}

/// The alphabet of RFC 4648 section 5. A table takes a third of the instructions of comparisons.
#[expect(clippy::indexing_slicing, reason = "evaluated while compiling")]
static BASE64URL: [bool; 256] = {
    let mut table = [false; 256];
    let mut byte = 0;
    while byte < 128_u8 {
        table[byte as usize] = byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_');
        byte += 1;
    }
    table
};

/// RFC 9110 section 11.2: what may follow the scheme.
const fn is_token68(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~' | b'+' | b'/' | b'=')
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    fn from_values(values: &[&[u8]]) -> Result<String, Rejection> {
        let mut headers = HeaderMap::new();
        for value in values {
            headers.append(AUTHORIZATION, HeaderValue::from_bytes(value).unwrap());
        }
        Token::from_headers(&headers).map(|token| token.expose().to_owned())
    }

    #[test]
    fn the_scheme_is_case_insensitive_and_blanks_may_repeat() {
        for good in ["Bearer a.b.c", "bearer a.b.c", "BEARER   a.b.c"] {
            assert_eq!(from_values(&[good.as_bytes()]), Ok("a.b.c".to_owned()), "{good}");
        }
    }

    #[test]
    fn no_token_is_not_a_bad_token() {
        assert_eq!(from_values(&[]), Err(Rejection::MissingToken));
        for other in ["", "Basic YTpi", "Bearera.b.c", "a.b.c", "Token a.b.c", "Bearer\ta.b.c"] {
            assert_eq!(from_values(&[other.as_bytes()]), Err(Rejection::MissingToken), "{other:?}");
        }
    }

    #[test]
    fn a_malformed_header_is_a_bad_request() {
        for bad in [
            &b"Bearer"[..],
            b"Bearer ",
            b"Bearer a.b.c d",
            b"Bearer a.b.c, Bearer a.b.c",
            b"Bearer \ta.b.c",
            b"Bearer \"a.b.c\"",
            b"Bearer a.b.c\xff",
        ] {
            assert_eq!(from_values(&[bad]), Err(Rejection::MalformedAuthorization), "{bad:?}");
        }
    }

    #[test]
    fn two_headers_are_refused_also_when_equal() {
        for pair in
            [["Bearer a.b.c", "Bearer a.b.c"], ["Basic x", "Bearer a.b.c"], ["Bearer a.b.c", ""]]
        {
            let values = pair.map(str::as_bytes);
            assert_eq!(from_values(&values), Err(Rejection::SeveralAuthorizations), "{pair:?}");
        }
    }

    #[test]
    fn a_token_has_three_base64url_parts() {
        for bad in [
            "",
            "a",
            "a.b",
            "a.b.",
            "a..c",
            ".b.c",
            "a.b.c.d",
            "a.b.c.d.e",
            ".a.b.c",
            "a.b.c.",
            "..",
            "a=.b.c",
            "a.b/.c",
            "a.b+.c",
            "a.b.c\n",
            " a.b.c",
            "a.b.\u{e9}",
        ] {
            assert_eq!(Token::from_text(bad).unwrap_err(), Rejection::MalformedToken, "{bad:?}");
        }
    }

    #[test]
    fn the_size_is_bounded_before_anything_is_read() {
        let longest = format!("a.b.{}", "c".repeat(Token::MAX_BYTES - 4));
        assert!(Token::from_text(&longest).is_ok());
        let junk = "\0".repeat(Token::MAX_BYTES + 1);
        assert_eq!(Token::from_text(&junk).unwrap_err(), Rejection::TokenTooLarge);
    }

    #[test]
    fn base64url_is_strict() {
        assert_eq!(decode("_-8"), Some(vec![0xff, 0xef]));
        for bad in ["_-9", "_-8=", "+/8", "_", "_-8 ", "\n_-8"] {
            assert_eq!(decode(bad), None, "{bad:?}");
        }
    }

    #[test]
    fn a_token_does_not_print() {
        let token = Token::from_text("secret.secret.secret").unwrap();
        assert_eq!(format!("{token:?}"), "Token(..)");
    }
}
