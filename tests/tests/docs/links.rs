//! Where a link leads there is something, and where it names a test, that test is there.

use std::path::{Component, Path, PathBuf};

use anyhow::Result;

use crate::page::{Link, Page, read, top};

/// What is wrong with the page's links, and with the files that it names.
pub(crate) fn broken(page: &Page) -> Result<Vec<String>> {
    let missing = page.spans().filter(|(_, span)| is_file(span) && !top().join(span).exists());
    let mut broken: Vec<_> =
        missing.map(|(line, span)| format!("{}: there is no {span}", page.at(line))).collect();
    for link in page.links() {
        if let Some(what) = fault(page, &link)? {
            broken.push(format!(
                "{}: [{}]({}): {what}",
                page.at(link.line),
                link.text,
                link.target
            ));
        }
    }
    Ok(broken)
}

fn fault(page: &Page, link: &Link<'_>) -> Result<Option<String>> {
    let (file, anchor) = link.target.split_once('#').unwrap_or((link.target, ""));
    let folder = page.path.parent().unwrap_or_else(|| Path::new(""));
    let path = if file.is_empty() { page.path.clone() } else { plain(&folder.join(file)) };
    if !top().join(&path).exists() {
        return Ok(Some(format!("there is no {}", path.display())));
    }
    if !anchor.is_empty() {
        let target = Page::of(path.clone(), &read(&path)?);
        let headings = target.anchors();
        if !headings.iter().any(|heading| heading == anchor) {
            return Ok(Some(format!("{} has no heading #{anchor}", path.display())));
        }
    }
    match test_named(link.text) {
        Some(name) if !read(&path)?.contains(&format!("fn {name}(")) => {
            Ok(Some(format!("{} has no fn {name}", path.display())))
        }
        _ => Ok(None),
    }
}

/// A path that begins with a folder of the checkout. What a build makes may be there or not.
fn is_file(span: &str) -> bool {
    let is_path = span.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"._/-".contains(&byte));
    let folder = span.split_once('/').map(|(folder, _)| folder);
    is_path
        && folder
            .is_some_and(|folder| !["", "target"].contains(&folder) && top().join(folder).is_dir())
}

/// A link's text such as `nobody_gets_in`, with its backticks.
fn test_named(text: &str) -> Option<&str> {
    let name = text.strip_prefix('`')?.strip_suffix('`')?;
    let is_name = name.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_');
    (is_name && name.contains('_')).then_some(name)
}

/// The path without `..`, so that it can be told to people.
fn plain(path: &Path) -> PathBuf {
    let mut plain = PathBuf::new();
    for part in path.components() {
        match part {
            Component::ParentDir if plain.pop() => {}
            Component::CurDir => {}
            part => plain.push(part),
        }
    }
    plain
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_kind_of_broken_link_is_told() {
        let text = "[a](nowhere.md) [b](#no-such) [`no_such_test`](page.rs) [`a_b`](c.rs)\n\
                    # There is\n[fine](#there-is) [`each_kind_of_broken_link_is_told`](links.rs)\n";
        let page = Page::of(PathBuf::from("tests/tests/docs/x.md"), text);
        let faults: Vec<_> = page.links().take(1).map(|link| fault(&page, &link)).collect();
        assert!(
            matches!(&faults[..], [Ok(Some(what))] if what.contains("no tests/tests/docs/now"))
        );
        let test = Link { line: 1, text: "`no_such_test`", target: "page.rs" };
        assert!(fault(&page, &test).unwrap().unwrap().contains("no fn no_such_test"));
        let there =
            Link { line: 1, text: "`each_kind_of_broken_link_is_told`", target: "links.rs" };
        assert_eq!(fault(&page, &there).unwrap(), None);
        assert!(is_file("docs/no-such.md") && !is_file("pods/exec") && !is_file("chart"));
        let heading = Link { line: 1, text: "x", target: "../../../README.md#no-such-heading" };
        assert!(fault(&page, &heading).unwrap().unwrap().contains("no heading"));
    }
}
