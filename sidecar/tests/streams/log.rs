//! What the log says about requests, and what it must not.

use serde_json::Value;
use tokio::{io::AsyncWriteExt, net::TcpListener};

use crate::{
    bulk::head,
    program::{GATEWAY_TOKEN, Program},
};

/// An upstream that says `ok` to everybody.
async fn upstream() -> std::net::SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let answer = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\nset-cookie: s3t\r\n\r\nok";
            tokio::spawn(async move {
                while head(&mut stream).await.is_some() {
                    stream.write_all(answer).await.unwrap();
                }
            });
        }
    });
    address
}

#[tokio::test]
async fn the_access_log_has_a_line_for_each_answer_and_no_secret() {
    let flags = ["--access-log", "--log-level=debug", "--drain-deadline=0s"];
    let program = Program::start(upstream().await, &flags).await;
    let secrets = "cookie: sid=c00kie\r\nx-api-key: k3y\r\nconnection: close\r\n";
    let good = Program::head("GET /v1/models?key=qu3ry", secrets);
    let token = good.split("Bearer ").nth(1).unwrap().split('\r').next().unwrap().to_owned();
    let answer = program.exchange(program.data, &good).await;
    assert!(answer.starts_with("HTTP/1.1 200 OK\r\n"), "{answer}");
    let bad = "POST /upload?key=qu3ry HTTP/1.1\r\nhost: a\r\nauthorization: Bearer n0t.a.token\r\n\
               cookie: sid=c00kie\r\nconnection: close\r\n\r\n";
    let answer = program.exchange(program.data, bad).await;
    assert!(answer.starts_with("HTTP/1.1 401 "), "{answer}");
    let broken = "GET /fragment?key=qu3ry#x HTTP/1.1\r\nhost: a\r\n\r\n";
    let answer = program.exchange(program.data, broken).await;
    assert!(answer.starts_with("HTTP/1.1 400 "), "{answer}");
    program.terminate();
    let (code, log) = program.ended().await;
    assert_eq!(code, Some(0), "{log}");

    let lines: Vec<Value> = log
        .lines()
        .filter_map(|line| serde_json::from_str(line).ok())
        .filter(|line: &Value| line["target"] == "access")
        .collect();
    let told = |line: &Value| {
        let text = |name: &str| line[name].as_str().unwrap().to_owned();
        (text("method"), text("path"), line["status"].as_u64(), line["listener"] == "data")
    };
    let told: Vec<_> = lines.iter().map(told).collect();
    let line = |method: &str, path: &str, status| (method.into(), path.into(), Some(status), true);
    assert_eq!(
        told,
        [
            line("GET", "/v1/models", 200),
            line("POST", "/upload", 401),
            line("REFUSED", "/bad_target", 400)
        ]
    );
    assert_eq!(lines[0]["bytes"], 2);
    assert!(lines[0]["ms"].is_u64());
    let signature = token.rsplit('.').next().unwrap();
    for secret in ["c00kie", "k3y", "qu3ry", "n0t.a", "s3t", GATEWAY_TOKEN, &token, signature] {
        assert!(!log.contains(secret), "{secret} in {log}");
    }
}

#[tokio::test]
async fn a_page_of_an_allowed_origin_may_read_why_it_was_turned_away() {
    let program = Program::start(upstream().await, &["--cors-origin=https://app.example"]).await;
    let ask = |method: &str, fields: &str| {
        format!("{method} /v1 HTTP/1.1\r\nhost: a\r\nconnection: close\r\n{fields}\r\n")
    };
    let preflight = "access-control-request-method: POST\r\n\
                     access-control-request-headers: authorization\r\n";
    let own = "origin: https://app.example\r\n";
    let answer =
        program.exchange(program.data, &ask("OPTIONS", &format!("{own}{preflight}"))).await;
    assert!(answer.starts_with("HTTP/1.1 204 "), "{answer}");
    for line in [
        "access-control-allow-origin: https://app.example\r\n",
        "access-control-allow-methods: POST\r\n",
        "access-control-allow-headers: authorization\r\n",
        "vary: origin\r\n",
    ] {
        assert!(answer.contains(line), "{line} not in {answer}");
    }
    let answer = program.exchange(program.data, &ask("GET", own)).await;
    assert!(answer.starts_with("HTTP/1.1 401 "), "{answer}");
    assert!(answer.contains("access-control-allow-origin: https://app.example\r\n"), "{answer}");
    assert!(answer.contains("access-control-expose-headers: www-authenticate"), "{answer}");
    // Nobody else's page, no preflight without an origin, and no plain OPTIONS passes by this.
    for (method, fields) in [
        ("OPTIONS", format!("origin: https://evil.example\r\n{preflight}")),
        ("OPTIONS", format!("{own}{own}{preflight}")),
        ("OPTIONS", preflight.to_owned()),
        ("OPTIONS", own.to_owned()),
        ("GET", format!("{own}{preflight}")),
    ] {
        let answer = program.exchange(program.data, &ask(method, &fields)).await;
        assert!(answer.starts_with("HTTP/1.1 401 "), "{method} {fields}: {answer}");
        let allowed = fields.matches(own).count() == 1;
        assert_eq!(answer.contains("access-control-allow-origin"), allowed, "{fields}: {answer}");
    }
}
