//! Encryption of what a cookie holds. A browser keeps it and cannot read or change it; the first key
//! encrypts, every key decrypts, so that keys can be rotated without signing anybody out.

use aws_lc_rs::{
    aead::{AES_256_GCM_SIV, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey},
    digest, rand,
};
use base64::{Engine as _, engine::general_purpose::STANDARD, prelude::BASE64_URL_SAFE_NO_PAD};

/// Length of a key, in bytes.
const KEY_BYTES: usize = 32;
/// More keys than a rotation ever needs; each costs one attempt per strange cookie.
const MAX_KEYS: usize = 16;

/// The keys, newest first.
pub struct Keys {
    newest: Key,
    older: Vec<Key>,
}

struct Key {
    /// Begins every text that the key sealed, so that one attempt is enough.
    id: String,
    aead: LessSafeKey,
}

/// What a sealed text is for. One is never opened as the other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Purpose {
    /// A user's session.
    Session,
    /// A login that has begun.
    Login,
    /// An operator's session at the control address.
    ControlSession,
    /// A login that has begun there.
    ControlLogin,
}

/// A list of keys that cannot be used. It repeats nothing of a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidKeys {
    /// Not one.
    #[error(
        "there is no cookie key; each line is one: 32 random bytes in base64, the newest first"
    )]
    None,
    /// A line of another form.
    #[error("line {0} is no cookie key; it must be 32 random bytes in base64")]
    Line(usize),
    /// Far more than a rotation needs.
    #[error("there are more than {MAX_KEYS} cookie keys")]
    TooMany,
}

/// The operating system gave no random bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the operating system gave no random bytes")]
pub struct NoRandom;

impl Purpose {
    fn name(self) -> &'static str {
        match self {
            Self::Session => "session",
            Self::Login => "login",
            Self::ControlSession => "control session",
            Self::ControlLogin => "control login",
        }
    }

    /// Bound to the text without being in it.
    fn context(self, key_id: &str) -> Aad<String> {
        Aad::from(format!("openclaw {} {key_id}", self.name()))
    }
}

impl Keys {
    /// Reads keys, one a line, the newest first. Empty lines do not count.
    pub fn parse(text: &str) -> Result<Self, InvalidKeys> {
        let lines = text.lines().enumerate().map(|(at, line)| (at + 1, line.trim()));
        let lines: Vec<_> = lines.filter(|(_, line)| !line.is_empty()).collect();
        if lines.len() > MAX_KEYS {
            return Err(InvalidKeys::TooMany);
        }
        let mut keys = lines
            .into_iter()
            .map(|(at, line)| Key::parse(line).ok_or(InvalidKeys::Line(at)))
            .collect::<Result<Vec<_>, _>>()?
            .into_iter();
        let newest = keys.next().ok_or(InvalidKeys::None)?;
        Ok(Self { newest, older: keys.collect() })
    }

    /// One new key, as a line that [`Keys::parse`] reads.
    pub fn generate() -> Result<String, NoRandom> {
        let mut bytes = [0; KEY_BYTES];
        rand::fill(&mut bytes).map_err(|_| NoRandom)?;
        Ok(STANDARD.encode(bytes))
    }

    /// Encrypts with the newest key, into the characters of a cookie's value.
    pub fn seal(&self, purpose: Purpose, plain: &[u8]) -> Result<String, NoRandom> {
        let mut nonce = [0; NONCE_LEN];
        rand::fill(&mut nonce).map_err(|_| NoRandom)?;
        let Key { id, aead } = &self.newest;
        let mut sealed = plain.to_vec();
        let bound = purpose.context(id);
        aead.seal_in_place_append_tag(Nonce::assume_unique_for_key(nonce), bound, &mut sealed)
            .map_err(|_| NoRandom)?;
        let whole = [&nonce[..], &sealed].concat();
        Ok(format!("{id}.{}", BASE64_URL_SAFE_NO_PAD.encode(whole)))
    }

    /// Decrypts what one of the keys sealed for this purpose. `None` for anything else.
    #[must_use]
    pub fn open(&self, purpose: Purpose, text: &str) -> Option<Vec<u8>> {
        let (id, sealed) = text.split_once('.')?;
        let key = std::iter::once(&self.newest).chain(&self.older).find(|key| key.id == id)?;
        let mut sealed = BASE64_URL_SAFE_NO_PAD.decode(sealed).ok()?;
        let (nonce, sealed) = sealed.split_at_mut_checked(NONCE_LEN)?;
        let nonce = Nonce::try_assume_unique_for_key(nonce).ok()?;
        let plain = key.aead.open_in_place(nonce, purpose.context(id), sealed).ok()?;
        Some(plain.to_vec())
    }
}

impl Key {
    fn parse(line: &str) -> Option<Self> {
        let bytes = STANDARD.decode(line).ok().filter(|bytes| bytes.len() == KEY_BYTES)?;
        let id = digest::digest(&digest::SHA256, &bytes);
        let id = BASE64_URL_SAFE_NO_PAD.encode(id.as_ref().get(..6)?);
        // No nonce is counted anywhere, so replicas draw them at random. With SIV two equal ones
        // would tell no more than that two texts are equal (RFC 8452).
        let aead = LessSafeKey::new(UnboundKey::new(&AES_256_GCM_SIV, &bytes).ok()?);
        Some(Self { id, aead })
    }
}

impl std::fmt::Debug for Keys {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Keys").field("count", &(1 + self.older.len())).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn keys(lines: &[&str]) -> Keys {
        Keys::parse(&lines.join("\n")).unwrap()
    }

    #[test]
    fn only_the_same_purpose_opens_what_was_sealed() {
        let keys = keys(&[&Keys::generate().unwrap()]);
        let sealed = keys.seal(Purpose::Session, b"secret").unwrap();
        assert_eq!(keys.open(Purpose::Session, &sealed).as_deref(), Some(&b"secret"[..]));
        assert_eq!(keys.open(Purpose::Login, &sealed), None);
        assert_ne!(sealed, keys.seal(Purpose::Session, b"secret").unwrap(), "never the same twice");
        assert!(!sealed.contains("secret"));
    }

    #[test]
    fn a_changed_or_cut_text_does_not_open() {
        let keys = keys(&[&Keys::generate().unwrap()]);
        let sealed = keys.seal(Purpose::Session, b"secret").unwrap();
        for at in 0..sealed.len() {
            let mut changed = sealed.clone().into_bytes();
            changed[at] = if changed[at] == b'A' { b'B' } else { b'A' };
            let changed = String::from_utf8(changed).unwrap();
            assert_eq!(keys.open(Purpose::Session, &changed), None, "{at}");
            assert_eq!(keys.open(Purpose::Session, &sealed[..at]), None, "{at}");
        }
        for strange in ["", ".", "a.b", &format!("{sealed}A"), &format!("{sealed}=")] {
            assert_eq!(keys.open(Purpose::Session, strange), None, "{strange:?}");
        }
    }

    #[test]
    fn a_rotation_signs_nobody_out_and_a_removed_key_does() {
        let (old, new) = (Keys::generate().unwrap(), Keys::generate().unwrap());
        let sealed = keys(&[&old]).seal(Purpose::Session, b"secret").unwrap();
        let both = keys(&[&new, "", &old]);
        assert!(both.open(Purpose::Session, &sealed).is_some());
        let resealed = both.seal(Purpose::Session, b"secret").unwrap();
        let only_new = keys(&[&new]);
        assert!(only_new.open(Purpose::Session, &resealed).is_some(), "the first key encrypts");
        assert!(only_new.open(Purpose::Session, &sealed).is_none());
    }

    #[test]
    fn a_key_of_another_form_is_refused_by_its_line() {
        let good = Keys::generate().unwrap();
        let error = |text: &str| Keys::parse(text).unwrap_err();
        assert_eq!(error(" \n"), InvalidKeys::None);
        assert_eq!(error(&format!("{good}\nc2hvcnQ=")), InvalidKeys::Line(2));
        assert_eq!(error("not base64"), InvalidKeys::Line(1));
        assert_eq!(error(&[good.as_str(); 17].join("\n")), InvalidKeys::TooMany);
    }
}
