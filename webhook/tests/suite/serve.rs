//! `webhook serve` as it runs in a pod, with a certificate in files: both versions of HTTP over TLS,
//! what `/readyz` tells, and the way it stops.

use std::{
    io::{BufRead, BufReader},
    net::SocketAddr,
    path::PathBuf,
    process::{Child, Command, Stdio},
    sync::mpsc::{Receiver, channel},
    time::Duration,
};

use bytes::Bytes;
use http::{Request, StatusCode, Version, header};
use http_body_util::Full;
use hyper_util::rt::{TokioExecutor, TokioIo};
use rustls::pki_types::ServerName;
use serde_json::Value;
use tokio::net::TcpStream;
use webhook::authority::Ca;

use crate::{
    common::pod,
    laws::create,
    server::{client_config, now, read},
};

/// Longest wait for anything that the program does by itself; a wait ends when it is done.
const PATIENCE: Duration = Duration::from_secs(30);

struct Program {
    child: Child,
    lines: Receiver<String>,
    ca: String,
    admissions: SocketAddr,
    admin: SocketAddr,
    /// What the program read its configuration and certificate from.
    _folder: tempfile::TempDir,
}

impl Program {
    fn start(drain: &[&str]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let ca = Ca::generate(now(), Duration::from_hours(24)).unwrap();
        let leaf = ca.issue(vec!["webhook.ns.svc".into()], now(), Duration::from_hours(1)).unwrap();
        let write = |name: &str, text: &str| -> PathBuf {
            let path = folder.path().join(name);
            std::fs::write(&path, text).unwrap();
            path
        };
        let (cert, key) = (write("tls.crt", &leaf.certificate), write("tls.key", &leaf.key));
        let config = format!(
            "{}tls: {{mode: provided, certFile: {}, keyFile: {}}}\n",
            include_str!("../webhook.yaml"),
            cert.display(),
            key.display()
        );
        let mut child = Command::new(env!("CARGO_BIN_EXE_webhook"))
            .args(["serve", "--listen=127.0.0.1:0", "--admin-listen=127.0.0.1:0"])
            .args(drain)
            .arg("--config")
            .arg(write("webhook.yaml", &config))
            .env("LOG_FORMAT", "json")
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let stderr = child.stderr.take().unwrap();
        let (send, lines) = channel();
        std::thread::spawn(move || {
            BufReader::new(stderr).lines().map_while(Result::ok).try_for_each(|l| send.send(l))
        });
        let none = SocketAddr::from(([0; 4], 0));
        let ca = ca.certificate().to_owned();
        let mut program = Self { child, lines, ca, admissions: none, admin: none, _folder: folder };
        program.admissions = program.address("admissions");
        program.admin = program.address("admin");
        program.until(|line| line["gate"] == "certificate" && line["message"] == "ready");
        program
    }

    /// The next line of the log that `matches`.
    fn until(&self, matches: impl Fn(&Value) -> bool) -> Value {
        loop {
            let line = self.lines.recv_timeout(PATIENCE).expect("the program logs it");
            let line: Value = serde_json::from_str(&line).unwrap();
            if matches(&line) {
                return line;
            }
        }
    }

    fn address(&self, listener: &str) -> SocketAddr {
        let line = self.until(|line| line["listener"] == listener);
        line["address"].as_str().unwrap().parse().unwrap()
    }

    fn terminate(&self) {
        let pid = self.child.id().to_string();
        assert!(Command::new("kill").args(["-TERM", &pid]).status().unwrap().success());
    }

    async fn admit(&self, version: Version) -> (StatusCode, String) {
        let alpn = if version == Version::HTTP_2 { "h2" } else { "http/1.1" };
        let mut config = client_config(&self.ca);
        config.alpn_protocols = vec![alpn.as_bytes().to_vec()];
        let connector = tokio_rustls::TlsConnector::from(std::sync::Arc::new(config));
        let socket = TcpStream::connect(self.admissions).await.unwrap();
        let name = ServerName::try_from("webhook.ns.svc").unwrap();
        let stream = connector.connect(name, socket).await.unwrap();
        assert_eq!(stream.get_ref().1.alpn_protocol(), Some(alpn.as_bytes()));
        let request = Request::post("https://webhook.ns.svc/mutate")
            .header(header::HOST, "webhook.ns.svc")
            .header(header::CONTENT_TYPE, "application/json")
            .body(Full::new(Bytes::from(create(&pod()).to_string())))
            .unwrap();
        let io = TokioIo::new(stream);
        let response = if version == Version::HTTP_2 {
            use hyper::client::conn::http2::handshake;
            let (mut sender, connection) = handshake(TokioExecutor::new(), io).await.unwrap();
            tokio::spawn(connection);
            sender.send_request(request).await.unwrap()
        } else {
            let (mut sender, connection) = hyper::client::conn::http1::handshake(io).await.unwrap();
            tokio::spawn(connection);
            sender.send_request(request).await.unwrap()
        };
        assert_eq!(response.version(), version);
        read(response).await
    }

    async fn readyz(&self) -> (StatusCode, String) {
        let socket = TcpStream::connect(self.admin).await.unwrap();
        let (mut sender, connection) =
            hyper::client::conn::http1::handshake(TokioIo::new(socket)).await.unwrap();
        tokio::spawn(connection);
        let request = Request::get("/readyz").header(header::HOST, "admin");
        let request = request.body(Full::<Bytes>::default()).unwrap();
        read(sender.send_request(request).await.unwrap()).await
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[tokio::test]
async fn both_versions_of_http_are_served_over_tls() {
    let program = Program::start(&[]);
    program.until(|line| line["gate"] == "handshake");
    for version in [Version::HTTP_11, Version::HTTP_2] {
        let (status, body) = program.admit(version).await;
        assert_eq!(status, StatusCode::OK, "{body}");
        assert!(body.contains("JSONPatch"), "{body}");
        let line = program.until(|line| line["message"] == "admission");
        assert_eq!(line["decision"], "injected");
    }
    let (status, told) = program.readyz().await;
    assert_eq!(
        (status, told.as_str()),
        (StatusCode::OK, "certificate: ready\nconfig: ready\nhandshake: ready\nready\n")
    );
}

#[tokio::test]
async fn after_sigterm_it_is_not_ready_serves_on_and_ends_well() {
    // It accepts until the tests' second signal, however slow the machine.
    let mut program = Program::start(&["--drain-delay=1h", "--drain-deadline=2h"]);
    program.terminate();
    program.until(|line| line["message"].as_str().is_some_and(|text| text.contains("drain")));
    let (status, told) = program.readyz().await;
    assert_eq!((status.as_u16(), told.as_str()), (503, "shutdown: draining\n"));
    for version in [Version::HTTP_11, Version::HTTP_2] {
        assert_eq!(program.admit(version).await.0, StatusCode::OK, "{version:?}");
    }
    program.terminate();
    assert_eq!(program.child.wait().unwrap().code(), Some(0));
}
