//! The hot paths, and the programs that take them.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context as _, Result, ensure};
use edge::oidc::testing::AUDIENCE;

use super::count::instructions;
use crate::issuer::Keys;

/// Different tokens, more than a verifier remembers, so that each is verified anew.
const MANY: usize = 512;
/// Never asked: the keys are in a file.
const ISSUER: &str = "https://id.example/realms/acme";

/// A hot path.
struct HotPath {
    name: &'static str,
    /// The example that takes it, and which of its paths it is.
    program: [&'static str; 2],
    /// The file with tokens, where some are needed.
    tokens: Option<&'static str>,
    /// How often it is taken to count one.
    repetitions: u64,
}

const PATHS: [HotPath; 4] = [
    HotPath {
        name: "admission of a typical pod",
        program: ["bench-webhook", "admissions"],
        tokens: None,
        repetitions: 100,
    },
    HotPath {
        name: "verdict on a token, cached",
        program: ["hot-paths", "verdicts"],
        tokens: Some("one"),
        repetitions: 4000,
    },
    HotPath {
        name: "verdict on a token, uncached",
        program: ["hot-paths", "verdicts"],
        tokens: Some("many"),
        repetitions: 400,
    },
    HotPath {
        name: "headers there and back",
        program: ["hot-paths", "headers"],
        tokens: None,
        repetitions: 4000,
    },
];

/// What one repetition of a path costs.
pub(super) struct Counted {
    pub(super) path: &'static str,
    pub(super) instructions: u64,
}

/// Takes every path of the programs in `examples`.
pub(super) fn count_all(examples: &Path) -> Result<Vec<Counted>> {
    let folder = tempfile::tempdir()?;
    write_tokens(folder.path())?;
    let counted = PATHS.iter().map(|path| {
        let instructions =
            path.cost(examples, folder.path()).with_context(|| path.name.to_owned())?;
        Ok(Counted { path: path.name, instructions })
    });
    counted.collect()
}

/// Keys and tokens are made here, because making a key costs a different number of instructions each
/// time.
fn write_tokens(folder: &Path) -> Result<()> {
    let keys = Keys::new();
    let tokens = keys.tokens(ISSUER, MANY);
    fs::write(folder.join("jwks.json"), keys.jwks().to_string())?;
    fs::write(folder.join("one"), tokens.first().context("no token")?)?;
    Ok(fs::write(folder.join("many"), tokens.join("\n"))?)
}

impl HotPath {
    /// What one repetition costs: the difference that twice as many make, so that start and end of the
    /// program do not count, nor what is done only the first time.
    fn cost(&self, examples: &Path, folder: &Path) -> Result<u64> {
        let times = |times: u64| instructions(&mut self.command(examples, folder, times)?);
        let (once, twice) = (times(self.repetitions)?, times(2 * self.repetitions)?);
        ensure!(twice > once, "{twice} instructions are not more than {once}");
        Ok((twice - once) / self.repetitions)
    }

    fn command(&self, examples: &Path, folder: &Path, times: u64) -> Result<Command> {
        let [program, path] = self.program;
        let program: PathBuf = examples.join(program);
        ensure!(program.exists(), "{} is missing: make bench-instructions", program.display());
        let mut command = Command::new("valgrind");
        command.env_remove("LOG_LEVEL").env("OIDC_ISSUER", ISSUER).env("OIDC_AUDIENCE", AUDIENCE);
        command.env("OIDC_JWKS_FILE", folder.join("jwks.json"));
        command.args(["--tool=callgrind", "--callgrind-out-file=/dev/null"]);
        command.arg(program).arg(path).arg(times.to_string());
        command.args(self.tokens.map(|file| folder.join(file)));
        Ok(command)
    }
}
