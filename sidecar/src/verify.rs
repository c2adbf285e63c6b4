//! `sidecar verify`: the proxy's own verdict on a token, offline, with the reason in words.

use std::{
    fmt,
    io::{self, Read},
    path::PathBuf,
};

use contract::UserId;
use edge::{
    oidc::{KeySet, KeySetError, PolicyArgs, Rejection, Token, UnixTime, Verified, verify},
    program::Failure,
};
use jiff::Timestamp;

/// Say what the proxy would say about a token, and why
#[derive(Clone, Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct Args {
    #[command(flatten)]
    policy: PolicyArgs,

    /// The issuer's key set: save it from the `jwks_uri` of its discovery document
    #[arg(long, env = "OIDC_JWKS_FILE", value_name = "FILE")]
    jwks_file: PathBuf,

    /// The user whose pod it is
    #[arg(long, env = "USER_UUID", value_name = "UUID")]
    user: Option<UserId>,

    /// The time of the verdict; without it, now
    #[arg(long, value_name = "RFC3339")]
    at: Option<Timestamp>,
}

const EXAMPLES: &str = "\
The token is read from standard input, so that it stands in no shell history and no process list.
Exit code 0: accepted. 1: refused. 2: bad usage. 78: the key set cannot be used.

Examples:
  curl -s https://keycloak.example/realms/acme/protocol/openid-connect/certs > jwks.json
  sidecar verify --issuer https://keycloak.example/realms/acme --audience openclaw \\
    --jwks-file jwks.json < token
  ... --user 11111111-2222-4333-8444-555555555555   also: is it this user's?
  ... --at 2026-11-23T12:00:00Z                     was it good at that time?";

/// What the proxy says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Exit code 0.
    Accepted(Verified),
    /// Exit code 1.
    Refused(Rejection),
}

/// A key set file that cannot be used.
#[derive(Debug, thiserror::Error)]
enum KeysError {
    #[error("--jwks-file: cannot read {}", path.display())]
    Unreadable { path: PathBuf, source: io::Error },
    #[error("--jwks-file: {} is not usable", path.display())]
    Unusable { path: PathBuf, source: KeySetError },
}

/// Decides about the token in `input`.
///
/// # Errors
/// When there is no verdict: the key set or the input cannot be read.
pub fn run(args: Args, input: impl Read) -> Result<Verdict, Failure> {
    let Args { policy, jwks_file, user, at } = args;
    let keys = read_keys(jwks_file).map_err(Failure::config)?;
    let text = read_token(input).map_err(Failure::runtime)?;
    let now = at.map_or_else(UnixTime::now, unix_time);
    let verified = Token::from_text(&text)
        .and_then(|token| verify(&token, &keys, &policy.policy(), now))
        .and_then(|verified| match user {
            Some(user) => verified.of(&user),
            None => Ok(verified),
        });
    Ok(verified.map_or_else(Verdict::Refused, Verdict::Accepted))
}

fn read_keys(path: PathBuf) -> Result<KeySet, KeysError> {
    match std::fs::read(&path) {
        Ok(jwks) => KeySet::parse(&jwks).map_err(|source| KeysError::Unusable { path, source }),
        Err(source) => Err(KeysError::Unreadable { path, source }),
    }
}

/// The token, without the line end of the file and without `Bearer`, with which it is often copied.
fn read_token(input: impl Read) -> io::Result<String> {
    // Enough to see that it is too long.
    let limit = Token::MAX_BYTES as u64 + 1024;
    let mut bytes = Vec::new();
    input.take(limit).read_to_end(&mut bytes)?;
    let text = String::from_utf8_lossy(&bytes);
    let text = text.trim();
    Ok(text.strip_prefix("Bearer ").unwrap_or(text).to_owned())
}

/// Times before 1970 read as 1970.
fn unix_time(at: Timestamp) -> UnixTime {
    UnixTime::from_secs(u64::try_from(at.as_second()).unwrap_or(0))
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Accepted(Verified { user, expires_at, .. }) => {
                write!(f, "accepted: user {user}, expires {expires_at}")
            }
            Self::Refused(rejection) => {
                let status = rejection.status().as_u16();
                write!(f, "refused ({status}, {}): {rejection}", rejection.reason())
            }
        }
    }
}
