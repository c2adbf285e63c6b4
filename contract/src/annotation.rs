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

/// Kubernetes' own choice of a default container, honoured when [`CONTAINER`] is absent.
pub const DEFAULT_CONTAINER: &str = "kubectl.kubernetes.io/default-container";
/// Set by the kubelet on mirror pods, which no webhook can change.
pub const MIRROR_POD: &str = "kubernetes.io/config.mirror";

/// On the Secret of the webhook's own CA, with any value: a person asks for a new CA now. The webhook
/// takes it away once the new one is on its way.
pub const ROTATE_CA: &str = "openclaw.catalyst.openova.io/rotate-ca";
