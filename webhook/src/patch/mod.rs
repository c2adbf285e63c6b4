//! From what a pod is and what it should be to the operations between the two: pure.
//!
//! Operations are built by hand. A computed difference would work index by index and rewrite what
//! others put there; these only add, repair or take away parts of our own, and `test` a name
//! wherever an index is used. What is there is compared on every call, so a second pass over a
//! finished pod is empty, and a half-injected or forged one is repaired.

mod annotations;
mod env;
mod init_containers;
mod operations;
mod probes;
mod same;
mod volumes;

use json_patch::PatchOperation;
use serde_json::Value;

use self::{env::Env, operations::Operations};
use crate::{inject::Desired, plan::Plan};

pub use self::same::same;
pub(crate) use self::{
    env::is_injected as is_injected_env, init_containers::is_injected as is_injected_container,
    operations::name, volumes::is_injected as is_injected_volume,
};

/// A patch of a pod, and what its author should know of it.
#[derive(Clone, Debug, Default)]
pub struct Patch {
    /// RFC 6902 operations, relative to the pod.
    pub operations: Vec<PatchOperation>,
    /// Things that were there and were replaced.
    pub warnings: Vec<String>,
}

/// The operations that make `pod` as `desired`.
#[must_use]
pub fn patch(pod: &Value, plan: &Plan, desired: &Desired) -> Patch {
    let mut operations = Operations::default();
    let mut warnings = Vec::new();
    let mut original = plan.original.clone();

    volumes::patch(pod, &desired.volumes, &mut operations, &mut warnings);
    let env = Env::compare(pod, plan, &desired.env);
    if env.differs() || probes::to_take(plan).next().is_some() {
        operations.test_name(pod, &["spec", "containers"], plan.runtime);
    }
    probes::patch(plan, &mut original, &mut operations);
    env.patch(&mut original, &mut operations, &mut warnings);
    init_containers::patch(pod, &desired.init_containers, &mut operations, &mut warnings);
    annotations::patch(pod, &desired.injected, &original, &mut operations);

    Patch { operations: operations.into_vec(), warnings }
}
