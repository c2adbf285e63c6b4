//! Annotations on a labeled pod, all under one prefix so that an unknown name is a visible mistake.

/// Prefix of every annotation of ours: `openclaw.catalyst.openova.io/<name>`.
pub const PREFIX: &str = "openclaw.catalyst.openova.io/";

/// Which container is the runtime. Default: [`DEFAULT_CONTAINER`], else the first container.
pub const CONTAINER: &str = "openclaw.catalyst.openova.io/container";
/// The port on which the runtime listens on loopback, 1 to 65535.
pub const UPSTREAM_PORT: &str = "openclaw.catalyst.openova.io/upstream-port";
/// `enabled` or `disabled`: whether the token-sync init container is injected.
pub const TOKEN_SYNC: &str = "openclaw.catalyst.openova.io/token-sync";
/// `token`, `trusted-proxy` or `none`: how the sidecar presents itself to the runtime.
pub const GATEWAY_AUTH: &str = "openclaw.catalyst.openova.io/gateway-auth";
/// Absolute path of `openclaw.json` in the runtime container.
pub const CONFIG_PATH: &str = "openclaw.catalyst.openova.io/config-path";
/// `refuse` or `reseed`: what token-sync does with an `openclaw.json` that is not valid. The default
/// refuses to start; `reseed` keeps it aside and makes a new one from the seed.
pub const BROKEN_CONFIG: &str = "openclaw.catalyst.openova.io/broken-config";
/// CPU request of the auth sidecar (a Kubernetes quantity).
pub const SIDECAR_CPU_REQUEST: &str = "openclaw.catalyst.openova.io/sidecar-cpu-request";
/// CPU limit of the auth sidecar (a Kubernetes quantity).
pub const SIDECAR_CPU_LIMIT: &str = "openclaw.catalyst.openova.io/sidecar-cpu-limit";
/// Memory request of the auth sidecar (a Kubernetes quantity).
pub const SIDECAR_MEMORY_REQUEST: &str = "openclaw.catalyst.openova.io/sidecar-memory-request";
/// Memory limit of the auth sidecar (a Kubernetes quantity).
pub const SIDECAR_MEMORY_LIMIT: &str = "openclaw.catalyst.openova.io/sidecar-memory-limit";

/// Written by the webhook: `<version>/<config hash>`. Information, never a reason to skip.
pub const INJECTED: &str = "openclaw.catalyst.openova.io/injected";

/// Written by the spawner, as is all that follows: the hash of the template a pod was made from.
/// Outside of [`PREFIX`], because it is no setting that the webhook would have to understand.
pub const TEMPLATE: &str = "catalyst.openova.io/openclaw-template";
/// Until when somebody asked to keep the pod awake (RFC 3339).
pub const BUSY_UNTIL: &str = "catalyst.openova.io/openclaw-busy-until";
/// What for, in the words of whoever asked.
pub const BUSY_REASON: &str = "catalyst.openova.io/openclaw-busy-reason";
/// Why the pod is being stopped, written before it is deleted.
pub const STOP_REASON: &str = "catalyst.openova.io/openclaw-stop-reason";
/// The user who stopped it, if one did.
pub const STOPPED_BY: &str = "catalyst.openova.io/openclaw-stopped-by";
/// How the pod before ended: when (RFC 3339), why, and who did it if a person did. On a user's
/// NetworkPolicy, which outlives the pod, and on the pod that came next.
pub const LAST_STOP: &str = "catalyst.openova.io/openclaw-last-stop";
/// When a NetworkPolicy was last needed for a start (RFC 3339).
pub const STARTED: &str = "catalyst.openova.io/openclaw-started";

/// Kubernetes' own choice of a default container, honoured when [`CONTAINER`] is absent.
pub const DEFAULT_CONTAINER: &str = "kubectl.kubernetes.io/default-container";
/// Set by the kubelet on mirror pods, which no webhook can change.
pub const MIRROR_POD: &str = "kubernetes.io/config.mirror";

/// On the Secret of the webhook's own CA, with any value: a person asks for a new CA now. The webhook
/// takes it away once the new one is on its way.
pub const ROTATE_CA: &str = "openclaw.catalyst.openova.io/rotate-ca";
