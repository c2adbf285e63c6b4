//! Which template a pod was made from, and with which image: written to the pod as a hash, so that an
//! older pod can be told from one of today.

use aws_lc_rs::digest::{SHA256, digest};
use contract::annotation;
use serde_json::{Map, Value, json};

/// How much of the hash is kept, in bytes: enough to tell the templates of one installation apart.
const KEPT_BYTES: usize = 8;

/// The hash of a template, in hex.
pub(super) fn hash(template: &Value) -> String {
    let text = serde_json::to_vec(template).unwrap_or_default();
    let digest = digest(&SHA256, &text);
    digest.as_ref().iter().take(KEPT_BYTES).map(|byte| format!("{byte:02x}")).collect()
}

/// Writes the hash to the pod.
pub(crate) fn mark(pod: &mut Value, hash: &str) {
    if let Some(annotations) = annotations(pod) {
        annotations.insert(annotation::TEMPLATE.to_owned(), hash.into());
    }
}

/// Gives the runtime container another image: the same container that the webhook takes for it.
pub(super) fn set_image(pod: &mut Value, image: &str) {
    let name = [annotation::CONTAINER, annotation::DEFAULT_CONTAINER]
        .iter()
        .find_map(|key| pod.pointer("/metadata/annotations")?.get(*key)?.as_str())
        .map(str::to_owned);
    let containers = pod.pointer_mut("/spec/containers").and_then(Value::as_array_mut);
    let runtime = containers.and_then(|all| match name {
        Some(name) => all.iter_mut().find(|one| one.get("name") == Some(&json!(name))),
        None => all.first_mut(),
    });
    if let Some(runtime) = runtime.and_then(Value::as_object_mut) {
        runtime.insert("image".to_owned(), image.into());
    }
}

fn annotations(object: &mut Value) -> Option<&mut Map<String, Value>> {
    let metadata = object.get_mut("metadata")?.as_object_mut()?;
    metadata.entry("annotations").or_insert_with(|| json!({})).as_object_mut()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn the_image_is_that_of_the_container_that_the_webhook_takes_for_the_runtime() {
        let containers = json!([{"name": "a", "image": "1"}, {"name": "b", "image": "2"}]);
        for (annotations, images) in [
            (json!({}), ["x", "2"]),
            (json!({"kubectl.kubernetes.io/default-container": "b"}), ["1", "x"]),
            (
                json!({
                    "kubectl.kubernetes.io/default-container": "b",
                    "openclaw.catalyst.openova.io/container": "a",
                }),
                ["x", "2"],
            ),
        ] {
            let mut pod = json!({
                "metadata": {"annotations": annotations}, "spec": {"containers": containers},
            });
            set_image(&mut pod, "x");
            let seen = [0, 1].map(|at| pod["spec"]["containers"][at]["image"].clone());
            assert_eq!(json!(seen), json!(images));
        }
    }

    #[test]
    fn every_change_of_a_template_changes_its_hash() {
        let (one, two) = (json!({"spec": {"a": 1}}), json!({"spec": {"a": 2}}));
        assert_eq!(hash(&one), hash(&one.clone()));
        assert_ne!(hash(&one), hash(&two));
        assert_eq!(hash(&one).len(), 2 * KEPT_BYTES);
    }
}
