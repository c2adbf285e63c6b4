//! Admissions that go on while something else happens.

use anyhow::{Result, ensure};

use crate::{
    load::{Tally, meanwhile},
    pods::{Pods, injected, labeled},
};

/// Has labeled pods of `user` admitted, again and again, until `work` is done and at least `count`
/// have been tried. Every one is a dry run: all of admission, and nothing is kept.
///
/// # Errors
/// Those of `work`.
pub async fn while_admitting<T>(
    pods: &Pods,
    user: &str,
    count: usize,
    work: impl Future<Output = Result<T>>,
) -> Result<(T, Tally)> {
    meanwhile(count, || admit(pods, user), work).await
}

async fn admit(pods: &Pods, user: &str) -> Result<()> {
    let seen = pods.try_out(&labeled("p", user)?).await?;
    ensure!(injected(&seen).init_containers.len() == 2, "it was let in without its sidecar");
    Ok(())
}
