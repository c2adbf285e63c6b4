//! `sidecar proxy` as a process of its own.

use std::{
    net::SocketAddr,
    process::Stdio,
    sync::{Arc, Mutex},
    time::Duration,
};

use edge::oidc::{
    UnixTime,
    testing::{ALICE, AUDIENCE, Idp, claims},
};
use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};
use serde_json::Value;
use tempfile::TempDir;
use tokio::{
    io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader},
    net::TcpStream,
    process::{Child, Command},
    task::JoinHandle,
    time::timeout,
};

const ISSUER: &str = "https://id.example/realms/acme";
pub(crate) const GATEWAY_TOKEN: &str = "gateway-secret";

pub(crate) struct Program {
    pub(crate) data: SocketAddr,
    pub(crate) admin: SocketAddr,
    child: Child,
    log: Arc<Mutex<String>>,
    logging: JoinHandle<()>,
    _keys: TempDir,
}

/// Waits for what has to happen. The limit only turns a hang into a failure.
pub(crate) async fn soon<T>(future: impl Future<Output = T>) -> T {
    timeout(Duration::from_secs(180), future).await.expect("it never happened")
}

impl Program {
    /// Alice's sidecar before `upstream`, with these flags besides.
    pub(crate) async fn start(upstream: SocketAddr, flags: &[&str]) -> Self {
        let keys = tempfile::tempdir().unwrap();
        let file = keys.path().join("jwks.json");
        std::fs::write(&file, Idp::shared().jwks().to_string()).unwrap();
        let mut child = Command::new(env!("CARGO_BIN_EXE_sidecar"))
            .env_clear()
            .env("OPENCLAW_GATEWAY_TOKEN", GATEWAY_TOKEN)
            .args(["proxy", "--listen=127.0.0.1:0", "--admin-listen=127.0.0.1:0"])
            .args(["--issuer", ISSUER, "--audience", AUDIENCE, "--user", ALICE])
            .args(["--upstream", &format!("http://{upstream}")])
            .arg("--jwks-file")
            .arg(&file)
            .arg("--log-format=json")
            .args(flags)
            .stderr(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stderr.take().unwrap()).lines();
        let mut first = String::new();
        let (mut data, mut admin) = (None, None);
        while data.is_none() || admin.is_none() {
            let line = soon(lines.next_line()).await.unwrap().expect(&first);
            first.push_str(&line);
            let line: Value = serde_json::from_str(&line).unwrap();
            let address = || line["address"].as_str().unwrap().parse().unwrap();
            match line["listener"].as_str() {
                Some("data") => data = Some(address()),
                Some("admin") => admin = Some(address()),
                _ => {}
            }
        }
        let log = Arc::new(Mutex::new(first));
        let logging = tokio::spawn({
            let log = Arc::clone(&log);
            async move {
                while let Ok(Some(line)) = lines.next_line().await {
                    log.lock().unwrap().push_str(&format!("{line}\n"));
                }
            }
        });
        let (data, admin) = (data.unwrap(), admin.unwrap());
        Self { data, admin, child, log, logging, _keys: keys }
    }

    /// A good token of alice.
    pub(crate) fn token() -> String {
        Idp::shared().token(&claims(ISSUER, ALICE, UnixTime::now()))
    }

    /// A request's head with alice's token, for more fields.
    pub(crate) fn head(line: &str, fields: &str) -> String {
        let token = Self::token();
        format!("{line} HTTP/1.1\r\nhost: a\r\nauthorization: Bearer {token}\r\n{fields}\r\n")
    }

    pub(crate) async fn connect(&self) -> TcpStream {
        soon(TcpStream::connect(self.data)).await.unwrap()
    }

    /// One request that says it is the last, and the whole answer.
    pub(crate) async fn exchange(&self, address: SocketAddr, request: &str) -> String {
        let mut stream = soon(TcpStream::connect(address)).await.unwrap();
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut answer = String::new();
        soon(stream.read_to_string(&mut answer)).await.unwrap();
        answer
    }

    pub(crate) async fn metrics(&self) -> String {
        let request = "GET /metrics HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n";
        self.exchange(self.admin, request).await
    }

    /// A number of `/proc/PID/status`, in KiB: `VmRSS` is what is resident now, `VmHWM` the most that
    /// ever was.
    pub(crate) fn memory(&self, name: &str) -> usize {
        let status = format!("/proc/{}/status", self.child.id().unwrap());
        let status = std::fs::read_to_string(status).unwrap();
        let line = status.lines().find(|line| line.starts_with(name)).unwrap();
        line.split_whitespace().nth(1).unwrap().parse().unwrap()
    }

    pub(crate) fn terminate(&self) {
        let pid = Pid::from_raw(self.child.id().unwrap().try_into().unwrap());
        kill(pid, Signal::SIGTERM).unwrap();
    }

    /// Waits for the end; gives the exit code and the whole log.
    pub(crate) async fn ended(mut self) -> (Option<i32>, String) {
        let status = soon(self.child.wait()).await.unwrap();
        soon(self.logging).await.unwrap();
        (status.code(), self.log.lock().unwrap().clone())
    }
}
