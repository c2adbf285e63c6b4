//! Manifests: documents of YAML or JSON, and the pods in them.
//!
//! A workload is a pod in waiting: its template's labels decide, exactly as those of the pod that
//! will be made from it.

use serde::Deserialize;
use serde_json::Value;

use crate::yaml;

/// How the input was written, and so how the output is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    Yaml,
    Json,
}

/// All documents of one input.
#[derive(Clone, Debug)]
pub struct Manifest {
    pub documents: Vec<Value>,
    pub format: Format,
}

/// The input holds something else than manifests.
#[derive(Debug, thiserror::Error)]
pub enum ManifestError {
    #[error("document {document}: {source}")]
    Yaml { document: usize, source: serde_norway::Error },
    #[error("{0}")]
    Json(#[from] serde_json::Error),
}

/// One pod, or the template of one.
#[derive(Debug)]
pub struct Pod<'a> {
    pub kind: String,
    pub name: String,
    /// As the manifest says it; `None` when it leaves it to `kubectl -n`.
    pub namespace: Option<String>,
    pub pod: &'a mut Value,
}

impl Manifest {
    /// Reads `text`. What begins with a brace is JSON, one or more objects one after the other.
    pub fn parse(text: &str) -> Result<Self, ManifestError> {
        if text.trim_start().starts_with('{') {
            let documents = serde_json::Deserializer::from_str(text).into_iter();
            let documents = documents.collect::<Result<_, _>>()?;
            return Ok(Self { documents, format: Format::Json });
        }
        let mut documents = Vec::new();
        for (index, document) in serde_norway::Deserializer::from_str(text).enumerate() {
            let value = Value::deserialize(document)
                .map_err(|source| ManifestError::Yaml { document: index + 1, source })?;
            // An empty document, between two separators for instance.
            if !value.is_null() {
                documents.push(value);
            }
        }
        Ok(Self { documents, format: Format::Yaml })
    }

    /// Every pod in it, in order.
    pub fn pods(&mut self) -> Vec<Pod<'_>> {
        let mut pods = Vec::new();
        for document in &mut self.documents {
            collect(document, &mut pods);
        }
        pods
    }
}

impl std::fmt::Display for Manifest {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        for (index, document) in self.documents.iter().enumerate() {
            match self.format {
                Format::Json => writeln!(f, "{document:#}")?,
                Format::Yaml if index == 0 => write!(f, "{}", yaml::to_string(document))?,
                Format::Yaml => write!(f, "---\n{}", yaml::to_string(document))?,
            }
        }
        Ok(())
    }
}

fn collect<'a>(document: &'a mut Value, pods: &mut Vec<Pod<'a>>) {
    let text = |value: &Value, key: &str| value.get(key).and_then(Value::as_str).map(str::to_owned);
    let kind = text(document, "kind").unwrap_or_default();
    // `List`, and the typed ones such as PodList.
    if kind.ends_with("List") {
        if let Some(items) = document.get_mut("items").and_then(Value::as_array_mut) {
            items.iter_mut().for_each(|item| collect(item, pods));
        }
        return;
    }
    let Some(path) = pod_path(&kind) else { return };
    let metadata = document.get("metadata").unwrap_or(&Value::Null);
    let generated = || text(metadata, "generateName").map(|prefix| prefix + "*");
    let name = text(metadata, "name").or_else(generated).unwrap_or_default();
    let namespace = text(metadata, "namespace");
    if let Some(pod) = document.pointer_mut(path) {
        pods.push(Pod { kind, name, namespace, pod });
    }
}

/// Where a kind keeps its pod.
fn pod_path(kind: &str) -> Option<&'static str> {
    match kind {
        "Pod" => Some(""),
        "PodTemplate" => Some("/template"),
        "Deployment"
        | "StatefulSet"
        | "DaemonSet"
        | "ReplicaSet"
        | "ReplicationController"
        | "Job" => Some("/spec/template"),
        "CronJob" => Some("/spec/jobTemplate/spec/template"),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pods_are_found_in_every_kind() {
        let text = r"
kind: List
items:
- kind: Deployment
  metadata: {name: d, namespace: n}
  spec: {template: {spec: {}}}
- kind: CronJob
  metadata: {generateName: c-}
  spec: {jobTemplate: {spec: {template: {spec: {}}}}}
- kind: ConfigMap
---
---
kind: Pod
";
        let mut manifest = Manifest::parse(text).unwrap();
        let found: Vec<_> = manifest
            .pods()
            .iter()
            .map(|pod| format!("{} {} {:?}", pod.kind, pod.name, pod.namespace))
            .collect();
        assert_eq!(found, [r#"Deployment d Some("n")"#, "CronJob c-* None", "Pod  None"]);
    }

    #[test]
    fn json_stays_json() {
        let manifest = Manifest::parse("{\"kind\": \"A\"}\n{\"kind\": \"B\"}").unwrap();
        assert_eq!(manifest.format, Format::Json);
        assert_eq!(manifest.to_string(), "{\n  \"kind\": \"A\"\n}\n{\n  \"kind\": \"B\"\n}\n");
    }

    #[test]
    fn a_broken_document_is_named() {
        let error = Manifest::parse("kind: Pod\n---\na: [\n").unwrap_err().to_string();
        assert!(error.starts_with("document 2: ") && error.contains("line"), "{error}");
    }
}
