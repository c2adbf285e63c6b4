//! The configuration while the program runs: re-read by content, the last good one kept.

use std::{
    path::{Path, PathBuf},
    sync::Arc,
    time::{Duration, SystemTime},
};

use arc_swap::ArcSwap;
use edge::{program::Chain, readiness::Gate, shutdown::Shutdown};

use super::{Config, ConfigError};
use crate::metrics::Metrics;

/// How often the file is compared. A ConfigMap volume swaps symlinks, under which a file watch dies,
/// and takes a minute to change anyway.
const INTERVAL: Duration = Duration::from_secs(10);

/// A configuration that follows its file.
#[derive(Debug)]
pub struct Watched {
    path: PathBuf,
    /// What the file held at the last look, good or bad.
    seen: String,
    /// What is wrong with the file, as it was last told.
    trouble: Option<String>,
    current: Arc<ArcSwap<Config>>,
}

/// What a look at the file led to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reload {
    /// It holds what it held before.
    Unchanged,
    /// It holds something new, and that is in use now.
    Replaced,
}

impl Watched {
    /// Reads and checks the file at `path`.
    pub fn load(path: &Path) -> Result<Self, ConfigError> {
        let seen = super::read(path)?;
        let current = Arc::new(ArcSwap::from_pointee(seen.parse()?));
        Ok(Self { path: path.to_owned(), seen, trouble: None, current })
    }

    /// The configuration that follows the file.
    #[must_use]
    pub fn current(&self) -> Arc<ArcSwap<Config>> {
        Arc::clone(&self.current)
    }

    /// Uses what the file holds when it is new and good. The same bad content is an error once.
    pub fn reload(&mut self) -> Result<Reload, ConfigError> {
        let found = super::read(&self.path);
        // A file that is back counts as new, whatever it holds.
        let found = found.inspect_err(|_| self.seen.clear())?;
        if found == self.seen {
            return Ok(Reload::Unchanged);
        }
        self.seen = found;
        let config: Config = self.seen.parse()?;
        let before = self.current.swap(Arc::new(config));
        if before.tls != self.current.load().tls {
            tracing::warn!("a change of tls takes a restart");
        }
        Ok(Reload::Replaced)
    }

    /// Looks at the file until the program drains. `gate` is open all the time: the last good
    /// configuration works, and pods of a webhook that is not ready would not start at all.
    pub async fn follow(mut self, metrics: Metrics, gate: Gate, shutdown: Shutdown) {
        gate.ready();
        metrics.config_is(true);
        let mut interval = tokio::time::interval(INTERVAL);
        loop {
            tokio::select! {
                _ = interval.tick() => self.look(&metrics, &gate),
                () = shutdown.draining() => return,
            }
        }
    }

    fn look(&mut self, metrics: &Metrics, gate: &Gate) {
        match self.reload() {
            Ok(Reload::Unchanged) => {}
            Ok(Reload::Replaced) => {
                tracing::info!(config = self.current.load().hash, "using a new configuration");
                metrics.config_is(true);
                gate.ready();
                self.trouble = None;
            }
            Err(error) => {
                let error = Chain(&error).to_string();
                if self.trouble.as_ref() == Some(&error) {
                    return;
                }
                let hash = &self.current.load().hash;
                metrics.config_is(false);
                gate.ready_although(format!(
                    "the file is wrong since {}, the last good one ({hash}) is in use: {error}",
                    humantime::format_rfc3339_seconds(SystemTime::now())
                ));
                tracing::error!(error, hash, "keeping the last good configuration");
                self.trouble = Some(error);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use edge::readiness::Readiness;

    use super::*;

    const GOOD: &str = "
sidecar: {image: registry/sidecar:1}
oidc: {issuer: https://id.example, audience: openclaw}
";

    #[test]
    fn trouble_is_told_and_ends_without_closing_the_gate() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("webhook.yaml");
        let write = |text: &str| std::fs::write(&path, text).unwrap();
        write(GOOD);
        let mut watched = Watched::load(&path).unwrap();
        let hash = watched.current().load().hash.clone();
        let (metrics, registry) = crate::metrics::registry();
        let readiness = Readiness::new();
        let gate = readiness.gate("config");
        gate.ready();
        let good = |value: u8| {
            let mut text = String::new();
            prometheus_client::encoding::text::encode(&mut text, &registry).unwrap();
            text.contains(&format!("openclaw_webhook_config_good {value}\n"))
        };
        write("sidecar: {imag: x}\n");
        watched.look(&metrics, &gate);
        let told = readiness.snapshot().to_string();
        for part in [
            "config: the file is wrong since 2",
            &format!("the last good one ({hash}) is in use"),
            "did you mean `image`?",
        ] {
            assert!(told.contains(part), "{part} in {told}");
        }
        assert!(readiness.snapshot().is_ready() && good(0));
        watched.look(&metrics, &gate);
        assert_eq!(readiness.snapshot().to_string(), told, "since when does not move");

        write(GOOD);
        watched.look(&metrics, &gate);
        assert_eq!(readiness.snapshot().to_string(), "config: ready\n");
        assert!(good(1));
    }

    #[test]
    fn the_last_good_configuration_is_kept() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("webhook.yaml");
        let write = |text: &str| std::fs::write(&path, text).unwrap();
        write(GOOD);
        let mut watched = Watched::load(&path).unwrap();
        let image = |watched: &Watched| watched.current().load().injection.image.clone();
        assert_eq!(watched.reload().unwrap(), Reload::Unchanged);

        write("sidecar: {}");
        assert!(watched.reload().is_err());
        assert_eq!(watched.reload().unwrap(), Reload::Unchanged, "it is an error once");
        assert_eq!(image(&watched), "registry/sidecar:1");

        std::fs::remove_file(&path).unwrap();
        assert!(watched.reload().is_err());
        assert_eq!(image(&watched), "registry/sidecar:1");
        write(GOOD);
        assert_eq!(watched.reload().unwrap(), Reload::Replaced, "a file that is back is new");

        write(&GOOD.replace("sidecar:1", "sidecar:2"));
        assert_eq!(watched.reload().unwrap(), Reload::Replaced);
        assert_eq!(image(&watched), "registry/sidecar:2");
    }
}
