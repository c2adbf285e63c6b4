//! Labels on pods and on the objects that belong to one user.

/// Selects a pod for injection and names its user: `catalyst.openova.io/openclaw-user: <uuid>`.
///
/// A claim of authority, because it decides which Secret the pod gets. Who may set it is RBAC: the
/// verb [`USE_VERB`] on [`USE_RESOURCE`] of [`USE_GROUP`], named by the uuid, in the pod's namespace.
pub const USER: &str = "catalyst.openova.io/openclaw-user";

/// API group of the virtual resource that guards [`USER`].
pub const USE_GROUP: &str = "catalyst.openova.io";
/// The virtual resource that guards [`USER`]; its names are user ids.
pub const USE_RESOURCE: &str = "openclaw-users";
/// Verb that allows creating a pod labeled with the named user.
pub const USE_VERB: &str = "use";
/// Verb that allows ephemeral containers in a pod labeled with the named user.
pub const DEBUG_VERB: &str = "debug";

/// [`SLEEP_NEVER`] keeps a pod awake for ever: `catalyst.openova.io/openclaw-sleep: never`.
pub const SLEEP: &str = "catalyst.openova.io/openclaw-sleep";
/// The one value of [`SLEEP`].
pub const SLEEP_NEVER: &str = "never";

/// Marks what the spawner made (`app.kubernetes.io/managed-by`).
pub const MANAGED_BY: &str = "app.kubernetes.io/managed-by";
/// The value of [`MANAGED_BY`] on the spawner's objects.
pub const MANAGED_BY_SPAWNER: &str = "openclaw-spawner";
