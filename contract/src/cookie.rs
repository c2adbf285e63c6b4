//! The spawner's cookies. They hold a user's tokens, so no pod may see or set one: whoever forwards
//! a request removes every cookie whose name begins with [`PREFIX`].

/// Begins the name of every cookie of ours. `__Host-` makes browsers accept it only from this very
/// host, over TLS, for every path (RFC 6265bis section 4.1.3.2).
pub const PREFIX: &str = "__Host-openclaw-";
/// The pieces of a user's session: this and a number from 0.
pub const SESSION: &str = "__Host-openclaw-session-";
/// A login that has begun: this and the beginning of its `state`.
pub const LOGIN: &str = "__Host-openclaw-login-";
