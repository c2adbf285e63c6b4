//! Names of what the webhook puts into a pod. They never derive from the pod's name, so that a
//! template and the pod made from it agree.

/// The init container that writes the gateway token into `openclaw.json`.
pub const TOKEN_SYNC: &str = "openclaw-token-sync";
/// The native sidecar: the pod's only way in.
pub const AUTH_SIDECAR: &str = "openclaw-auth";
/// The volume with the `openclaw.json` seed, from a ConfigMap.
pub const SEED_VOLUME: &str = "openclaw-seed";
/// Where [`SEED_VOLUME`] is mounted in token-sync; the file in it is [`SEED_KEY`].
pub const SEED_MOUNT_PATH: &str = "/etc/openclaw-seed";
/// Key of the seed in its ConfigMap.
pub const SEED_KEY: &str = "openclaw.json";
/// The volume with the CA that the auth sidecar trusts for the issuer, from a ConfigMap.
pub const CA_VOLUME: &str = "openclaw-ca";
/// Where [`CA_VOLUME`] is mounted in the auth sidecar; the file in it is [`CA_KEY`].
pub const CA_MOUNT_PATH: &str = "/var/run/secrets/openclaw-ca";
/// Key of the CA in its ConfigMap.
pub const CA_KEY: &str = "ca.crt";
/// OpenClaw's configuration in its official image; the default of `config-path`.
pub const CONFIG_PATH: &str = "/home/node/.openclaw/openclaw.json";
