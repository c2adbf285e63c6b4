//! The judge that is asked over HTTP: the real program in front of a runtime that counts.

use std::{
    collections::BTreeMap,
    io::{BufRead, BufReader, Read, Write},
    net::{SocketAddr, TcpListener, TcpStream},
    path::PathBuf,
    process::{Child, Command, Stdio},
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    thread,
    time::Duration,
};

use edge::oidc::testing::ALICE;
use serde_json::Value;

use crate::case::{Case, Said, Setting};

/// A running `sidecar proxy`.
pub(crate) struct Proxy {
    child: Child,
    data: SocketAddr,
    admin: SocketAddr,
    reached: Arc<AtomicUsize>,
}

/// Longest wait for any answer.
const PATIENCE: Duration = Duration::from_secs(20);

impl Proxy {
    pub(crate) fn start(setting: Setting, jwks: PathBuf) -> Self {
        let (upstream, reached) = runtime();
        let mut child = Command::new(env!("CARGO_BIN_EXE_sidecar"))
            .args(["proxy", "--listen=127.0.0.1:0", "--admin-listen=127.0.0.1:0"])
            .args(["--gateway-auth=none", "--log-format=json", "--user", ALICE])
            .args([
                format!("--upstream=http://{upstream}"),
                format!("--jwks-file={}", jwks.display()),
            ])
            .args(setting.flags())
            .env_clear()
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut log = BufReader::new(child.stderr.take().unwrap()).lines();
        let mut ports = BTreeMap::new();
        while ports.len() < 2 {
            let line = log.next().expect("it says where it listens").unwrap();
            let line: Value = serde_json::from_str(&line).expect(&line);
            if let (Some(name), Some(address)) =
                (line["listener"].as_str(), line["address"].as_str())
            {
                ports.insert(name.to_owned(), address.parse().unwrap());
            }
        }
        // What nobody reads would block it in the end.
        thread::spawn(move || log.for_each(drop));
        Self { child, data: ports["data"], admin: ports["admin"], reached }
    }

    /// Sends the token as a user would. The client learns the status; the reason is for the operator,
    /// who sees it counted.
    pub(crate) fn verdict(&self, case: &Case) -> Said {
        let before = self.counts();
        let authorization = format!("Authorization: Bearer {}\r\n", case.credentials);
        let (status, headers) = ask(self.data, "/v1/models", &authorization);
        check_challenge(case, status, &headers);
        let after = self.counts();
        let grown = |(reason, count): &(&String, &u64)| before.get(*reason).unwrap_or(&0) != *count;
        let reasons: Vec<_> =
            after.iter().filter(grown).map(|(reason, _)| reason.clone()).collect();
        Said { status, reason: reasons.join("+") }
    }

    /// How many requests reached the runtime.
    pub(crate) fn passed(&self) -> usize {
        self.reached.load(Ordering::SeqCst)
    }

    fn counts(&self) -> BTreeMap<String, u64> {
        let (status, metrics) = ask(self.admin, "/metrics", "");
        assert_eq!(status, 200);
        let count = |line: &str| {
            let line = line.strip_prefix("openclaw_sidecar_auth_result_total{reason=\"")?;
            let (reason, count) = line.split_once("\"} ")?;
            Some((reason.to_owned(), count.trim().parse().ok()?))
        };
        metrics.lines().filter_map(count).collect()
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// RFC 6750 section 3.1, and no more than that.
fn check_challenge(case: &Case, status: u16, headers: &str) {
    let challenge = headers.lines().find_map(|line| line.strip_prefix("www-authenticate: "));
    let code = match status {
        200 => None,
        400 => Some("invalid_request"),
        403 => Some("insufficient_scope"),
        _ => Some("invalid_token"),
    };
    let expected = code.map(|code| format!("Bearer realm=\"openclaw\", error=\"{code}\""));
    assert_eq!(challenge, expected.as_deref(), "{}: {headers}", case.name);
}

/// One request on a connection of its own; gives the status and the whole answer.
fn ask(address: SocketAddr, path: &str, header: &str) -> (u16, String) {
    let mut stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    let request =
        format!("GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n{header}\r\n");
    stream.write_all(request.as_bytes()).unwrap();
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).unwrap();
    let answer = String::from_utf8(answer).unwrap();
    let status = answer.get(9..12).expect("a status line").parse().unwrap();
    (status, answer)
}

/// A runtime that answers everything and counts.
fn runtime() -> (SocketAddr, Arc<AtomicUsize>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let reached = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&reached);
    thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = BufReader::new(stream.unwrap());
            let head =
                stream.by_ref().lines().map_while(Result::ok).take_while(|it| !it.is_empty());
            if head.count() > 0 {
                count.fetch_add(1, Ordering::SeqCst);
                let answer = "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\nok";
                stream.get_mut().write_all(answer.as_bytes()).unwrap();
            }
        }
    });
    (address, reached)
}
