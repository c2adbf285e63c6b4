//! What a pod should have: pure, from plan and configuration.
//!
//! The parts are raw JSON in the order in which they are written, so that equal input gives equal
//! bytes. Nothing in them derives from the pod's name: a template and its pods agree.

mod container;
mod env;
mod sidecar;
mod token_sync;
mod volume;

use serde_json::Value;

pub use self::{env::Variable, sidecar::PORT_NAME, volume::VOLUMES};
use crate::{
    VERSION,
    config::{Config, Injection},
    patch::name,
    plan::Plan,
};

/// The parts that a pod should have.
#[derive(Clone, Debug)]
pub struct Desired {
    /// Variables of the runtime container.
    pub env: Vec<Variable>,
    /// Init containers in their order: token-sync, if enabled, then the auth sidecar.
    pub init_containers: Vec<Value>,
    /// Volumes that the init containers mount.
    pub volumes: Vec<Value>,
    /// Value of [`contract::annotation::INJECTED`].
    pub injected: String,
}

impl Desired {
    /// The names of all parts, for those who read an audit log.
    #[must_use]
    pub fn parts(&self, plan: &Plan) -> String {
        let list = |what: &str, names: Vec<&str>| {
            (!names.is_empty()).then(|| format!("{what}: {}", names.join(" ")))
        };
        let lists = [
            list("env", self.env.iter().map(|variable| variable.name).collect()),
            list("initContainers", self.init_containers.iter().map(name).collect()),
            list("volumes", self.volumes.iter().map(name).collect()),
            list("probes", plan.probes.iter().map(|probe| probe.kind.word()).collect()),
        ];
        lists.into_iter().flatten().collect::<Vec<_>>().join("; ")
    }
}

/// What `plan` means under `config`.
#[must_use]
pub fn desired(plan: &Plan, config: &Config) -> Desired {
    let parts = Parts { plan, config: &config.injection };
    Desired {
        env: env::runtime(&parts),
        init_containers: token_sync::container(&parts)
            .into_iter()
            .chain([sidecar::container(&parts)])
            .collect(),
        volumes: volume::volumes(&parts),
        injected: format!("{VERSION}/{}", config.hash),
    }
}

/// What every part is made from.
struct Parts<'a> {
    plan: &'a Plan,
    config: &'a Injection,
}
