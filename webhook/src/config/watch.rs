//! The configuration while the program runs: re-read by content, the last good one kept.

use std::{
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use arc_swap::ArcSwap;
use edge::{program::Chain, shutdown::Shutdown};

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
        Ok(Self { path: path.to_owned(), seen, current })
    }

    /// The configuration that follows the file.
    #[must_use]
    pub fn current(&self) -> Arc<ArcSwap<Config>> {
        Arc::clone(&self.current)
    }

    /// Uses what the file holds when it is new and good. The same bad content is an error once.
    pub fn reload(&mut self) -> Result<Reload, ConfigError> {
        let found = super::read(&self.path)?;
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

    /// Looks at the file until the program drains.
    pub async fn follow(mut self, metrics: Metrics, shutdown: Shutdown) {
        let mut interval = tokio::time::interval(INTERVAL);
        loop {
            tokio::select! {
                _ = interval.tick() => self.look(&metrics),
                () = shutdown.draining() => return,
            }
        }
    }

    fn look(&mut self, metrics: &Metrics) {
        match self.reload() {
            Ok(Reload::Unchanged) => {}
            Ok(Reload::Replaced) => {
                tracing::info!(config = self.current.load().hash, "using a new configuration");
                metrics.config_is(true);
            }
            Err(error) => {
                let error = Chain(&error).to_string();
                tracing::error!(error, "keeping the last good configuration");
                metrics.config_is(false);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: &str = "
sidecar: {image: registry/sidecar:1}
oidc: {issuer: https://id.example, audience: openclaw}
";

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

        write(&GOOD.replace("sidecar:1", "sidecar:2"));
        assert_eq!(watched.reload().unwrap(), Reload::Replaced);
        assert_eq!(image(&watched), "registry/sidecar:2");
    }
}
