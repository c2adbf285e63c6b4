//! What the release's own service accounts may do, by trying: each call of the programs is let through,
//! what they do not need is refused, and no rule of the chart's Roles is without a call.

mod call;
mod setting;

use std::{collections::BTreeSet, fs, path::Path};

use anyhow::{Context as _, Result};

use crate::setting::{Account, Setting};

#[tokio::test]
async fn each_call_of_the_programs_is_allowed() -> Result<()> {
    let setting = Setting::made().await?;
    let mut refused = Vec::new();
    for (account, call) in setting.calls("allowed")? {
        if !call.is_allowed(&setting.api_as(account).await?).await? {
            refused.push(format!("{account:?}: {call}"));
        }
    }
    assert!(refused.is_empty(), "{refused:#?}");
    Ok(())
}

#[tokio::test]
async fn what_they_do_not_need_is_refused() -> Result<()> {
    let setting = Setting::made().await?;
    let (mut allowed, mut tried) = (Vec::new(), 0);
    for (account, call) in setting.calls("refused")? {
        tried += 1;
        if call.is_allowed(&setting.api_as(account).await?).await? {
            allowed.push(format!("{account:?}: {call}"));
        }
    }
    assert!(allowed.is_empty() && tried > 50, "{tried} tried, {allowed:#?}");
    Ok(())
}

#[tokio::test]
async fn no_rule_is_without_a_call() -> Result<()> {
    let setting = Setting::made().await?;
    let calls = setting.calls("allowed")?;
    let rules = setting.rules()?;
    assert!(rules.len() > 20, "{rules:#?}");
    let unused: Vec<_> =
        rules.iter().filter(|rule| !calls.iter().any(|call| rule.serves(call))).collect();
    assert!(unused.is_empty(), "{unused:#?}");
    Ok(())
}

/// Calls name themselves in metrics and faults, by `Action { verb: "..", resource: ".." }`.
#[tokio::test]
async fn each_call_in_the_spawners_source_is_in_the_list() -> Result<()> {
    let setting = Setting::made().await?;
    let calls = setting.calls("allowed")?;
    let listed: BTreeSet<_> = calls
        .iter()
        .filter(|(account, _)| *account == Account::Spawner)
        .map(|(_, call)| (call.verb.clone(), call.resource.clone()))
        .collect();
    let source = source(&Path::new(env!("CARGO_MANIFEST_DIR")).join("../spawner/src"))?;
    let made = actions(&source)?;
    assert!(made.len() >= 10, "{made:?}");
    let missing: Vec<_> = made.difference(&listed).collect();
    assert!(missing.is_empty(), "{missing:?}");
    Ok(())
}

/// What all files in a folder say, one after the other.
fn source(folder: &Path) -> Result<String> {
    let mut text = String::new();
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        text += &if path.is_dir() { source(&path)? } else { fs::read_to_string(&path)? };
    }
    Ok(text)
}

/// Verb and resource of each; the resource may be a constant.
fn actions(source: &str) -> Result<BTreeSet<(String, String)>> {
    let quoted = |text: &str| Some(text.split_once('"')?.0.to_owned());
    let mut found = BTreeSet::new();
    for action in source.split("Action { verb: \"").skip(1) {
        let (verb, rest) = action.split_once("\", resource: ").context("another form of Action")?;
        let resource = match rest.strip_prefix('"') {
            Some(literal) => quoted(literal),
            None => {
                let name = rest.split([' ', '}', ',']).next().unwrap_or_default();
                let name = name.rsplit("::").next().unwrap_or(name);
                source
                    .split_once(&format!("const {name}: &str = \""))
                    .and_then(|(_, at)| quoted(at))
            }
        };
        found.insert((verb.to_owned(), resource.with_context(|| format!("what is {rest:.40}?"))?));
    }
    Ok(found)
}
