//! What every token of the issuer goes through first: form, key, signature. What its claims must say
//! depends on its kind.

use super::{KeySet, Rejection, Token, claims::Claims, jose::JoseHeader, json, token::decode};

/// What a token is for. Its issuer signs all kinds with the same keys, so each is told apart by more
/// than its signature (RFC 8725 section 3.11).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum TokenKind {
    /// It opens the door (RFC 9068).
    Access,
    /// It ends a session (OpenID Connect Back-Channel Logout 1.0 section 2.4).
    Logout,
    /// It tells a client who signed in (OpenID Connect Core 1.0 section 2).
    Id,
}

impl TokenKind {
    /// What the header's `typ` may be, letter case aside (RFC 7515 section 4.1.9).
    pub(super) const fn header_types(self) -> &'static [&'static str] {
        match self {
            Self::Access => &["JWT", "at+jwt", "application/at+jwt"],
            Self::Logout => &["JWT", "logout+jwt", "application/logout+jwt"],
            Self::Id => &["JWT"],
        }
    }
}

/// The claims of a token that one of `keys` signed.
///
/// # Errors
/// The first check that fails, in the order of trust: form, header, key, signature, claims.
pub(super) fn signed_claims(
    token: &Token,
    keys: &KeySet,
    kind: TokenKind,
) -> Result<Claims, Rejection> {
    let parts = token.parts();
    let part = |text| decode(text).ok_or(Rejection::MalformedToken);
    let (header, claims, signature) =
        (part(parts.header)?, part(parts.claims)?, part(parts.signature)?);
    let header = JoseHeader::parse(&header, kind)?;
    keys.check_signature(&header.kid, header.algorithm, parts.signed, &signature)?;
    json::object(&claims).map(Claims::new).map_err(|_| Rejection::MalformedClaims)
}
