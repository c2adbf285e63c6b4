//! A page of the documentation, as far as it has to be understood to be held to something.

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
};

use anyhow::{Context as _, Result};

/// A Markdown file.
pub(crate) struct Page {
    /// From the top of the checkout.
    pub(crate) path: PathBuf,
    /// What is outside of fences, with its line number.
    pub(crate) prose: Vec<(usize, String)>,
    pub(crate) fences: Vec<Fence>,
}

/// What stands between two lines of backticks.
pub(crate) struct Fence {
    /// Of its first line.
    pub(crate) line: usize,
    pub(crate) language: String,
    /// What the comment right above it says.
    pub(crate) mark: Option<String>,
    pub(crate) text: String,
}

/// A link that leads somewhere in the checkout.
pub(crate) struct Link<'p> {
    pub(crate) line: usize,
    pub(crate) text: &'p str,
    pub(crate) target: &'p str,
}

/// The top of the checkout.
pub(crate) fn top() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

/// Of a file of the checkout.
pub(crate) fn read(path: &Path) -> Result<String> {
    fs::read_to_string(top().join(path)).with_context(|| path.display().to_string())
}

/// The pages that people read, and nobody else's: what a test makes is held where it is made.
pub(crate) fn pages() -> Result<Vec<Page>> {
    let mut paths: Vec<PathBuf> =
        ["README.md", "CONTRIBUTING.md", "chart/README.md"].map(PathBuf::from).into();
    for entry in fs::read_dir(top().join("docs"))? {
        let name = PathBuf::from(entry?.file_name());
        if name.extension().is_some_and(|extension| extension == "md") {
            paths.push(Path::new("docs").join(name));
        }
    }
    paths.sort();
    paths.into_iter().map(|path| Ok(Page::of(path.clone(), &read(&path)?))).collect()
}

impl Page {
    pub(crate) fn of(path: PathBuf, text: &str) -> Self {
        let mut page = Self { path, prose: Vec::new(), fences: Vec::new() };
        let mut open: Option<Fence> = None;
        for (line, text) in (1..).zip(text.lines()) {
            let ends = text.starts_with("```");
            match (open.take(), text.strip_prefix("```")) {
                (Some(fence), _) if ends => page.fences.push(fence),
                (Some(mut fence), _) => {
                    fence.text.push_str(text);
                    fence.text.push('\n');
                    open = Some(fence);
                }
                (None, Some(language)) => {
                    let mark = page.prose.last().and_then(|(_, above)| comment(above));
                    let mark = mark.map(str::to_owned);
                    let language = language.trim().to_owned();
                    open = Some(Fence { line, language, mark, text: String::new() });
                }
                (None, None) => page.prose.push((line, text.to_owned())),
            }
        }
        // A fence that is never closed hides the rest of the page, and is seen as one without a mark.
        page.fences.extend(open.map(|fence| Fence { mark: None, ..fence }));
        page
    }

    /// Where something stands, for people.
    pub(crate) fn at(&self, line: usize) -> String {
        format!("{}:{line}", self.path.display())
    }

    /// What stands between backticks.
    pub(crate) fn spans(&self) -> impl Iterator<Item = (usize, &str)> {
        self.prose.iter().flat_map(|(line, text)| {
            text.split('`').skip(1).step_by(2).map(move |span| (*line, span))
        })
    }

    /// Links to files and headings of the checkout.
    pub(crate) fn links(&self) -> impl Iterator<Item = Link<'_>> {
        self.prose.iter().flat_map(|(line, text)| links_in(*line, text))
    }

    /// What a link may name behind `#`: GitHub's way to name a heading.
    pub(crate) fn anchors(&self) -> Vec<String> {
        let mut seen: BTreeMap<String, usize> = BTreeMap::new();
        let headings = self.prose.iter().filter(|(_, text)| text.starts_with('#'));
        headings
            .map(|(_, text)| {
                let slug = slug(text.trim_start_matches('#').trim());
                let before = seen.entry(slug.clone()).or_default();
                *before += 1;
                if *before == 1 { slug } else { format!("{slug}-{}", *before - 1) }
            })
            .collect()
    }
}

/// What an HTML comment that fills a line says.
fn comment(line: &str) -> Option<&str> {
    Some(line.trim().strip_prefix("<!--")?.strip_suffix("-->")?.trim())
}

fn slug(heading: &str) -> String {
    let kept = heading.to_lowercase();
    let kept = kept.chars().filter(|c| c.is_alphanumeric() || matches!(c, '-' | '_' | ' '));
    kept.map(|c| if c == ' ' { '-' } else { c }).collect()
}

fn links_in(line: usize, text: &str) -> impl Iterator<Item = Link<'_>> {
    let found = text.match_indices("](").filter_map(move |(at, _)| {
        let (target, _) = text.get(at + 2..)?.split_once(')')?;
        let (_, text) = text.get(..at)?.rsplit_once('[')?;
        Some(Link { line, text, target })
    });
    found.filter(|link| !link.target.contains("://"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn page(text: &str) -> Page {
        Page::of(PathBuf::from("a.md"), text)
    }

    #[test]
    fn a_fence_has_the_mark_right_above_it() {
        let page = page("<!-- run: docs -->\n```sh\ntrue\n```\n\n```text\na\n```\n");
        let [first, second] = &page.fences[..] else { panic!("not two") };
        assert_eq!((first.mark.as_deref(), first.language.as_str()), (Some("run: docs"), "sh"));
        assert_eq!((second.mark.as_deref(), second.text.as_str()), (None, "a\n"));
    }

    #[test]
    fn headings_are_named_as_github_names_them() {
        let page = page("# It sleeps, or does not\n## `a.b` and c\n## A\n## A\n");
        assert_eq!(page.anchors(), ["it-sleeps-or-does-not", "ab-and-c", "a", "a-1"]);
    }

    #[test]
    fn links_out_of_the_checkout_are_not_ours() {
        let page = page("[a](b.md#c), `x`, [d](https://e.example) and [`f`](../g)\n");
        let links: Vec<_> = page.links().map(|link| (link.text, link.target)).collect();
        assert_eq!(links, [("a", "b.md#c"), ("`f`", "../g")]);
    }
}
