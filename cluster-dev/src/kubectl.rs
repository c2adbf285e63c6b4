//! Calls of the pinned kubectl.

use std::{
    io::Write as _,
    process::{Command, Output, Stdio},
};

use anyhow::{Context as _, Result, bail};

use crate::{layout::Layout, tools};

/// kubectl with the cluster's kubeconfig.
fn kubectl(layout: &Layout) -> Command {
    let mut command = Command::new(tools::program(layout, "kubectl"));
    // Its discovery cache would otherwise be written to the user's home.
    command.arg("--cache-dir").arg(layout.state.join("kubectl-cache"));
    command.env("KUBECONFIG", layout.kubeconfig()).stdin(Stdio::null());
    command
}

/// What kubectl prints, or its words on stderr as the error.
pub(crate) fn output(layout: &Layout, arguments: &[&str]) -> Result<String> {
    text(arguments, kubectl(layout).args(arguments).output().context("cannot run kubectl")?)
}

/// Applies a manifest server-side.
pub(crate) fn apply(layout: &Layout, manifest: &str) -> Result<()> {
    let arguments = ["apply", "--server-side", "--force-conflicts", "-f", "-"];
    let mut child = kubectl(layout)
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .context("cannot run kubectl")?;
    child.stdin.take().context("kubectl has no stdin")?.write_all(manifest.as_bytes())?;
    text(&arguments, child.wait_with_output()?).map(drop)
}

/// Whether kubectl succeeds.
pub(crate) fn succeeds(layout: &Layout, arguments: &[&str]) -> bool {
    kubectl(layout).args(arguments).output().is_ok_and(|output| output.status.success())
}

fn text(arguments: &[&str], output: Output) -> Result<String> {
    if !output.status.success() {
        bail!(
            "kubectl {} failed: {}",
            arguments.join(" "),
            String::from_utf8_lossy(&output.stderr).trim()
        );
    }
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}
