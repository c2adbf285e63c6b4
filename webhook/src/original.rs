//! What an injection replaced, kept in an annotation so that it can be put back.
//!
//! Most of what the webhook does is added and can be told by its name. Two things are not: a probe
//! that was moved, and a variable that was there before. They are remembered verbatim, because the
//! sidecar's flags do not say whether a port was a name. A forged annotation gains nothing: who can
//! write it can write the probe, and only probes that aim at the upstream port are believed.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::{annotations::ORIGINAL, view::Pod};

/// The content of the annotation [`ORIGINAL`].
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Original {
    /// Field of the runtime container to the handler that was in it: `{"httpGet": {..}}`.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub probes: BTreeMap<String, Map<String, Value>>,
    /// Entries of `env` that were replaced, in order.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub env: Vec<Value>,
}

impl Original {
    /// What the pod's annotation says; nothing when it has none.
    pub fn of(pod: &Pod<'_>) -> Result<Self, serde_json::Error> {
        pod.annotation(ORIGINAL).map_or_else(|| Ok(Self::default()), serde_json::from_str)
    }

    /// The annotation's value; `None` when there is nothing to remember.
    #[must_use]
    pub fn to_annotation(&self) -> Option<String> {
        if *self == Self::default() {
            return None;
        }
        // JSON values and string keys always serialize.
        serde_json::to_string(self).ok()
    }
}
