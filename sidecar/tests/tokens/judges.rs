//! The judges that decide offline.

use std::{
    io::Write,
    path::{Path, PathBuf},
    process::{self, Stdio},
    time::Duration,
};

use edge::oidc::{
    KeySet, Policy, Rejection, Token, UnixTime,
    testing::{ALICE, AUDIENCE},
    verify,
};
use http::{HeaderMap, HeaderValue, header::AUTHORIZATION};
use tempfile::TempDir;

use crate::case::{Case, ISSUER, LEEWAY_SECS, LONGEST_SECS, PARTIES, Said, Setting};

/// The pure function.
pub(crate) struct Library {
    keys: KeySet,
    now: UnixTime,
}

impl Library {
    pub(crate) fn new(jwks: &str, now: UnixTime) -> Self {
        Self { keys: KeySet::parse(jwks.as_bytes()).unwrap(), now }
    }

    pub(crate) fn verdict(&self, case: &Case) -> Said {
        let value = format!("Bearer {}", case.credentials);
        let value = HeaderValue::from_bytes(value.as_bytes()).unwrap();
        let headers = HeaderMap::from_iter([(AUTHORIZATION, value)]);
        let verdict = Token::from_headers(&headers)
            .and_then(|token| verify(&token, &self.keys, &policy(case.setting), self.now))
            .and_then(|verified| verified.of(&ALICE.parse().unwrap()));
        if let (Err(found), Err(expected)) = (&verdict, &case.expected) {
            assert_eq!(found, expected, "{}: also the claim is the right one", case.name);
        }
        Said::of(&verdict.map(|_| ()))
    }
}

fn policy(setting: Setting) -> Policy {
    let plain = Policy {
        issuer: ISSUER.to_owned(),
        audience: AUDIENCE.to_owned(),
        authorized_parties: Vec::new(),
        user_claim: setting.user_claim().to_owned(),
        leeway: Duration::from_secs(LEEWAY_SECS),
        max_lifetime: None,
    };
    match setting {
        Setting::Plain => plain,
        Setting::Strict => Policy {
            authorized_parties: PARTIES.map(str::to_owned).to_vec(),
            max_lifetime: Some(Duration::from_secs(LONGEST_SECS)),
            ..plain
        },
    }
}

/// `sidecar verify`, a process for each case.
pub(crate) struct Command {
    folder: TempDir,
    now: UnixTime,
}

impl Command {
    pub(crate) fn new(jwks: &str, now: UnixTime) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let command = Self { folder, now };
        std::fs::write(command.jwks_file(), jwks).unwrap();
        command
    }

    pub(crate) fn jwks_file(&self) -> PathBuf {
        self.folder.path().join("jwks.json")
    }

    pub(crate) fn verdict(&self, case: &Case) -> Said {
        let (code, said) = self.run(case.setting, &case.credentials);
        let (status, reason) = match said.split_once(": ").expect("a verdict and its detail") {
            ("accepted", _) => (200, "accepted"),
            (refused, _) => refused
                .strip_prefix("refused (")
                .and_then(|refused| refused.strip_suffix(')'))
                .and_then(|refused| refused.split_once(", "))
                .map(|(status, reason)| (status.parse().unwrap(), reason))
                .expect("status and reason"),
        };
        assert_eq!(code, i32::from(status != 200), "{}: {said}", case.name);
        if let Err(rejection) = &case.expected {
            // The words for the operator name the right claim; a different reason is told elsewhere.
            let words = Rejection::to_string(rejection);
            assert!(reason != rejection.reason() || said.trim_end().ends_with(&words), "{said}");
        }
        Said { status, reason: reason.to_owned() }
    }

    fn run(&self, setting: Setting, input: &str) -> (i32, String) {
        let mut child = sidecar_verify(&self.jwks_file())
            .args(setting.flags())
            .args(["--user", ALICE, "--at", &self.now.to_string()])
            .spawn()
            .unwrap();
        // It may have read enough before the end.
        let _ = child.stdin.take().unwrap().write_all(input.as_bytes());
        let output = child.wait_with_output().unwrap();
        assert_eq!(String::from_utf8_lossy(&output.stderr), "");
        (output.status.code().unwrap(), String::from_utf8(output.stdout).unwrap())
    }
}

fn sidecar_verify(jwks: &Path) -> process::Command {
    let mut command = process::Command::new(env!("CARGO_BIN_EXE_sidecar"));
    command.arg("verify").arg("--jwks-file").arg(jwks).env_clear();
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}
