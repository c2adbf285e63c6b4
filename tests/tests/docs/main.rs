//! The documentation is held to what there is: links lead somewhere, commands are run or say why not,
//! what they print is what the pages show, and what is named exists.

mod api_page;
mod capacity;
mod commands;
mod links;
mod marks;
mod names;
mod page;
mod quotes;
mod shell;

use std::collections::BTreeMap;

#[cfg(feature = "chart")]
use anyhow::Context as _;
use anyhow::{Result, ensure};
use serde_json::Value;

use crate::page::{Page, pages, read, top};

#[test]
fn every_link_leads_somewhere() -> Result<()> {
    on_every_page(links::broken)
}

#[test]
fn every_command_says_who_runs_it() -> Result<()> {
    on_every_page(marks::faults)
}

#[test]
fn what_commands_print_is_what_the_pages_show() -> Result<()> {
    let fences = pages()?.into_iter().flat_map(|page| page.fences);
    let ran = fences.filter(|fence| fence.mark.as_deref() == Some(marks::HERE)).count();
    ensure!(ran > 3, "only {ran} fences are run: this test would miss the others");
    on_every_page(|page| shell::differences(page, None))
}

/// On what `make demo` leaves behind.
#[cfg(feature = "pods")]
#[tokio::test]
async fn what_commands_print_on_a_cluster_is_what_the_pages_show() -> Result<()> {
    let stage = tests::stage::Stage::set().await?;
    let alice = stage.sign_in("alice").await?;
    stage.start_pod_of(&alice).await?;
    on_every_page(|page| shell::differences(page, Some(&stage.cluster)))
}

#[test]
fn what_is_named_exists() -> Result<()> {
    let known = names::Known::read()?;
    on_every_page(|page| Ok([known.unknown(page), known.wrong_values(page)].concat()))
}

#[test]
fn what_the_runbook_quotes_is_said() -> Result<()> {
    let said = quotes::Said::read()?;
    let pages = pages()?.into_iter().filter(|page| page.path.ends_with("runbook.md"));
    let unknown: Vec<_> = pages.flat_map(|page| said.unknown(&page)).collect();
    ensure!(unknown.is_empty(), "{}", unknown.join("\n"));
    Ok(())
}

#[cfg(feature = "chart")]
#[test]
fn values_on_the_pages_render() -> Result<()> {
    use tests::chart::{RELEASE, folder, run, tool};
    let mut rendered = 0;
    for page in pages()? {
        for fence in page.fences.iter().filter(|f| f.mark.as_deref() == Some(names::VALUES)) {
            let overlay = tempfile::NamedTempFile::new()?;
            std::fs::write(overlay.path(), &fence.text)?;
            let mut helm = std::process::Command::new(tool("HELM", "helm"));
            helm.args(["template", RELEASE]).arg(folder()).args(["--namespace", RELEASE]);
            helm.arg("--values").arg(folder().join("tests/values/real.yaml"));
            run(helm.arg("--values").arg(overlay.path())).with_context(|| page.at(fence.line))?;
            rendered += 1;
        }
    }
    ensure!(rendered > 1, "only {rendered} were rendered: this test would miss the others");
    Ok(())
}

#[test]
fn no_page_repeats_another() -> Result<()> {
    let mut first: BTreeMap<String, String> = BTreeMap::new();
    let mut again = Vec::new();
    for page in pages()? {
        for (line, text) in &page.prose {
            let is_rule = text.starts_with("|-") || text.starts_with("<!--");
            if text.len() < WORTH_SAYING_ONCE || is_rule {
                continue;
            }
            if let Some(before) = first.insert(text.clone(), page.at(*line)) {
                again.push(format!("{} says what {before} says: {text}", page.at(*line)));
            }
        }
    }
    nothing(again)
}

#[test]
fn concepts_name_every_annotation_and_state() -> Result<()> {
    let concepts = read("docs/concepts.md".as_ref())?;
    let contract = read("contract/src/annotation.rs".as_ref())?;
    let annotations = contract.split("\"openclaw.catalyst.openova.io/").skip(1);
    let annotations = annotations.filter_map(|rest| rest.split('"').next());
    let annotations: Vec<_> = annotations.filter(|name| !name.is_empty()).collect();
    ensure!(annotations.len() > 9, "only {annotations:?} were found");
    let missing = annotations.into_iter().map(|name| format!("`{name}`"));
    let missing = missing.filter(|name| !concepts.contains(name) && name != "`rotate-ca`");
    let states = openapi()?;
    let states = states.pointer("/components/schemas/State/enum").and_then(Value::as_array);
    let states = states.into_iter().flatten().filter_map(Value::as_str).map(str::to_owned);
    let unknown = states.filter(|state| !concepts.contains(&format!("> {state}")));
    nothing(missing.chain(unknown).collect())
}

#[test]
fn the_runbook_names_every_reason() -> Result<()> {
    let runbook = read("docs/runbook.md".as_ref())?;
    let names = read("spawner/src/state/reason.rs".as_ref())?;
    let names = names.split("=> \"").skip(1).filter_map(|rest| rest.split('"').next());
    let names: Vec<_> = names.map(|name| format!("`{name}`")).collect();
    ensure!(names.len() > 12, "only {names:?} were found");
    nothing(names.into_iter().filter(|name| !runbook.contains(name)).collect())
}

#[test]
fn the_capacity_table_is_what_the_chart_asks_for() -> Result<()> {
    let page = read("docs/operate.md".as_ref())?;
    nothing(capacity::rows()?.into_iter().filter(|row| !page.contains(row)).collect())
}

fn openapi() -> Result<Value> {
    Ok(serde_norway::from_str(&read("spawner/src/api/openapi.yaml".as_ref())?)?)
}

/// Shorter lines may stand anywhere, in characters.
const WORTH_SAYING_ONCE: usize = 60;

/// `UPDATE_GOLDEN=1 cargo test -p tests --test docs` writes it.
#[test]
fn the_api_page_is_that_of_the_openapi_document() -> Result<()> {
    let path = "docs/api.md".as_ref();
    let before = read(path)?;
    let now = api_page::with_reference(&before, &openapi()?)?;
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        return Ok(std::fs::write(top().join(path), now)?);
    }
    ensure!(before == now, "docs/api.md is stale: make api-docs");
    Ok(())
}

fn on_every_page(faults: impl Fn(&Page) -> Result<Vec<String>>) -> Result<()> {
    let faults: Result<Vec<_>> = pages()?.iter().map(faults).collect();
    nothing(faults?.concat())
}

fn nothing(faults: Vec<String>) -> Result<()> {
    ensure!(faults.is_empty(), "{} faults\n{}", faults.len(), faults.join("\n"));
    Ok(())
}
