//! Browsers that have signed in: their sessions are cookies that the spawner unseals for each request.

use std::net::SocketAddr;

use anyhow::{Context as _, Result, ensure};
use bytes::Bytes;

use crate::{
    issuer::code,
    load::{Answer, Connection, get_with},
};

/// How a browser opens a page (Fetch Metadata).
const VISIT: &str =
    "Sec-Fetch-Site: none\r\nSec-Fetch-Mode: navigate\r\nSec-Fetch-Dest: document\r\n";
/// How a page's script asks for something.
const FETCH: &str =
    "Sec-Fetch-Site: same-origin\r\nSec-Fetch-Mode: cors\r\nSec-Fetch-Dest: empty\r\n";

/// A request of a script in a page that `user` has opened after signing in.
pub(super) async fn fetch(spawner: SocketAddr, user: &str, path: &str) -> Result<Bytes> {
    let mut connection = Connection::new(spawner);
    let begun = connection.exchange(&get_with("/-/login?next=/", VISIT)).await?;
    let to = begun.values("location").pop().context("the login leads nowhere")?;
    let parameter = |name: &str| {
        let query = to.split_once('?').map(|(_, query)| query).unwrap_or_default();
        let found = query.split('&').find_map(|pair| pair.strip_prefix(name)?.strip_prefix('='));
        found.with_context(|| format!("the login has no {name}"))
    };
    let back = format!(
        "/-/callback?code={}&state={}",
        code(user, parameter("nonce")?),
        parameter("state")?
    );
    let fields = format!("{VISIT}Cookie: {}\r\n", cookies(&begun));
    let signed_in = connection.exchange(&get_with(&back, &fields)).await?;
    let session = cookies(&signed_in);
    ensure!(
        session.contains("session"),
        "the sign-in is answered {}: {}",
        signed_in.status,
        String::from_utf8_lossy(&signed_in.body)
    );
    Ok(get_with(path, &format!("{FETCH}Cookie: {session}\r\n")))
}

/// The cookies that an answer sets, as a browser sends them.
fn cookies(answer: &Answer) -> String {
    let set = answer.values("set-cookie").into_iter().filter(|set| !set.contains("Max-Age=0"));
    let pairs = set.filter_map(|set| set.split(';').next().map(str::to_owned));
    pairs.collect::<Vec<_>>().join("; ")
}
