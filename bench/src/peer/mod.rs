//! The programs that are measured. Each verifies an RS256 token's signature, `iss`, `aud`, `exp` and
//! `sub`, replaces `Authorization`, and forwards to the same upstream.

mod apache;
mod envoy;
mod haproxy;
mod packages;
mod sidecar;

use std::{
    fs::{self, File},
    net::{SocketAddr, TcpListener},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    time::Duration,
};

use anyhow::{Context as _, Result, bail, ensure};
use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};
use tokio::time::{Instant, sleep};

use crate::{
    cores::{Cores, starting_on},
    issuer::Issuer,
    load::{Connection, get},
    measure::Program,
    upstream::ECHO,
};

/// What each program puts in place of the user's token.
const GATEWAY_TOKEN: &str = "gateway-token-of-the-bench";
/// How long a program may take from start to its first accepted request.
const START: Duration = Duration::from_secs(20);
/// How long a program may take to end.
const GRACE: Duration = Duration::from_secs(5);
/// Time between two looks.
const PAUSE: Duration = Duration::from_millis(20);

/// The programs, in the order of the table.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Kind {
    Sidecar,
    Haproxy,
    Envoy,
    Apache,
}

/// A program that is ready to be started, as often as wanted.
pub(crate) struct Peer {
    pub(crate) kind: Kind,
    pub(crate) version: String,
    command: Command,
    pub(crate) address: SocketAddr,
    log: PathBuf,
}

/// What a configuration is made from.
struct Setup<'run> {
    /// For the program's files alone.
    folder: PathBuf,
    listen: SocketAddr,
    upstream: SocketAddr,
    issuer: &'run Issuer,
    /// Who alone is let in; `None`: whoever the issuer knows.
    user: Option<&'run str>,
}

/// A program that runs; it ends when this is dropped.
pub(crate) struct Running {
    pub(crate) program: Program,
    child: Child,
}

impl Kind {
    pub(crate) const ALL: [Self; 4] = [Self::Sidecar, Self::Haproxy, Self::Envoy, Self::Apache];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Sidecar => "sidecar",
            Self::Haproxy => "HAProxy",
            Self::Envoy => "Envoy",
            Self::Apache => "Apache",
        }
    }
}

impl Peer {
    /// Gets the program if it is not there, and writes its configuration into `folder`. The sidecar and
    /// Apache let in one user whatever `user` says.
    pub(crate) fn prepare(
        kind: Kind,
        sidecar: &Path,
        folder: &Path,
        upstream: SocketAddr,
        issuer: &Issuer,
        user: Option<&str>,
    ) -> Result<Self> {
        let folder = folder.join(kind.name());
        fs::create_dir_all(&folder)?;
        let log = folder.join("log");
        let setup = Setup { folder, listen: free_address()?, upstream, issuer, user };
        let (command, version) = match kind {
            Kind::Sidecar => sidecar::prepare(sidecar, &setup)?,
            Kind::Haproxy => haproxy::prepare(&setup)?,
            Kind::Envoy => envoy::prepare(&setup)?,
            Kind::Apache => apache::prepare(&setup)?,
        };
        Ok(Self { kind, version, command, address: setup.listen, log })
    }

    /// Starts it on the measured core and waits until it accepts a good token.
    pub(crate) async fn start(&mut self, cores: Cores, token: &str) -> Result<Running> {
        let mut running = starting_on(cores.measured, cores.ours, || {
            Running::start(&mut self.command, &self.log)
        })?;
        let (request, deadline) = (get("/", Some(token)), Instant::now() + START);
        loop {
            let answer = Connection::new(self.address).exchange(&request).await;
            let said = match answer {
                Ok(answer) if answer.status == 200 => return Ok(running),
                Ok(answer) => format!("it answers {}", answer.status),
                Err(error) => format!("{error:#}"),
            };
            running.check(&self.log)?;
            ensure!(Instant::now() < deadline, "not ready in time: {said}\n{}", self.said());
            sleep(PAUSE).await;
        }
    }

    /// Checks that the program does the job which is measured.
    pub(crate) async fn check(&self, issuer: &Issuer) -> Result<()> {
        for case in issuer.cases() {
            let request = get(ECHO, case.token.as_deref());
            let answer = Connection::new(self.address).exchange(&request).await?;
            let status = answer.status;
            let fitting = if case.good { status == 200 } else { matches!(status, 401 | 403) };
            ensure!(fitting, "{} gets {status}\n{}", case.what, self.said());
            let head = String::from_utf8_lossy(&answer.body).to_lowercase();
            let replaced = head.matches("authorization: ").count() == 1
                && head.contains(&format!("authorization: bearer {GATEWAY_TOKEN}\r\n"));
            ensure!(!case.good || replaced, "the upstream gets another Authorization:\n{head}");
        }
        Ok(())
    }

    fn said(&self) -> String {
        said(&self.log)
    }
}

/// The end of what a program logged.
fn said(log: &Path) -> String {
    let text = fs::read_to_string(log).unwrap_or_default();
    let lines: Vec<_> = text.lines().collect();
    lines.get(lines.len().saturating_sub(10)..).unwrap_or_default().join("\n")
}

impl Running {
    /// Starts a program that logs to `log`.
    pub(crate) fn start(command: &mut Command, log: &Path) -> Result<Self> {
        let output = File::create(log)?;
        command.stdin(Stdio::null()).stdout(output.try_clone()?).stderr(output);
        let child = command.spawn().with_context(|| format!("cannot start {command:?}"))?;
        Ok(Self { program: Program { pid: child.id() }, child })
    }

    /// Fails with the end of its log if it has ended.
    pub(crate) fn check(&mut self, log: &Path) -> Result<()> {
        match self.child.try_wait()? {
            Some(status) => bail!("it ended with {status}\n{}", said(log)),
            None => Ok(()),
        }
    }

    /// Ends it, for good if it does not by itself.
    pub(crate) async fn stop(mut self) -> Result<()> {
        kill(Pid::from_raw(self.child.id().try_into()?), Signal::SIGTERM)?;
        let deadline = Instant::now() + GRACE;
        while self.child.try_wait()?.is_none() {
            if Instant::now() >= deadline {
                self.child.kill()?;
                self.child.wait()?;
                break;
            }
            sleep(PAUSE).await;
        }
        Ok(())
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // It may have ended already.
        if let Ok(None) = self.child.try_wait() {
            let _ = self.child.kill();
            let _ = self.child.wait();
        }
    }
}

impl Setup<'_> {
    /// Writes a file of the program's and gives its path.
    fn write(&self, name: &str, text: &str) -> Result<PathBuf> {
        let path = self.folder.join(name);
        fs::write(&path, text).with_context(|| format!("cannot write {}", path.display()))?;
        Ok(path)
    }
}

/// An address on loopback that nobody uses now.
pub(crate) fn free_address() -> Result<SocketAddr> {
    Ok(TcpListener::bind("127.0.0.1:0")?.local_addr()?)
}

/// The first line that a program prints about its version.
fn version(command: &mut Command) -> Result<String> {
    let output = command.output().with_context(|| format!("cannot run {command:?}"))?;
    let text = [output.stdout, output.stderr].concat();
    let text = String::from_utf8_lossy(&text);
    Ok(text.lines().find(|line| !line.is_empty()).unwrap_or_default().trim().to_owned())
}
