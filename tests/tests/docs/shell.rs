//! Runs the commands that are marked as run here, in a folder that looks like the checkout: what a
//! page writes is gone afterwards.

use std::{fs, os::unix::fs::symlink, process::Command};

use ::tests::{cluster::Cluster, process::built};
use anyhow::{Context as _, Result};
use tempfile::TempDir;

use crate::{
    commands::{Command as Typed, commands},
    marks::{HERE, ON_A_CLUSTER},
    page::{Page, top},
};

/// In a page, a line for any number of lines.
const AND_SO_ON: &str = "...";

/// What the page's commands print otherwise than it says: those for a cluster, where there is one, and
/// the others without.
pub(crate) fn differences(page: &Page, cluster: Option<&Cluster>) -> Result<Vec<String>> {
    let mark = if cluster.is_some() { ON_A_CLUSTER } else { HERE };
    let mut differences = Vec::new();
    let folder = like_the_checkout()?;
    for fence in page.fences.iter().filter(|fence| fence.mark.as_deref() == Some(mark)) {
        let all = match fence.language.as_str() {
            "console" => commands(fence),
            // A script may hold a file in its middle, so it is run as a whole.
            _ => vec![Typed { text: fence.text.clone(), output: None }],
        };
        for Typed { text, output } in all {
            let (well, printed) = run(&folder, &text, cluster)?;
            let as_said = output.is_none_or(|output| is_like(&output, &printed));
            if !well || !as_said {
                let how = if well { "otherwise" } else { "and failed" };
                let at = page.at(fence.line);
                differences.push(format!("{at}: {text}\nprinted {how}:\n{printed}"));
            }
        }
    }
    Ok(differences)
}

fn like_the_checkout() -> Result<TempDir> {
    let folder = tempfile::tempdir()?;
    for entry in fs::read_dir(top().canonicalize()?)? {
        let entry = entry?;
        if entry.file_name() != "target" {
            symlink(entry.path(), folder.path().join(entry.file_name()))?;
        }
    }
    let programs = built("webhook")?;
    let programs = programs.parent().context("the webhook is in no folder")?;
    fs::create_dir(folder.path().join("target"))?;
    symlink(programs, folder.path().join("target/debug"))?;
    Ok(folder)
}

/// Whether it ends well, and all that it prints. What it exports is there for the next one.
fn run(folder: &TempDir, command: &str, cluster: Option<&Cluster>) -> Result<(bool, String)> {
    let path = std::env::var("PATH")?;
    let exported = folder.path().join(".exported");
    let exported = exported.display();
    let script = format!(
        "trap 'export -p >{exported}' EXIT\n[ ! -f {exported} ] || . {exported}\nexec 2>&1\n{command}"
    );
    let mut shell = Command::new("bash");
    shell.args(["-eu", "-c", &script]).current_dir(folder);
    match cluster {
        // As its operator has it.
        Some(Cluster { kubeconfig, tools, .. }) => {
            shell.env("PATH", format!("{}:{path}", tools.display())).env("KUBECONFIG", kubeconfig)
        }
        None => shell.env_clear().env("HOME", folder.path()).env("PATH", path),
    };
    let output = shell.output().context("cannot start bash")?;
    Ok((output.status.success(), String::from_utf8(output.stdout)?))
}

fn is_like(expected: &str, printed: &str) -> bool {
    let (expected, printed): (Vec<_>, Vec<_>) = (
        expected.lines().map(str::trim_end).collect(),
        printed.lines().map(str::trim_end).collect(),
    );
    lines_match(&expected, &printed)
}

fn lines_match(expected: &[&str], printed: &[&str]) -> bool {
    match (expected.split_first(), printed.split_first()) {
        (None, None) => true,
        (Some((&AND_SO_ON, rest)), _) => {
            (0..=printed.len()).any(|at| lines_match(rest, printed.get(at..).unwrap_or_default()))
        }
        (Some((line, rest)), Some((seen, others))) => line == seen && lines_match(rest, others),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn three_dots_stand_for_any_lines_and_for_nothing_else() {
        for (expected, printed, is) in [
            ("a\nb\n", "a\nb\n", true),
            ("a\n", "a\nb\n", false),
            ("a\n...\nc\n", "a\nb\nb\nc\n", true),
            ("a\n...\n", "a\n", true),
            ("...\nc\n", "a\nb\n", false),
            ("", "", true),
            ("", "a\n", false),
        ] {
            assert_eq!(is_like(expected, printed), is, "{expected:?} {printed:?}");
        }
    }

    #[test]
    fn what_a_page_does_not_say_is_told() {
        let text = "<!-- run: docs -->\n```sh\ncat >f <<'END'\nb\nEND\nexport A=f\n```\n\
                    <!-- run: docs -->\n```console\n$ cat $A\na\n$ false\n$ ls README.md\nREADME.md\n```\n";
        let found = differences(&Page::of("a.md".into(), text), None).unwrap();
        let [first, second] = &found[..] else { panic!("{found:?}") };
        assert!(first.contains("cat $A\nprinted otherwise:\nb"), "{first}");
        assert!(second.contains("false\nprinted and failed"), "{second}");
    }
}
