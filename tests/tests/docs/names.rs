//! What a page names exists: flags and subcommands of the programs, targets of the Makefile, values of
//! the chart, metrics.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::Path,
    process::Command,
};

use ::tests::process::built;
use anyhow::{Context as _, Result};
use serde_json::Value;

use crate::{
    commands::{commands, is_shell, parts},
    page::{Page, read},
};

/// All that may be named.
pub(crate) struct Known {
    /// Of each program, by `program` and by `program subcommand`: what its `--help` says.
    help: BTreeMap<String, String>,
    /// The chart's default values.
    values: Value,
    /// Of the Makefile.
    targets: BTreeSet<String>,
    /// Names that a test of the chart compares with what the programs show.
    metrics: BTreeSet<String>,
}

/// Marks a fence as values of the chart.
pub(crate) const VALUES: &str = "values";

/// Ours.
const PROGRAMS: [&str; 6] =
    ["webhook", "sidecar", "spawner", "runtime", "certs-dev", "cluster-dev"];

/// Keys of `openclaw.json` that begin like a value of the chart.
const OPENCLAWS: [&str; 3] = ["gateway.auth.", "gateway.controlUi.", "gateway.nodes."];

/// Where metrics stand that `tests/tests/monitoring` has seen on a program.
const SEEN_METRICS: [&str; 4] = [
    "chart/dashboards/bp-openclaw.json",
    "chart/templates/monitoring/_spawner-alerts.tpl",
    "chart/templates/monitoring/_webhook-alerts.tpl",
    "tests/tests/monitoring/main.rs",
];

impl Known {
    pub(crate) fn read() -> Result<Self> {
        let mut help = BTreeMap::new();
        for program in PROGRAMS {
            let text = help_of(program, &[])?;
            for subcommand in subcommands(&text) {
                let text = help_of(program, &[&subcommand])?;
                help.insert(format!("{program} {subcommand}"), text);
            }
            help.insert(program.to_owned(), text);
        }
        let values = serde_norway::from_str(&read(Path::new("chart/values.yaml"))?)?;
        let seen: Vec<String> =
            SEEN_METRICS.iter().map(|path| read(Path::new(path))).collect::<Result<_>>()?;
        let metrics = seen.iter().flat_map(|text| words(text)).map(str::to_owned).collect();
        let makefile = read(Path::new("Makefile"))?;
        let targets = makefile.lines().filter_map(|line| line.strip_prefix(".PHONY: "));
        let targets = targets.map(str::to_owned).collect();
        Ok(Self { help, values, targets, metrics })
    }

    /// What the page names and does not exist.
    pub(crate) fn unknown(&self, page: &Page) -> Vec<String> {
        let spans = page.spans().map(|(line, span)| (line, span.to_owned()));
        let typed = page.fences.iter().filter(|fence| is_shell(fence)).flat_map(|fence| {
            commands(fence).into_iter().map(|command| (fence.line, command.text))
        });
        let all: Vec<_> = spans.chain(typed).collect();
        let in_code = all.iter().flat_map(|(line, code)| {
            let faults = parts(code).into_iter().filter_map(|words| self.command(&words));
            faults.chain(self.value(code)).map(move |what| (*line, what))
        });
        let fences = page.fences.iter().map(|fence| (fence.line, &fence.text));
        let texts = page.prose.iter().map(|(line, text)| (*line, text)).chain(fences);
        let in_text = texts
            .flat_map(|(line, text)| self.metrics(text).into_iter().map(move |what| (line, what)));
        in_code.chain(in_text).map(|(line, what)| format!("{}: {what}", page.at(line))).collect()
    }

    /// A command line of ours or of make's, or a flag alone.
    fn command(&self, words: &[String]) -> Option<String> {
        let (first, rest) = words.split_first()?;
        let program = first.rsplit('/').next()?;
        if first.starts_with("--") {
            let flag = flag(first)?;
            let is_known = self.help.values().any(|help| has_flag(help, flag));
            return (!is_known).then(|| format!("no program of ours has {flag}"));
        }
        if first == "make" {
            let target = rest.iter().find(|word| is_name(word) && !self.targets.contains(*word));
            return target.map(|target| format!("the Makefile has no {target}"));
        }
        let own_help = self.help.get(program)?;
        let (name, help) = match rest.first().filter(|word| is_name(word)) {
            Some(word) if !subcommands(own_help).is_empty() => {
                let name = format!("{program} {word}");
                match self.help.get(&name) {
                    Some(help) => (name, help),
                    None => return Some(format!("there is no `{name}`")),
                }
            }
            _ => (program.to_owned(), own_help),
        };
        let flags = rest.iter().filter_map(|word| flag(word));
        let unknown = flags.into_iter().find(|flag| *flag != "--help" && !has_flag(help, flag))?;
        Some(format!("`{name}` has no {unknown}"))
    }

    /// A value of the chart, as `a.b.c`, alone or behind `--set`.
    fn value(&self, code: &str) -> Option<String> {
        let set = code.split_once("--set ").map(|(_, rest)| rest);
        let path = set.unwrap_or(code).split(['=', ':', ' ']).next()?;
        let (top, rest) = path.split_once('.')?;
        let is_openclaws = OPENCLAWS.iter().any(|own| path.starts_with(own));
        let is_file = ["yaml", "md", "rs", "tpl", "json"].iter().any(|end| rest.ends_with(end));
        let is_path = path.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'.');
        if is_file || is_openclaws || !is_path || self.values.get(top).is_none() {
            return None;
        }
        let mut value = &self.values;
        for key in path.split('.') {
            if is_free(value) {
                return None;
            }
            value = match value.get(key) {
                Some(value) => value,
                None => return Some(format!("the chart has no value {path}")),
            };
        }
        None
    }

    /// What the page shows as values (`<!-- values -->`), and are none.
    pub(crate) fn wrong_values(&self, page: &Page) -> Vec<String> {
        let fences = page.fences.iter().filter(|fence| fence.mark.as_deref() == Some(VALUES));
        fences
            .flat_map(|fence| {
                let faults = match serde_norway::from_str::<Value>(&fence.text) {
                    Ok(overlay) => strangers("", &overlay, &self.values),
                    Err(error) => vec![format!("no YAML: {error}")],
                };
                faults.into_iter().map(|what| format!("{}: {what}", page.at(fence.line)))
            })
            .collect()
    }

    fn metrics(&self, text: &str) -> Vec<String> {
        let named = words(text).filter(|word| looks_like_a_metric(word));
        let unknown = named.filter(|word| !self.metrics.contains(*word));
        unknown.map(|word| format!("nobody has seen a metric {word}")).collect()
    }
}

fn help_of(program: &str, arguments: &[&str]) -> Result<String> {
    let output = Command::new(built(program)?).args(arguments).arg("--help").output();
    Ok(String::from_utf8(output.with_context(|| format!("cannot start {program}"))?.stdout)?)
}

/// The names below `Commands:`.
fn subcommands(help: &str) -> Vec<String> {
    let list = help.split_once("\nCommands:\n").map_or("", |(_, rest)| rest);
    let lines = list.lines().take_while(|line| !line.is_empty());
    let names = lines.filter_map(|line| line.strip_prefix("  ")?.split_whitespace().next());
    names.filter(|name| *name != "help").map(str::to_owned).collect()
}

fn flag(word: &str) -> Option<&str> {
    let flag = word.split(['=', ']', '[', ',']).next()?;
    (flag.len() > 2 && flag.starts_with("--")).then_some(flag)
}

fn has_flag(help: &str, flag: &str) -> bool {
    help.split(|c: char| !(c.is_ascii_alphanumeric() || c == '-')).any(|word| word == flag)
}

fn is_name(word: &str) -> bool {
    word.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'-') && !word.starts_with('-')
}

fn words(text: &str) -> impl Iterator<Item = &str> {
    text.split(|c: char| !(c.is_ascii_alphanumeric() || c == '_')).filter(|word| !word.is_empty())
}

fn looks_like_a_metric(word: &str) -> bool {
    let ends = ["_total", "_seconds", "_seconds_count", "_seconds_bucket", "_seconds_sum"];
    word.contains('_')
        && (word.starts_with("openclaw_") || ends.iter().any(|end| word.ends_with(end)))
        && word.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_')
}

/// Whether an operator's own keys may stand there.
fn is_free(value: &Value) -> bool {
    value.as_object().is_some_and(serde_json::Map::is_empty) || value.is_array()
}

/// Keys of `overlay` that `values` has not.
fn strangers(path: &str, overlay: &Value, values: &Value) -> Vec<String> {
    if is_free(values) {
        return Vec::new();
    }
    let keys = overlay.as_object().into_iter().flatten();
    keys.flat_map(|(key, below)| {
        let path = if path.is_empty() { key.clone() } else { format!("{path}.{key}") };
        match values.get(key) {
            Some(value) => strangers(&path, below, value),
            None => vec![format!("the chart has no value {path}")],
        }
    })
    .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_does_not_exist_is_told_and_nothing_else() {
        let known = Known::read().unwrap();
        let text = "`webhook explain -f x` `kubectl get --nothing` `--listen` `webhook.yaml` \
                    `keycloak.realmURL` `spawner.podLabels.mine` openclaw_http_connections\n\
                    <!-- not run: x -->\n```sh\nA=b sidecar verify --at now | jq --no\n```\n";
        assert_eq!(known.unknown(&Page::of("a.md".into(), text)), [""; 0]);
        for (text, word) in [
            ("`webhook explane -f x`", "no `webhook explane`"),
            ("`A=b make tset`", "the Makefile has no tset"),
            ("`sidecar verify --upstream x`", "`sidecar verify` has no --upstream"),
            ("`--no-such-flag`", "has --no-such-flag"),
            ("`keycloak.realmUrl`", "no value keycloak.realmUrl"),
            ("`helm upgrade --set spawner.replica=3`", "no value spawner.replica"),
            ("spawner_reap_skipped_total", "metric spawner_reap_skipped_total"),
            ("openclaw_no_such", "metric openclaw_no_such"),
            ("```sh\nwebhook serve --port 1\n```", "`webhook serve` has no --port"),
        ] {
            let found = known.unknown(&Page::of("a.md".into(), text));
            assert!(found.len() == 1 && found[0].contains(word), "{text}: {found:?}");
        }
        let yaml = "<!-- values -->\n```yaml\nspawner: {sleep: {idle: 1h}}\n```\n";
        let found = known.wrong_values(&Page::of("a.md".into(), yaml));
        assert!(found.len() == 1 && found[0].contains("spawner.sleep.idle"), "{found:?}");
    }
}
