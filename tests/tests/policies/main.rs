//! The chart's policies, case by case, on a real API server and without the webhook: they must hold
//! when its configuration has been edited or deleted. The cases are in cases.yaml.
//!
//! The policies are rendered a second time, for a namespace that no webhook looks at, so that nothing
//! else in the cluster is disturbed.

mod case;
mod setting;

use std::collections::BTreeMap;

use anyhow::{Context as _, Result};
use case::Case;
use setting::Setting;

/// Tries every case of a chapter and tells all surprises at once.
async fn chapter(title: &str) -> Result<()> {
    let setting = Setting::made().await?;
    let cases: BTreeMap<String, Vec<Case>> = serde_norway::from_str(include_str!("cases.yaml"))?;
    let cases = cases.get(title).with_context(|| format!("cases.yaml has no {title:?}"))?;
    let mut surprises = Vec::new();
    for case in cases {
        if let Err(surprise) = case.try_out(&setting).await {
            surprises.push(format!("{}, as {}: {surprise:#}", case.what, case.who));
        }
    }
    assert!(
        surprises.is_empty(),
        "{} of {}:\n{}",
        surprises.len(),
        cases.len(),
        surprises.join("\n")
    );
    Ok(())
}

#[tokio::test]
async fn who_may_create_a_labeled_pod() -> Result<()> {
    chapter("who may create a labeled pod").await
}

#[tokio::test]
async fn what_a_labeled_pod_must_look_like() -> Result<()> {
    chapter("what a labeled pod must look like").await
}

#[tokio::test]
async fn who_may_refer_to_a_users_secret() -> Result<()> {
    chapter("who may refer to a user's Secret").await
}

#[tokio::test]
async fn who_may_make_or_copy_a_users_home() -> Result<()> {
    chapter("who may make or copy a user's home").await
}

#[tokio::test]
async fn who_may_have_the_name_of_a_users_pod() -> Result<()> {
    chapter("who may have the name of a user's pod").await
}

#[tokio::test]
async fn what_may_change_in_a_pod() -> Result<()> {
    chapter("what may change in a pod").await
}

#[tokio::test]
async fn who_may_look_inside() -> Result<()> {
    chapter("who may look inside").await
}

#[tokio::test]
async fn who_may_bind_a_label_to_a_pod() -> Result<()> {
    chapter("who may bind a label to a pod").await
}
