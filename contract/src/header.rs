//! Headers between the parts.

/// Auth sidecar to spawner: the sidecar itself refused the request, for this reason. What the runtime
/// says under this name never leaves the pod.
pub const REFUSED: &str = "openclaw-refused";
/// The value of [`REFUSED`] for a good token of another user than the pod's.
pub const REFUSED_OTHER_USER: &str = "other_user";
