//! What the commands read, and where they write.

use std::{
    io::{Read, Write},
    path::{Path, PathBuf},
};

use edge::program::Failure;

use super::about;
use crate::{
    config::{Config, ConfigError, Watched},
    manifest::Manifest,
};

#[derive(Debug, clap::Args)]
pub(super) struct ConfigArgs {
    /// The configuration
    #[arg(long, env = "WEBHOOK_CONFIG", value_name = "FILE")]
    pub(super) config: PathBuf,
}

impl ConfigArgs {
    pub(super) fn load(&self) -> Result<Config, Failure> {
        Config::load(&self.config).map_err(|error| self.wrong(error))
    }

    pub(super) fn watch(&self) -> Result<Watched, Failure> {
        Watched::load(&self.config).map_err(|error| self.wrong(error))
    }

    fn wrong(&self, error: ConfigError) -> Failure {
        match error {
            // It names the path already.
            ConfigError::Read { .. } => Failure::config(error),
            _ => Failure::Config(about(&self.config, &error)),
        }
    }
}

#[derive(Debug, clap::Args)]
pub(super) struct InputArgs {
    /// Manifests in YAML or JSON; `-` is standard input
    #[arg(short, long = "filename", value_name = "FILE", required = true)]
    files: Vec<PathBuf>,
    /// Namespace of the pods that name none
    #[arg(short, long, env = "WEBHOOK_NAMESPACE", default_value = "default")]
    pub(super) namespace: String,
}

impl InputArgs {
    /// All manifests in order, each with where it came from.
    pub(super) fn manifests(&self) -> Result<Vec<(String, Manifest)>, Failure> {
        self.files.iter().map(|file| read_manifest(file)).collect()
    }
}

fn read_manifest(file: &Path) -> Result<(String, Manifest), Failure> {
    let is_stdin = file == Path::new("-");
    let name = if is_stdin { "standard input".to_owned() } else { file.display().to_string() };
    let text = if is_stdin { standard_input() } else { std::fs::read_to_string(file) };
    let text = text.map_err(|error| Failure::runtime(format!("cannot read {name}: {error}")))?;
    let manifest =
        Manifest::parse(&text).map_err(|error| Failure::runtime(format!("{name}: {error}")))?;
    Ok((name, manifest))
}

fn standard_input() -> std::io::Result<String> {
    std::io::read_to_string(std::io::stdin().lock())
}

/// The bytes on standard input, at most as many as the server takes.
pub(super) fn standard_input_bytes() -> Result<Vec<u8>, Failure> {
    let mut bytes = Vec::new();
    std::io::stdin().lock().read_to_end(&mut bytes).map_err(Failure::runtime)?;
    Ok(bytes)
}

/// Writes the result. A reader that has gone is no failure: `webhook inject | head` is fine.
pub(super) fn print(text: &str) -> Result<(), Failure> {
    match std::io::stdout().lock().write_all(text.as_bytes()) {
        Err(error) if error.kind() != std::io::ErrorKind::BrokenPipe => {
            Err(Failure::runtime(error))
        }
        _ => Ok(()),
    }
}
