//! What a rendered object must look like so that it is this user's and nobody else's.

use contract::{UserId, label, object};
use serde_json::{Map, Value, json};

use super::Kind;

/// A rendered object that the spawner does not create.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum WrongShape {
    /// Another apiVersion or kind.
    #[error("must be apiVersion {0}, kind {1}")]
    WrongKind(&'static str, &'static str),
    /// The name is not the one that follows from the user, which is what makes `create` a lock.
    #[error("metadata.name must be {0}${{USER_UUID}}, because the name is the lock")]
    Name(&'static str),
    /// A name that the API server would make up.
    #[error("metadata.generateName must not be set: the name follows from the user")]
    GenerateName,
    /// A namespace of its own.
    #[error("metadata.namespace must not be set: the spawner's --namespace decides")]
    Namespace,
    /// Without the label the webhook would not inject.
    #[error("metadata.labels must have {}: ${{USER_UUID}}", label::USER)]
    Label,
    /// The home would go away with its owner.
    #[error("metadata.ownerReferences must not be set: a home goes only when it is purged")]
    Owned,
    /// Nothing to run.
    #[error("spec.containers must name at least one container")]
    NoContainers,
    /// The policy selects other pods, or all.
    #[error("spec.podSelector.matchLabels must be {}: ${{USER_UUID}}", label::USER)]
    Selector,
    /// The policy does not restrict who comes in.
    #[error("spec.policyTypes must contain Ingress")]
    NoIngress,
    /// A rule without `from` lets everybody in.
    #[error("every rule in spec.ingress must have a non-empty `from`: without it all may enter")]
    OpenIngress,
}

impl WrongShape {
    /// The YAML key at which the fault shows, to find the line.
    pub(super) fn key(&self) -> &'static str {
        match self {
            Self::WrongKind(..) => "kind:",
            Self::Name(_) => "name:",
            Self::GenerateName => "generateName:",
            Self::Namespace => "namespace:",
            Self::Label => "labels:",
            Self::Owned => "ownerReferences:",
            Self::NoContainers => "containers:",
            Self::Selector => "podSelector:",
            Self::NoIngress => "policyTypes:",
            Self::OpenIngress => "ingress:",
        }
    }
}

/// Refuses an object that is not the `user`'s.
pub(super) fn check(kind: Kind, object: &Value, user: &UserId) -> Result<(), WrongShape> {
    let (version, name, expected, prefix) = match kind {
        Kind::Pod => ("v1", "Pod", object::pod(user), "openclaw-"),
        Kind::NetworkPolicy => {
            ("networking.k8s.io/v1", "NetworkPolicy", object::network_policy(user), "openclaw-")
        }
        Kind::Home => ("v1", "PersistentVolumeClaim", object::home(user), "openclaw-home-"),
    };
    let text = |pointer| object.pointer(pointer).and_then(Value::as_str);
    if text("/apiVersion") != Some(version) || text("/kind") != Some(name) {
        return Err(WrongShape::WrongKind(version, name));
    }
    if object.pointer("/metadata/generateName").is_some() {
        return Err(WrongShape::GenerateName);
    }
    if object.pointer("/metadata/namespace").is_some() {
        return Err(WrongShape::Namespace);
    }
    if text("/metadata/name") != Some(expected.as_str()) {
        return Err(WrongShape::Name(prefix));
    }
    match kind {
        Kind::Pod => check_pod(object, user),
        Kind::NetworkPolicy => check_policy(object, user),
        Kind::Home => check_home(object, user),
    }
}

fn check_home(claim: &Value, user: &UserId) -> Result<(), WrongShape> {
    check_label(claim, user)?;
    match claim.pointer("/metadata/ownerReferences") {
        None => Ok(()),
        Some(_) => Err(WrongShape::Owned),
    }
}

fn check_label(object: &Value, user: &UserId) -> Result<(), WrongShape> {
    let labels = object.pointer("/metadata/labels").and_then(Value::as_object);
    if user_label(labels) == Some(user.as_str()) { Ok(()) } else { Err(WrongShape::Label) }
}

fn check_pod(pod: &Value, user: &UserId) -> Result<(), WrongShape> {
    check_label(pod, user)?;
    match pod.pointer("/spec/containers").and_then(Value::as_array) {
        Some(containers) if !containers.is_empty() => Ok(()),
        _ => Err(WrongShape::NoContainers),
    }
}

fn check_policy(policy: &Value, user: &UserId) -> Result<(), WrongShape> {
    let selector = policy.pointer("/spec/podSelector/matchLabels").and_then(Value::as_object);
    if user_label(selector) != Some(user.as_str()) {
        return Err(WrongShape::Selector);
    }
    let types = policy.pointer("/spec/policyTypes").and_then(Value::as_array);
    if !types.is_some_and(|types| types.iter().any(|kind| kind == "Ingress")) {
        return Err(WrongShape::NoIngress);
    }
    let rules = policy.pointer("/spec/ingress").and_then(Value::as_array);
    let open = |rule: &Value| {
        rule.get("from").and_then(Value::as_array).is_none_or(|peers| peers.is_empty())
    };
    match rules {
        Some(rules) if rules.iter().any(open) => Err(WrongShape::OpenIngress),
        _ => Ok(()),
    }
}

fn user_label(labels: Option<&Map<String, Value>>) -> Option<&str> {
    labels?.get(label::USER)?.as_str()
}

/// Labels the object as the spawner's, so that an operator and a sweep can tell.
pub(super) fn mark_as_ours(object: &mut Value) {
    let labels = object
        .get_mut("metadata")
        .and_then(Value::as_object_mut)
        .map(|metadata| metadata.entry("labels").or_insert_with(|| json!({})));
    if let Some(labels) = labels.and_then(Value::as_object_mut) {
        labels.insert(label::MANAGED_BY.to_owned(), json!(label::MANAGED_BY_SPAWNER));
    }
}
