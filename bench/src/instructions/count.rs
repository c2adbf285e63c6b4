use std::process::Command;

use anyhow::{Context as _, Result, ensure};

/// What callgrind counts of `command`, which it runs.
pub(super) fn instructions(command: &mut Command) -> Result<u64> {
    let output = command.output().context("cannot run valgrind: apt-get install valgrind")?;
    let said = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "{command:?} failed:\n{said}");
    collected(&said).with_context(|| format!("callgrind counted nothing:\n{said}"))
}

/// The line `==123== Collected : 4567`.
fn collected(said: &str) -> Option<u64> {
    let number = |line: &str| line.split_once("Collected : ")?.1.trim().parse().ok();
    said.lines().find_map(number)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_sum_is_found() {
        let said =
            "==7== Events    : Ir\n==7== Collected : 4567\n==7== \n==7== I   refs:      4,567\n";
        assert_eq!(collected(said), Some(4567));
        assert_eq!(collected("==7== nothing"), None);
    }
}
