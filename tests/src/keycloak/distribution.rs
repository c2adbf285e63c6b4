//! Keycloak's own distribution, from Maven's registry, kept in the user's cache folder.

use std::{
    fs,
    path::{Path, PathBuf},
};

use anyhow::{Context as _, Result, bail};
use tokio::process::Command;

use crate::patience;

/// Pinned: `start --optimized` and the realm file are tried with it.
const VERSION: &str = "26.7.3";

/// The oldest Java that it runs on.
const OLDEST_JAVA: u32 = 17;

/// What a machine needs for it, in Debian's words.
const WAY_OUT: &str = "install both with `apt-get install openjdk-17-jdk-headless maven`";

/// The folder of an installed Keycloak, fetched and prepared at the first use.
///
/// # Errors
/// Java or Maven is missing, or one of them fails.
pub(crate) async fn installed() -> Result<PathBuf> {
    java_is_new_enough().await?;
    let cache = cache_folder()?;
    let home = cache.join(VERSION);
    if !home.exists() {
        fs::create_dir_all(&cache)?;
        let fetching = fetch(&cache, &home);
        patience::during(&format!("Keycloak {VERSION} is fetched by Maven (180 MB)"), fetching)
            .await?;
    }
    // Written last, so that an interrupted run is done again.
    let prepared = home.join("prepared");
    if !prepared.exists() {
        let mut build = Command::new(home.join("bin/kc.sh"));
        build.args(["build", "--db=dev-mem"]);
        let building = run(&mut build);
        patience::during("Keycloak is prepared, once (about a minute)", building).await?;
        fs::write(prepared, VERSION)?;
    }
    Ok(home)
}

/// Unpacks beside the final place and moves it there, so that the place is never half full.
async fn fetch(cache: &Path, home: &Path) -> Result<()> {
    let work = tempfile::tempdir_in(cache)?;
    let mut maven = Command::new("mvn");
    maven.args(["--batch-mode", "--quiet", "dependency:unpack"]);
    maven.arg(format!("-Dartifact=org.keycloak:keycloak-quarkus-dist:{VERSION}:zip"));
    maven.arg(format!("-DoutputDirectory={}", work.path().display()));
    run(maven.current_dir(work.path())).await?;
    fs::rename(work.path().join(format!("keycloak-{VERSION}")), home)?;
    Ok(())
}

fn cache_folder() -> Result<PathBuf> {
    let set = |name: &str| std::env::var_os(name).filter(|folder| !folder.is_empty());
    let user = match set("XDG_CACHE_HOME") {
        Some(folder) => PathBuf::from(folder),
        None => PathBuf::from(set("HOME").context("HOME is not set")?).join(".cache"),
    };
    Ok(user.join("bp-openclaw/keycloak"))
}

async fn java_is_new_enough() -> Result<()> {
    let asked = Command::new("java").arg("-version").output().await;
    let said = asked.with_context(|| format!("there is no Java; {WAY_OUT}"))?.stderr;
    let said = String::from_utf8_lossy(&said);
    match java_version(&said) {
        Some(version) if version >= OLDEST_JAVA => Ok(()),
        _ => {
            bail!("Keycloak needs Java {OLDEST_JAVA} or newer; {WAY_OUT}. `java -version`: {said}")
        }
    }
}

/// The major version in what `java -version` says.
fn java_version(said: &str) -> Option<u32> {
    // Not always on the first line: the JVM announces options from the environment before it.
    let (_, version) = said.split_once(" version \"")?;
    version.split(|c: char| !c.is_ascii_digit()).next()?.parse().ok()
}

async fn run(command: &mut Command) -> Result<()> {
    let name = command.as_std().get_program().to_string_lossy().into_owned();
    let ended =
        command.output().await.with_context(|| format!("cannot start {name}; {WAY_OUT}"))?;
    if !ended.status.success() {
        let output = [ended.stdout, ended.stderr].concat();
        bail!("{name} failed ({})\n{}", ended.status, String::from_utf8_lossy(&output).trim());
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::java_version;

    #[test]
    fn javas_version_is_read_in_every_form() {
        for (said, version) in [
            ("openjdk version \"17.0.15\" 2025-04-15\nOpenJDK Runtime", Some(17)),
            ("openjdk version \"25\" 2025-09-16", Some(25)),
            ("java version \"1.8.0_392\"", Some(1)),
            ("Picked up JAVA_TOOL_OPTIONS: \"-Xmx1g\"\nopenjdk version \"21.0.1\"", Some(21)),
            ("Error: no JVM", None),
        ] {
            assert_eq!(java_version(said), version, "{said}");
        }
    }
}
