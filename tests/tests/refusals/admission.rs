//! Who may not create what.

use anyhow::Result;
use contract::secret;
use tests::{
    admission::SOMEBODY,
    pods::{injected, labeled, mounting, plain},
    stage::Admission,
};

/// A user whom Keycloak need not know: nothing is started.
const USER: &str = "cccccccc-2222-4333-8444-555555555555";
const OTHER_USER: &str = "dddddddd-2222-4333-8444-555555555555";

#[tokio::test]
async fn a_labeled_pod_by_somebody_else_is_denied_with_the_way_out() -> Result<()> {
    let admission = Admission::set().await?;
    let denial = admission.pods_as(SOMEBODY).await?.denial_of(&labeled("p", USER)?).await?;
    for part in ["needs the verb 'use'", USER, SOMEBODY, "kubectl create rolebinding"] {
        assert!(denial.contains(part), "{part} in: {denial}");
    }
    Ok(())
}

#[tokio::test]
async fn an_unlabeled_pod_by_somebody_else_is_untouched() -> Result<()> {
    let admission = Admission::set().await?;
    let seen = admission.pods_as(SOMEBODY).await?.try_out(&plain("p")?).await?;
    assert_eq!(injected(&seen), injected(&plain("p")?));
    Ok(())
}

#[tokio::test]
async fn another_users_secret_is_denied_to_everyone() -> Result<()> {
    let admission = Admission::set().await?;
    let other = secret::newapi_key(&OTHER_USER.parse()?);
    let pod = mounting(labeled("p", USER)?, &other)?;
    let denial = admission.pods.denial_of(&pod).await?;
    assert!(denial.contains(&other) && denial.contains("not of its own user"), "{denial}");
    Ok(())
}
