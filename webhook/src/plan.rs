//! What will be done to one pod: everything that depends on the pod, decided once.
//!
//! Whoever has a plan knows that the pod can be injected; nothing after it can fail or ask again.

use contract::UserId;
use serde_json::Value;

use crate::{config::Settings, original::Original, probe};

/// How one pod becomes its user's.
#[derive(Clone, Debug)]
pub struct Plan {
    /// Whose pod it is.
    pub user: UserId,
    /// Index of the runtime in `spec.containers`.
    pub runtime: usize,
    /// Defaults and the pod's own wishes.
    pub settings: Settings,
    /// User and group of the injected containers.
    pub run_as: RunAs,
    /// The token-sync step's mount; `None` when the step is disabled.
    pub token_sync: Option<ConfigMount>,
    /// Probes that the sidecar makes in the kubelet's place, in the order of [`probe::Kind`].
    pub probes: Vec<MovedProbe>,
    /// Whether the pod may be given a service account token, which must be kept from our containers.
    pub keep_out_token: bool,
    /// What a former injection replaced, as far as it still matters.
    pub original: Original,
    /// What the pod's author should know although it is no reason to deny.
    pub warnings: Vec<String>,
}

/// User and group of the injected containers. Never root.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RunAs {
    pub user: i64,
    pub group: Option<i64>,
}

/// The runtime's own mount through which token-sync reaches config-path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConfigMount {
    pub volume: String,
    pub mount_path: String,
    pub sub_path: Option<String>,
}

/// A probe of the runtime that the sidecar makes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MovedProbe {
    pub kind: probe::Kind,
    pub target: probe::Target,
    /// The handler that has to be taken out of the pod and remembered; `None` when that is done.
    pub take: Option<TakenHandler>,
}

/// `httpGet` or `tcpSocket` of a probe, as it stands in the pod.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TakenHandler {
    pub field: &'static str,
    pub value: Value,
}
