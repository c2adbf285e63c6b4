//! The command line as scripts see it: exit codes and words.
#![expect(clippy::unwrap_used, reason = "a test that cannot be set up has to fail")]

use std::{
    io::{BufRead, BufReader, Read, Write},
    net::TcpStream,
    path::{Path, PathBuf},
    process::{Command, Output, Stdio},
};

use edge::oidc::{
    UnixTime,
    testing::{ALICE, BOB, Idp, claims, with},
};
use serde_json::{Value, json};
use tempfile::TempDir;

const ISSUER: &str = "https://id.example/realms/acme";
/// 2027-01-15T08:00:00Z.
const NOON: UnixTime = UnixTime::from_secs(1_800_000_000);

struct Keys {
    _folder: TempDir,
    file: PathBuf,
}

fn keys(content: &str) -> Keys {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("jwks.json");
    std::fs::write(&file, content).unwrap();
    Keys { _folder: folder, file }
}

/// Runs the sidecar with an empty environment; gives exit code, stdout and stderr.
fn sidecar(flags: &[&str], input: &str) -> (i32, String, String) {
    let mut child = Command::new(env!("CARGO_BIN_EXE_sidecar"))
        .args(flags)
        .env_clear()
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    // A command that refuses its flags does not read its input.
    let _ = child.stdin.take().unwrap().write_all(input.as_bytes());
    let Output { status, stdout, stderr } = child.wait_with_output().unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    (status.code().unwrap(), text(stdout), text(stderr))
}

fn verify(jwks: &Path, more: &[&str], input: &str) -> (i32, String, String) {
    let jwks = jwks.to_str().unwrap();
    let flags = ["verify", "--issuer", ISSUER, "--audience", "openclaw", "--jwks-file", jwks];
    let flags: Vec<_> = flags.iter().chain(more).copied().collect();
    sidecar(&flags, input)
}

#[test]
fn verify_says_who_and_until_when_or_why_not() {
    let keys = keys(&Idp::shared().jwks().to_string());
    let token = |changes| Idp::shared().token(&with(claims(ISSUER, ALICE, NOON), changes));
    let good = token(json!({}));
    let noon = ["--at", "2027-01-15T08:00:00Z"];
    let accepted = format!("accepted: user {ALICE}, expires 2027-01-15T08:05:00Z\n");
    for input in [good.clone(), format!("{good}\n"), format!("Bearer {good}\r\n")] {
        assert_eq!(verify(&keys.file, &noon, &input), (0, accepted.clone(), String::new()));
    }
    let own = [noon[0], noon[1], "--user", ALICE];
    assert_eq!(verify(&keys.file, &own, &good).0, 0);
    let other = [noon[0], noon[1], "--user", BOB];
    for (flags, input, refused) in [
        (&other[..], good.clone(), "refused (403, other_user): the token is another user's\n"),
        (&[], good.clone(), "refused (401, not_yet_valid): the token is not valid yet"),
        (
            &["--at", "2027-01-15T08:05:30Z"],
            good.clone(),
            "refused (401, expired): the token has expired\n",
        ),
        (
            &noon,
            token(json!({"aud": null})),
            "refused (401, missing_claim): the claim `aud` is missing (in Keycloak the client needs an audience mapper)\n",
        ),
        (&noon, "garbage".to_owned(), "refused (401, malformed_token): "),
        (&noon, String::new(), "refused (400, malformed_authorization): "),
        (&noon, "a\nb".to_owned(), "refused (400, malformed_authorization): "),
        (&noon, "x".repeat(1 << 20), "refused (401, token_too_large): "),
    ] {
        let (code, stdout, stderr) = verify(&keys.file, flags, &input);
        assert_eq!((code, stderr.as_str()), (1, ""), "{refused}");
        assert!(stdout.starts_with(refused), "{stdout}");
    }
}

#[test]
fn an_unusable_key_set_is_a_configuration_error() {
    let (code, _, stderr) = verify(Path::new("/nonexistent/jwks.json"), &[], "x");
    assert_eq!(code, 78);
    assert!(
        stderr.starts_with("error: --jwks-file: cannot read /nonexistent/jwks.json: "),
        "{stderr}"
    );
    let empty = keys(r#"{"keys":[]}"#);
    let (code, _, stderr) = verify(&empty.file, &[], "x");
    assert_eq!(code, 78);
    assert!(stderr.contains("it is empty"), "{stderr}");
}

#[test]
fn bad_usage_names_flag_and_value() {
    let keys = keys(&Idp::shared().jwks().to_string());
    for (flags, named) in [
        (["--user", "alice"], ["--user", "alice"]),
        (["--at", "noon"], ["--at", "noon"]),
        (["--leeway", "soon"], ["--leeway", "soon"]),
        (["--issuer", "keycloak"], ["--issuer", "keycloak"]),
    ] {
        let jwks = keys.file.to_str().unwrap();
        let needed = [("--issuer", ISSUER), ("--audience", "a"), ("--jwks-file", jwks)];
        let needed = needed.iter().filter(|(name, _)| *name != flags[0]);
        let all = std::iter::once("verify").chain(needed.flat_map(|(name, value)| [*name, *value]));
        let all: Vec<_> = all.chain(flags).collect();
        let (code, _, stderr) = sidecar(&all, "");
        assert_eq!(code, 2, "{stderr}");
        assert!(named.iter().all(|word| stderr.contains(word)), "{stderr}");
    }
}

#[test]
fn proxy_checks_its_configuration_before_it_binds() {
    let good = [
        "proxy",
        "--listen=127.0.0.1:0",
        "--admin-listen=127.0.0.1:0",
        "--issuer",
        ISSUER,
        "--audience=a",
        "--user",
        ALICE,
    ];
    for (more, code, words) in [
        (&[][..], 78, "OPENCLAW_GATEWAY_TOKEN is empty"),
        (
            &["--gateway-auth=none", "--jwks-file=/nonexistent"],
            78,
            "--jwks-file: cannot read /nonexistent",
        ),
        (&["--gateway-auth=none", "--ca-file=/nonexistent"], 78, "/nonexistent"),
        (&["--gateway-auth=none", "--upstream=runtime"], 2, "--upstream"),
        (&["--gateway-auth=none", "--probe=startup=http://runtime/"], 2, "--probe"),
        (&["--gateway-auth=none", "--probe-header=startup=A:b"], 2, "--probe-header"),
        (&["--gateway-auth=password"], 2, "trusted-proxy"),
    ] {
        let flags: Vec<_> = good.iter().chain(more).copied().collect();
        let (found, _, stderr) = sidecar(&flags, "");
        assert_eq!(found, code, "{stderr}");
        assert!(stderr.contains(words), "{stderr}");
        assert!(!stderr.contains("listening"), "{stderr}");
    }
}

#[cfg(target_os = "linux")]
#[test]
fn the_proxy_is_one_thread_and_ends_when_it_is_told_to() {
    let keys = keys(&Idp::shared().jwks().to_string());
    let mut proxy = Command::new(env!("CARGO_BIN_EXE_sidecar"))
        .args(["proxy", "--listen=127.0.0.1:0", "--admin-listen=127.0.0.1:0", "--audience=a"])
        .args(["--gateway-auth=none", "--user", ALICE, "--issuer", ISSUER, "--jwks-file"])
        .arg(&keys.file)
        .env_clear()
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut log = BufReader::new(proxy.stderr.take().unwrap()).lines();
    let admin = log.by_ref().map(Result::unwrap).find_map(|line| {
        let entry: Value = serde_json::from_str(&line).unwrap();
        (entry["listener"] == "admin").then(|| entry["address"].as_str().unwrap().to_owned())
    });
    // Answers only once everything has started.
    let mut ready = TcpStream::connect(admin.unwrap()).unwrap();
    ready.write_all(b"GET /readyz HTTP/1.0\r\n\r\n").unwrap();
    let mut answer = String::new();
    ready.read_to_string(&mut answer).unwrap();
    assert!(answer.starts_with("HTTP/1.0 200"), "{answer}");

    let status = std::fs::read_to_string(format!("/proc/{}/status", proxy.id())).unwrap();
    let threads = status.lines().find_map(|line| line.strip_prefix("Threads:"));
    assert_eq!(threads.map(str::trim), Some("1"));
    // Its last words then find no reader, as when the log's collector has gone first.
    drop(log);
    let told = Command::new("kill").arg(proxy.id().to_string()).status().unwrap();
    assert!(told.success());
    assert_eq!(proxy.wait().unwrap().code(), Some(0));
}

#[test]
fn help_shows_examples() {
    for command in ["verify", "proxy"] {
        let (code, stdout, _) = sidecar(&[command, "--help"], "");
        assert_eq!(code, 0);
        assert!(stdout.contains("Example") && stdout.contains("--issuer https://"), "{stdout}");
    }
}
