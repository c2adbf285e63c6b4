//! A user's home with an openclaw.json in it, and the program run on it.

use contract::env::{NEWAPI_BASE_URL, OPENCLAW_GATEWAY_TOKEN};
use std::{
    fs::{self, Permissions},
    os::unix::fs::{MetadataExt as _, PermissionsExt as _},
    path::{Path, PathBuf},
    process::{Command, Output},
};
use tempfile::TempDir;

/// The program under test.
pub(crate) const SIDECAR: &str = env!("CARGO_BIN_EXE_sidecar");

/// The token in the Secret; no output may hold it.
pub(crate) const TOKEN: &str = "t0ken-of-the-secret";

/// A file with an old token, as a user leaves it.
pub(crate) const OLD: &str = "// mine\n{\n  gateway: {\n    bind: 'loopback',\n    auth: { token: 'old' }, // keep me\n  },\n}\n";

/// [`OLD`] with the token of the Secret.
pub(crate) const NEW: &str = "// mine\n{\n  gateway: {\n    bind: 'loopback',\n    auth: { token: \"t0ken-of-the-secret\" }, // keep me\n  },\n}\n";

pub(crate) struct Home {
    root: TempDir,
}

/// How the program ended.
#[derive(Debug)]
pub(crate) struct Ended {
    pub(crate) code: Option<i32>,
    pub(crate) out: String,
    pub(crate) err: String,
}

impl Home {
    /// A home whose folder `.openclaw` is there and empty.
    pub(crate) fn empty() -> Self {
        let home = Self::fresh();
        fs::create_dir(home.folder()).unwrap();
        home
    }

    /// A home on a fresh volume: not even `.openclaw` is there.
    pub(crate) fn fresh() -> Self {
        let root = TempDir::new().unwrap();
        // For tests that run the program as somebody else.
        fs::set_permissions(root.path(), Permissions::from_mode(0o755)).unwrap();
        Self { root }
    }

    /// A home with this openclaw.json.
    pub(crate) fn with(text: impl AsRef<[u8]>) -> Self {
        let home = Self::empty();
        fs::write(home.config(), text).unwrap();
        home
    }

    pub(crate) fn folder(&self) -> PathBuf {
        self.path(".openclaw")
    }

    pub(crate) fn config(&self) -> PathBuf {
        self.folder().join("openclaw.json")
    }

    /// A path beside `.openclaw`.
    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.root.path().join(name)
    }

    pub(crate) fn seed(&self, text: &str) -> PathBuf {
        let seed = self.path("seed.json");
        fs::write(&seed, text).unwrap();
        seed
    }

    pub(crate) fn text(&self) -> String {
        fs::read_to_string(self.config()).unwrap()
    }

    /// Changes with every replacement and every write.
    pub(crate) fn state(&self) -> (u64, i64, i64) {
        let metadata = fs::symlink_metadata(self.config()).unwrap();
        (metadata.ino(), metadata.ctime(), metadata.ctime_nsec())
    }

    /// `sidecar token-sync --config ...` with the token in its environment, and nothing else there.
    pub(crate) fn command(&self) -> Command {
        let mut command = Command::new(SIDECAR);
        command.env_clear().env(OPENCLAW_GATEWAY_TOKEN, format!(" {TOKEN}\n"));
        command.arg("token-sync").arg("--config").arg(self.config());
        command
    }

    pub(crate) fn sync(&self) -> Ended {
        Ended::of(&mut self.command())
    }

    pub(crate) fn sync_with(&self, args: &[&str]) -> Ended {
        Ended::of(self.command().args(args))
    }

    pub(crate) fn sync_from(&self, seed: &Path) -> Ended {
        Ended::of(self.command().arg("--seed").arg(seed))
    }

    pub(crate) fn sync_at(&self, base_url: &str) -> Ended {
        Ended::of(self.command().env(NEWAPI_BASE_URL, base_url))
    }
}

impl Ended {
    /// Runs a command to its end.
    pub(crate) fn of(command: &mut Command) -> Self {
        Self::from(command.output().unwrap())
    }

    /// It succeeded, and said this.
    #[track_caller]
    pub(crate) fn well(&self, said: &str) {
        assert_eq!(self.code, Some(0), "{self:?}");
        assert!(self.out.contains(said) && self.err.is_empty(), "{said:?}: {self:?}");
    }

    /// It failed with this code, and said this in one line.
    #[track_caller]
    pub(crate) fn badly(&self, code: i32, said: &str) {
        assert_eq!(self.code, Some(code), "{self:?}");
        assert!(self.err.contains(said) && self.out.is_empty(), "{said:?}: {self:?}");
        let lines: Vec<_> = self.err.lines().collect();
        assert!(matches!(lines[..], [line] if line.starts_with("error: ")), "{self:?}");
    }
}

impl From<Output> for Ended {
    fn from(output: Output) -> Self {
        let text = |bytes| String::from_utf8(bytes).unwrap();
        let ended =
            Self { code: output.status.code(), out: text(output.stdout), err: text(output.stderr) };
        assert!(!format!("{ended:?}").contains(TOKEN), "a secret was printed");
        ended
    }
}

/// The names in a folder, sorted.
pub(crate) fn names(folder: &Path) -> Vec<String> {
    let entries = fs::read_dir(folder).unwrap();
    let mut names: Vec<_> =
        entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

/// Whether this test runs as root.
pub(crate) fn is_root() -> bool {
    fs::metadata("/proc/self").unwrap().uid() == 0
}
