//! `sidecar verify`: the proxy's own verdict on a token, offline, with the reason in words.

use std::{
    fmt,
    io::{self, Read},
    path::PathBuf,
};

use contract::UserId;
use edge::{
    oidc::{KeyFileError, KeySet, PolicyArgs, Rejection, Token, UnixTime, Verified, verify},
    program::Failure,
};
use http::{HeaderMap, HeaderValue, header::AUTHORIZATION};
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
#[error("--jwks-file")]
struct KeysError(#[source] KeyFileError);

/// Decides about the token in `input`.
///
/// # Errors
/// When there is no verdict: the key set or the input cannot be read.
pub fn run(args: Args, input: impl Read) -> Result<Verdict, Failure> {
    let Args { policy, jwks_file, user, at } = args;
    let keys = KeySet::from_file(&jwks_file).map_err(|error| Failure::config(KeysError(error)))?;
    let credentials = read_credentials(input).map_err(Failure::runtime)?;
    let now = at.map_or_else(UnixTime::now, unix_time);
    let verified = token_of(&credentials)
        .and_then(|token| verify(&token, &keys, &policy.policy(), now))
        .and_then(|verified| match user {
            Some(user) => verified.of(&user),
            None => Ok(verified),
        });
    Ok(verified.map_or_else(Verdict::Refused, Verdict::Accepted))
}

/// The token as it came, perhaps too long to be one.
fn read_credentials(input: impl Read) -> io::Result<Vec<u8>> {
    let enough_to_see = Token::MAX_BYTES as u64 + 1024;
    let mut bytes = Vec::new();
    input.take(enough_to_see).read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// Reads the token as the proxy does, from a header: without the line end of the file, and with or
/// without `Bearer`, with which it is often copied.
fn token_of(input: &[u8]) -> Result<Token, Rejection> {
    let token = input.trim_ascii();
    let token = token.strip_prefix(b"Bearer ").unwrap_or(token);
    // What cannot stand in a header the proxy's HTTP refuses, with the same status.
    let value = HeaderValue::from_bytes(&[b"Bearer ", token].concat())
        .map_err(|_| Rejection::MalformedAuthorization)?;
    Token::from_headers(&HeaderMap::from_iter([(AUTHORIZATION, value)]))
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
