//! A real browser at the spawner's public address: Chromium, driven by the scripts in `browser/`.

use std::{
    path::{Path, PathBuf},
    process::Stdio,
    sync::Arc,
};

use anyhow::{Context as _, Result, bail, ensure};
use certs_dev::{Authority, Validity};
use serde_json::Value;
use tokio::{
    io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader, Lines, copy_bidirectional},
    net::{TcpListener, TcpStream},
    process::{Child, ChildStdin, ChildStdout, Command},
    task::JoinHandle,
    time::{Duration, timeout},
};
use tokio_rustls::TlsAcceptor;

use crate::{
    install::{CONTROL_URL, PUBLIC_URL},
    people::Person,
};

/// How long the next thing to see may take: a pod that starts on a busy machine.
const PATIENCE: Duration = Duration::from_secs(360);

/// Ends TLS at the public address and passes everything on to the spawner, as an Ingress does.
#[derive(Debug)]
pub struct Front {
    serving: JoinHandle<()>,
    ca: String,
}

/// A script that drives a browser. Ends with the value.
#[derive(Debug)]
pub struct Browser {
    process: Child,
    input: ChildStdin,
    output: Lines<BufReader<ChildStdout>>,
}

impl Front {
    /// Stands before the spawner at `spawner`, `host:port`.
    ///
    /// # Errors
    /// The public address cannot be had.
    pub async fn before(spawner: String) -> Result<Self> {
        let authority = Authority::new("browser tests", Validity::days(1))?;
        let leaf = authority.server(&["localhost", "control.localhost"], &[], Validity::days(1))?;
        let (chain, key) = (leaf.certificate_pem(), leaf.key_pem());
        let config = edge::tls::server_config(chain.as_bytes(), key.as_bytes())?;
        // No HTTP/2: what is behind it is passed on byte by byte.
        let acceptor = TlsAcceptor::from(Arc::new(without_alpn(config)));
        let address = PUBLIC_URL.trim_start_matches("https://");
        let listener = TcpListener::bind(address)
            .await
            .with_context(|| format!("cannot listen on {address}"))?;
        let serving = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(pass(stream, acceptor.clone(), spawner.clone()));
            }
        });
        Ok(Self { serving, ca: authority.certificate_pem().to_owned() })
    }

    /// The CA that its clients have to trust, as PEM.
    #[must_use]
    pub fn ca(&self) -> &str {
        &self.ca
    }
}

fn without_alpn(mut config: rustls::ServerConfig) -> rustls::ServerConfig {
    config.alpn_protocols.clear();
    config
}

async fn pass(stream: TcpStream, acceptor: TlsAcceptor, spawner: String) -> std::io::Result<()> {
    let mut client = acceptor.accept(stream).await?;
    let mut spawner = TcpStream::connect(spawner).await?;
    copy_bidirectional(&mut client, &mut spawner).await.map(drop)
}

impl Drop for Front {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

impl Browser {
    /// Starts `script` as `person`, with more settings for it.
    ///
    /// # Errors
    /// Node or Chromium is missing.
    pub fn start(
        script: &str,
        person: &Person,
        issuer: &str,
        more: &[(&str, &str)],
    ) -> Result<Self> {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("browser");
        ensure!(
            folder.join("node_modules").exists(),
            "the browser's driver is not installed: `make browser`"
        );
        let keycloak = issuer.split("/realms").next().unwrap_or_default();
        let mut node = Command::new("node");
        node.arg(folder.join(script)).envs(more.iter().copied());
        node.env("ADDRESS", PUBLIC_URL).env("CONTROL", CONTROL_URL).env("ISSUER", issuer);
        node.env("INSECURE_ORIGIN", keycloak).env("SCREENSHOTS", screenshots());
        node.env("PERSON", &person.name).env("PASSWORD", person.password());
        node.stdin(Stdio::piped()).stdout(Stdio::piped()).kill_on_drop(true);
        let mut process = node.spawn().context("cannot start node")?;
        let input = process.stdin.take().context("no stdin")?;
        let output = process.stdout.take().context("no stdout")?;
        Ok(Self { process, input, output: BufReader::new(output).lines() })
    }

    /// Waits until the script has seen `what`; what it says about it.
    ///
    /// # Errors
    /// It ends before, which its standard error explains, or takes too long.
    pub async fn saw(&mut self, what: &str) -> Result<Value> {
        loop {
            let line = timeout(PATIENCE, self.output.next_line()).await;
            let line = line.with_context(|| format!("the browser does not see {what:?}"))??;
            let Some(line) = line else { bail!("the browser ended before it saw {what:?}") };
            let said: Value = serde_json::from_str(&line).with_context(|| line.clone())?;
            if said.get("saw").is_some_and(|saw| saw == what) {
                return Ok(said);
            }
        }
    }

    /// Tells the script to go on.
    ///
    /// # Errors
    /// It has ended.
    pub async fn go_on(&mut self) -> Result<()> {
        Ok(self.input.write_all(b"\n").await?)
    }

    /// Waits for the script's end, which is good only if it saw all that it wanted to.
    ///
    /// # Errors
    /// It saw something else.
    pub async fn end(mut self) -> Result<()> {
        while timeout(PATIENCE, self.output.next_line()).await??.is_some() {}
        let status = self.process.wait().await?;
        ensure!(status.success(), "the browser saw something else ({status})");
        Ok(())
    }
}

/// Where pictures go: `target/screenshots`.
fn screenshots() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../target/screenshots")
}
