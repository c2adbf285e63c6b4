//! The program itself: ready is only who serves a certificate that its callers trust.
#![expect(clippy::unwrap_used, reason = "a test that cannot be set up has to fail")]

use std::{
    io::{BufRead, BufReader, Read, Write},
    net::{SocketAddr, TcpStream},
    path::Path,
    process::{Child, Command, Stdio},
    sync::mpsc::{Receiver, channel},
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use serde_json::Value;
use webhook::authority::Ca;

const DAY: Duration = Duration::from_hours(24);
/// How long the program may say nothing. It takes less than a second.
const LONGEST: Duration = Duration::from_secs(60);
const NAME: &str = "webhook.system.svc";

struct Webhook {
    child: Child,
    log: Receiver<String>,
    admin: SocketAddr,
}

impl Webhook {
    /// Serves what lies in `folder`, for clients that call it [`NAME`]; `extra` is more of `tls`.
    fn start(folder: &Path, extra: &str) -> Self {
        let file = |name: &str| folder.join(name).display().to_string();
        let config = format!(
            "sidecar: {{image: 'registry.example/sidecar:1'}}\n\
             oidc: {{issuer: https://id.example, audience: openclaw}}\n\
             tls: {{mode: provided, certFile: {}, keyFile: {}, caFile: {}, serverName: {NAME}{extra}}}\n",
            file("tls.crt"),
            file("tls.key"),
            file("ca.crt"),
        );
        std::fs::write(folder.join("webhook.yaml"), config).unwrap();
        let mut child = Command::new(env!("CARGO_BIN_EXE_webhook"))
            .args([
                "serve",
                "--listen=127.0.0.1:0",
                "--admin-listen=127.0.0.1:0",
                "--log-format=json",
            ])
            .arg("--config")
            .arg(folder.join("webhook.yaml"))
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let lines = BufReader::new(child.stderr.take().unwrap()).lines();
        let (told, log) = channel();
        std::thread::spawn(move || {
            // Read to its end, or the program would wait for a reader.
            lines.map_while(Result::ok).for_each(|line| drop(told.send(line)));
        });
        let told = event(&log, "listener", "admin");
        let admin = told.get("address").and_then(Value::as_str).unwrap().parse().unwrap();
        Self { child, log, admin }
    }

    fn readyz(&self) -> String {
        let mut stream = TcpStream::connect(self.admin).unwrap();
        stream.write_all(b"GET /readyz HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n").unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        answer
    }

    /// What `/readyz` says once the handshake has been tried.
    fn verdict(&self) -> String {
        drop(event(&self.log, "gate", "handshake"));
        self.readyz()
    }
}

impl Drop for Webhook {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

/// The next event of the log with this field.
fn event(log: &Receiver<String>, field: &str, value: &str) -> Value {
    loop {
        let line = log.recv_timeout(LONGEST).unwrap();
        let event: Value = serde_json::from_str(&line).unwrap_or_default();
        if event.get(field).is_some_and(|found| found == value) {
            return event;
        }
    }
}

fn now() -> i64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs().try_into().unwrap()
}

/// A CA in `ca.crt`, and a certificate for `name` that `signer`, or it, signed.
fn put(folder: &Path, signer: Option<&Ca>, name: &str) {
    let ca = Ca::generate(now(), 2 * DAY).unwrap();
    let leaf = signer.unwrap_or(&ca).issue(vec![name.to_owned()], now(), DAY).unwrap();
    std::fs::write(folder.join("ca.crt"), ca.certificate()).unwrap();
    std::fs::write(folder.join("tls.crt"), leaf.certificate).unwrap();
    std::fs::write(folder.join("tls.key"), leaf.key).unwrap();
}

#[test]
fn a_certificate_that_the_api_server_trusts_is_ready() {
    let folder = tempfile::tempdir().unwrap();
    put(folder.path(), None, NAME);
    let answer = Webhook::start(folder.path(), "").verdict();
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    assert!(
        answer.contains("certificate: ready\n") && answer.contains("handshake: ready\n"),
        "{answer}"
    );
}

#[test]
fn also_where_clients_have_to_show_theirs() {
    let folder = tempfile::tempdir().unwrap();
    put(folder.path(), None, NAME);
    let client_ca = format!(", clientCa: {}", folder.path().join("ca.crt").display());
    let answer = Webhook::start(folder.path(), &client_ca).verdict();
    assert!(answer.contains("handshake: ready\n"), "{answer}");
}

#[test]
fn one_of_another_ca_is_not() {
    let folder = tempfile::tempdir().unwrap();
    let stranger = Ca::generate(now(), DAY).unwrap();
    put(folder.path(), Some(&stranger), NAME);
    let answer = Webhook::start(folder.path(), "").verdict();
    assert!(
        answer.starts_with("HTTP/1.1 503") && answer.contains("invalid peer certificate"),
        "{answer}"
    );
}

#[test]
fn nor_is_one_for_another_name() {
    let folder = tempfile::tempdir().unwrap();
    put(folder.path(), None, "other.system.svc");
    let answer = Webhook::start(folder.path(), "").verdict();
    assert!(
        answer.starts_with("HTTP/1.1 503") && answer.contains("not valid for name"),
        "{answer}"
    );
}
