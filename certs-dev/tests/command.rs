//! `certs-dev` as people run it.
#![expect(clippy::expect_used, reason = "a helper of a test fails as the test does, by a panic")]

use std::{
    fs,
    net::IpAddr,
    os::unix::fs::PermissionsExt as _,
    path::Path,
    process::{Command, Output},
    time::{Duration, SystemTime},
};

use certs_dev::{
    Authority, Validity,
    folder::{self, CA_CERTIFICATE, CA_KEY, CERTIFICATE, KEY},
};
use tempfile::TempDir;

const OURS: &str = "bp-openclaw development CA";

fn certs_dev(out: &Path, args: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_certs-dev"));
    command.env_clear().arg("--out").arg(out).args(args).output().expect("certs-dev runs")
}

fn text(bytes: &[u8]) -> &str {
    std::str::from_utf8(bytes).expect("UTF-8")
}

fn read(folder: &Path, name: &str) -> String {
    fs::read_to_string(folder.join(name)).expect("the file is there")
}

/// Everything in the folder: names, modes, contents.
fn everything(folder: &Path) -> Vec<(String, u32, Vec<u8>)> {
    let mut files: Vec<_> = fs::read_dir(folder)
        .expect("the folder is there")
        .map(|entry| {
            let path = entry.expect("an entry").path();
            let name = path.file_name().expect("a name").to_string_lossy().into_owned();
            let mode = path.metadata().expect("metadata").permissions().mode() & 0o7777;
            (name, mode, fs::read(path).expect("a readable file"))
        })
        .collect();
    files.sort();
    files
}

#[test]
fn it_writes_four_files_and_prints_the_bundle() {
    let root = TempDir::new().unwrap();
    let out = root.path().join("made/for/it");
    let made = certs_dev(&out, &["--dns", "webhook.test", "--ip", "::1", "--days", "7"]);
    assert!(made.status.success(), "{made:?}");
    let modes: Vec<_> = everything(&out).into_iter().map(|(name, mode, _)| (name, mode)).collect();
    let expected = [(CA_CERTIFICATE, 0o644), (CA_KEY, 0o600), (CERTIFICATE, 0o644), (KEY, 0o600)];
    assert_eq!(modes, expected.map(|(name, mode)| (name.to_owned(), mode)));
    let authority = Authority::from_pem(&read(&out, CA_CERTIFICATE), &read(&out, CA_KEY)).unwrap();
    let said = text(&made.stdout);
    assert!(said.ends_with(&format!("\ncaBundle: {}\n", authority.ca_bundle())), "{said}");
    assert!(said.contains("tls.crt  for webhook.test, ::1, until "), "{said}");
    assert!(!said.contains("PRIVATE") && made.stderr.is_empty());
}

#[test]
fn the_next_run_keeps_the_authority_and_makes_a_new_certificate() {
    let out = TempDir::new().unwrap();
    let first = certs_dev(out.path(), &[]);
    assert!(text(&first.stdout).contains("ca.crt  new, until "), "{first:?}");
    let before = ["ca.crt", "ca.key", "tls.crt"].map(|name| read(out.path(), name));
    let second = certs_dev(out.path(), &["--dns", "other.test"]);
    assert!(text(&second.stdout).contains("ca.crt  kept, until "), "{second:?}");
    let [ca, ca_key, leaf] = before;
    assert_eq!((read(out.path(), CA_CERTIFICATE), read(out.path(), CA_KEY)), (ca, ca_key));
    assert_ne!(read(out.path(), CERTIFICATE), leaf);
    assert_eq!(everything(out.path()).len(), 4);
}

#[test]
fn an_expired_authority_is_replaced() {
    let out = TempDir::new().unwrap();
    let past = SystemTime::now() - Duration::from_hours(48);
    let expired = Authority::new(OURS, Validity::between(past, past + Duration::from_hours(1)));
    let expired = expired.unwrap();
    fs::write(out.path().join(CA_CERTIFICATE), expired.certificate_pem()).unwrap();
    fs::write(out.path().join(CA_KEY), expired.key_pem()).unwrap();
    let issued = folder::issue(out.path(), &["localhost"], &[], 1).unwrap();
    assert!(!issued.reused);
    assert_ne!(read(out.path(), CA_CERTIFICATE), expired.certificate_pem());
    assert!(issued.leaf.validity().contains(SystemTime::now()));
}

#[test]
fn files_of_somebody_else_are_not_overwritten() {
    let theirs = Authority::new("their CA", Validity::days(9)).unwrap();
    let ours = Authority::new(OURS, Validity::days(9)).unwrap();
    let no_ip: &[IpAddr] = &[];
    let their_leaf = theirs.server(&["localhost"], no_ip, Validity::days(1)).unwrap();
    let our_leaf = ours.server(&["localhost"], no_ip, Validity::days(1)).unwrap();
    let (their_ca, their_key) = (theirs.certificate_pem(), theirs.key_pem());
    let (their_tls, our_tls) = (their_leaf.certificate_pem(), our_leaf.certificate_pem());
    let (our_ca, our_key) = (ours.certificate_pem(), ours.key_pem());
    let cases: [(&[(&str, &str)], &str); 10] = [
        (&[(CA_CERTIFICATE, their_ca), (CA_KEY, &their_key)], "its subject is another"),
        (&[(CA_CERTIFICATE, our_ca)], "ca.key is not beside it"),
        (&[(CA_KEY, &our_key)], "ca.crt is not beside it"),
        (&[(CA_CERTIFICATE, our_ca), (CA_KEY, &their_key)], "it does not belong to ca.crt"),
        (&[(CA_CERTIFICATE, our_ca), (CA_KEY, "notes")], "it is not a private key"),
        (&[(CERTIFICATE, their_tls)], "its issuer is another"),
        (&[(CERTIFICATE, "notes")], "it is not a certificate"),
        (&[(KEY, &our_key)], "tls.crt is not beside it"),
        (&[(CERTIFICATE, our_tls), (KEY, &our_key)], "it does not belong to tls.crt"),
        (&[(CERTIFICATE, our_tls), (KEY, "notes")], "it is not a private key"),
    ];
    for (files, why) in cases {
        let out = TempDir::new().unwrap();
        for (name, text) in files {
            fs::write(out.path().join(name), text).unwrap();
        }
        let before = everything(out.path());
        let refused = certs_dev(out.path(), &[]);
        let said = text(&refused.stderr);
        assert_eq!(refused.status.code(), Some(1), "{why}");
        assert!(said.contains(why) && said.contains("choose another --out"), "{why}: {said}");
        assert_eq!(everything(out.path()), before, "{why}");
    }
}

#[test]
fn a_folder_that_cannot_be_made_is_named() {
    let root = TempDir::new().unwrap();
    fs::write(root.path().join("file"), "").unwrap();
    let refused = certs_dev(&root.path().join("file/below"), &[]);
    assert_eq!(refused.status.code(), Some(1));
    assert!(text(&refused.stderr).contains("file/below"), "{refused:?}");
}

#[test]
fn wrong_usage_exits_2() {
    let out = TempDir::new().unwrap();
    for args in [["--dns", "a..b"], ["--dns", "127.0.0.1"], ["--ip", "localhost"], ["--days", "0"]]
    {
        let refused = certs_dev(out.path(), &args);
        assert_eq!(refused.status.code(), Some(2), "{args:?}");
        assert!(text(&refused.stderr).contains(args[1]), "{refused:?}");
    }
    assert!(everything(out.path()).is_empty());
}
