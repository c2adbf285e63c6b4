//! Alerts and dashboard: what they ask for is what the programs show, and alerts fire when they
//! should and not otherwise, judged by Prometheus' own promtool.

mod programs;
mod promql;

use std::{collections::BTreeSet, fs, path::Path, process::Command};

use anyhow::{Context as _, Result};
use serde_json::{Value, json};
use tests::chart::{self, object, run, tool};

/// All that the chart has of monitoring.
const ON: [&str; 5] = [
    "monitoring.podMonitor.enabled=true",
    "monitoring.podMonitor.users.enabled=true",
    "monitoring.podMonitor.users.from[0].podSelector.matchLabels.app=prometheus",
    "monitoring.prometheusRule.enabled=true",
    "monitoring.dashboard.enabled=true",
];

#[tokio::test]
async fn every_metric_that_is_asked_for_is_shown_by_a_program() -> Result<()> {
    let expressions = [alert_expressions()?, panel_expressions()?, variables()?].concat();
    let asked: BTreeSet<String> = expressions.iter().flat_map(|e| promql::metrics(e)).collect();
    assert!(asked.len() > 30, "{asked:?}");
    let shown = programs::shown(&asked).await?;
    // `up` is Prometheus' own.
    let unknown: Vec<_> =
        asked.iter().filter(|name| *name != "up" && !shown.contains(*name)).collect();
    assert!(unknown.is_empty(), "no program shows {unknown:?}; they show {shown:#?}");
    Ok(())
}

#[tokio::test]
async fn every_metric_has_a_name_by_the_rules_and_is_on_the_dashboard() -> Result<()> {
    let panels = panel_expressions()?;
    let used: BTreeSet<String> = panels.iter().flat_map(|e| promql::metrics(e)).collect();
    for name in programs::shown(&used).await? {
        assert!(name.starts_with("openclaw_"), "{name}");
        let base = promql::without_histogram(&name);
        let is_used = used.iter().any(|used| promql::without_histogram(used) == base);
        assert!(is_used || UNSEEN.contains(&base), "{base} is on no panel");
    }
    Ok(())
}

/// Metrics that are worth having and no panel.
const UNSEEN: [&str; 2] = ["openclaw_webhook_in_flight", "openclaw_webhook_request_bytes_total"];

#[test]
fn prometheus_reads_the_alerts_and_the_dashboard() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let alerts = write(folder.path(), "alerts.yaml", &rules()?)?;
    let panels: Vec<Value> = panel_expressions()?
        .iter()
        .enumerate()
        .map(|(at, expression)| json!({"record": format!("panel:{at}"), "expr": expression}))
        .collect();
    let panels = json!({"groups": [{"name": "dashboard", "rules": panels}]});
    let panels = write(folder.path(), "panels.yaml", &panels)?;
    let mut promtool = Command::new(tool("PROMTOOL", "promtool"));
    promtool.args(["check", "rules", "--lint=all", "--lint-fatal"]).args([alerts, panels]);
    run(&mut promtool).map(drop)
}

#[test]
fn alerts_fire_when_they_should() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let rules = rules()?;
    write(folder.path(), "alerts.yaml", &rules)?;
    let cases = include_str!("alerts_test.yaml");
    for rule in all_rules(&rules) {
        let name = text(rule, "alert")?;
        assert!(cases.contains(&format!("alertname=\"{name}\"")), "{name} is never seen to fire");
    }
    let file = folder.path().join("alerts_test.yaml");
    fs::write(&file, cases)?;
    let mut promtool = Command::new(tool("PROMTOOL", "promtool"));
    run(promtool.args(["test", "rules"]).arg(file)).map(drop)
}

fn rules() -> Result<Value> {
    let rule = object("templates/monitoring/prometheusrule.yaml", &ON)?;
    rule.get("spec").cloned().context("no spec")
}

fn all_rules(rules: &Value) -> impl Iterator<Item = &Value> {
    list(rules.get("groups")).flat_map(|group| list(group.get("rules")))
}

fn list(value: Option<&Value>) -> impl Iterator<Item = &Value> {
    value.and_then(Value::as_array).into_iter().flatten()
}

fn alert_expressions() -> Result<Vec<String>> {
    let rules = rules()?;
    all_rules(&rules).map(|rule| text(rule, "expr").map(str::to_owned)).collect()
}

fn dashboard() -> Result<Value> {
    let map = object("templates/monitoring/dashboard.yaml", &ON)?;
    let text = map.pointer("/data/bp-openclaw.json").and_then(Value::as_str);
    Ok(serde_json::from_str(text.context("no dashboard")?)?)
}

/// The panels' queries, with a range for Grafana's own.
fn panel_expressions() -> Result<Vec<String>> {
    let dashboard = dashboard()?;
    let panels = dashboard.get("panels").and_then(Value::as_array).context("no panels")?;
    let targets = panels.iter().filter_map(|panel| panel.get("targets")?.as_array()).flatten();
    targets.map(|target| Ok(text(target, "expr")?.replace("$__rate_interval", "5m"))).collect()
}

/// The metrics by which the dashboard finds its jobs.
fn variables() -> Result<Vec<String>> {
    let dashboard = dashboard()?;
    let list = dashboard.pointer("/templating/list").and_then(Value::as_array);
    let queries = list.context("no variables")?.iter();
    let queries = queries.filter_map(|variable| variable.pointer("/query/query")?.as_str());
    queries
        .map(|query| {
            let of =
                query.strip_prefix("label_values(").and_then(|rest| rest.strip_suffix(", job)"));
            of.map(str::to_owned).with_context(|| format!("not understood: {query}"))
        })
        .collect()
}

fn text<'v>(value: &'v Value, key: &str) -> Result<&'v str> {
    value.get(key).and_then(Value::as_str).with_context(|| format!("no {key} in {value}"))
}

fn write(folder: &Path, name: &str, content: &Value) -> Result<std::path::PathBuf> {
    let file = folder.join(name);
    fs::write(&file, serde_norway::to_string(content)?)?;
    Ok(file)
}

#[test]
fn a_dashboard_is_the_file_as_it_is() -> Result<()> {
    let file = fs::read_to_string(chart::folder().join("dashboards/bp-openclaw.json"))?;
    assert_eq!(dashboard()?, serde_json::from_str::<Value>(&file)?);
    Ok(())
}
