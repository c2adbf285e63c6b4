//! The chart's profiles: values for users' pods that run another program than the reference runtime.

use std::{fs, path::Path, time::Duration};

use anyhow::{Context as _, Result, ensure};
use k8s_openapi::api::core::v1::Pod;
use kube::Api;
use serde_json::{Value, json};

use crate::{install, patience, release::merge, stage::Stage};

/// How long a pod of the release may take to end.
const ENDING: Duration = Duration::from_secs(120);

/// Upgrades the stage's release to `chart/profiles/NAME.yaml` with this image, and to the values `over`
/// it. The next program that sets the stage has the reference runtime again.
///
/// # Errors
/// The image was not loaded, or the chart cannot be upgraded.
pub async fn install(stage: &Stage, name: &str, image: &str, over: Value) -> Result<()> {
    ensure!(!image.is_empty(), "the image of {name} is not loaded: `make openclaw`");
    let (repository, tag) = image.rsplit_once(':').context("an image without a tag")?;
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("../chart/profiles/{name}.yaml"));
    let mut values: Value = serde_norway::from_str(&fs::read_to_string(path)?)?;
    let issuer = stage.keycloak.issuer();
    merge(&mut values, install::values(&stage.cluster, &issuer, stage.new_api.base_url())?);
    let runtime = json!({"repository": repository, "tag": tag});
    let newapi = json!({"models": ["stand-in-1"]});
    merge(&mut values, json!({"images": {"runtime": runtime}, "newapi": newapi}));
    merge(&mut values, over);
    install::chart(&stage.cluster, &stage.kube, &values).await?;
    old_pods_gone(stage).await
}

/// Those that end still serve: a spawner makes pods, and a webhook changes them, as they learnt to.
async fn old_pods_gone(stage: &Stage) -> Result<()> {
    let pods: Api<Pod> = Api::namespaced(stage.kube.clone(), install::SYSTEM);
    patience::until(ENDING, || async {
        let pods = pods.list(&install::of_release()).await?;
        Ok(pods.iter().all(|pod| pod.metadata.deletion_timestamp.is_none()))
    })
    .await
}
