//! Every command says who runs it. In front of a fence for a shell stands one of
//!
//! - `<!-- run: docs -->`: this test runs it, and compares what is printed;
//! - `<!-- run: cluster -->`: the same on the demo's cluster, with `make test-cluster`;
//! - `<!-- run: PATH -->`: each of its commands stands in that script;
//! - `<!-- not run: REASON -->`.

use std::path::Path;

use anyhow::Result;

use crate::{
    commands::{commands, is_shell, plain},
    page::{Fence, Page, read, top},
};

/// This test runs it, anywhere.
pub(crate) const HERE: &str = "run: docs";
/// This test runs it on a cluster.
pub(crate) const ON_A_CLUSTER: &str = "run: cluster";

/// Fences that do not say what they are, or say it wrongly.
pub(crate) fn faults(page: &Page) -> Result<Vec<String>> {
    let mut faults = Vec::new();
    for fence in &page.fences {
        if let Some(what) = fault(fence)? {
            faults.push(format!("{}: {what}", page.at(fence.line)));
        }
    }
    for (line, _) in page.prose.iter().filter(|(_, text)| text.starts_with("    ")) {
        faults.push(format!("{}: code by indentation is not seen; use a fence", page.at(*line)));
    }
    Ok(faults)
}

fn fault(fence: &Fence) -> Result<Option<String>> {
    if !is_shell(fence) {
        let known = ["text", "yaml", "json", "mermaid", "promql"];
        let is_known = known.contains(&fence.language.as_str());
        if fence.language == "mermaid" && fence.text.contains(';') {
            return Ok(Some("a semicolon ends a statement of mermaid's".to_owned()));
        }
        let what =
            || format!("a fence is sh, console or one of {known:?}, not {:?}", fence.language);
        return Ok((!is_known).then(what));
    }
    let Some(mark) = &fence.mark else {
        return Ok(Some(
            "say above it who runs it: <!-- run: .. --> or <!-- not run: .. -->".into(),
        ));
    };
    let is_run = [HERE, ON_A_CLUSTER].contains(&mark.as_str());
    if is_run || mark.strip_prefix("not run:").is_some_and(|why| !why.trim().is_empty()) {
        return Ok(None);
    }
    let Some(script) = mark.strip_prefix("run:").map(str::trim) else {
        return Ok(Some(format!("the mark {mark:?} does not say who runs it")));
    };
    if !top().join(script).is_file() {
        return Ok(Some(format!("the mark names {script}, which does not exist")));
    }
    let runs: Vec<String> = read(Path::new(script))?.lines().map(plain).collect();
    let commands = commands(fence).into_iter().map(|command| plain(&command.text));
    let missing: Vec<_> = commands.filter(|command| !runs.contains(command)).collect();
    let what = || format!("{script} does not run {missing:?}");
    Ok((!missing.is_empty()).then(what))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn verdict(mark: &str, command: &str) -> Option<String> {
        let text = format!("<!-- {mark} -->\n```sh\n{command}\n```\n");
        let page = Page::of("a.md".into(), &text);
        fault(&page.fences[0]).unwrap()
    }

    #[test]
    fn a_mark_is_believed_only_as_far_as_it_can_be_seen() {
        assert_eq!(verdict("run: docs", "true"), None);
        assert_eq!(verdict("not run: needs Docker", "true"), None);
        assert_eq!(verdict("run: .ci/run", "make test    # all"), None);
        for (mark, word) in [
            ("not run:", "does not say"),
            ("ran once", "does not say"),
            ("run: no/such", "no/such, which"),
            ("run: .ci/run", "does not run [\"true\"]"),
        ] {
            let said = verdict(mark, "true").unwrap();
            assert!(said.contains(word), "{said}");
        }
    }

    #[test]
    fn a_fence_without_a_mark_or_a_language_is_a_fault() {
        let text = "a\n```sh\ntrue\n```\n```\nb\n```\n    c\n```mermaid\nd;\n```\n";
        assert_eq!(faults(&Page::of("a.md".into(), text)).unwrap().len(), 4);
    }
}
