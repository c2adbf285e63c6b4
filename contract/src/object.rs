//! Names of one user's objects. A name that follows from the user makes `create` the lock: whoever
//! gets 409 adopts what is there.

use crate::UserId;

/// The ConfigMap of the tenant's namespace that names the login sessions that ended early.
pub const SIGNED_OUT: &str = "openclaw-signed-out";

/// The user's pod.
#[must_use]
pub fn pod(user: &UserId) -> String {
    format!("openclaw-{user}")
}

/// The claim for the user's home.
#[must_use]
pub fn home(user: &UserId) -> String {
    format!("openclaw-home-{user}")
}

/// The NetworkPolicy of the user's pod.
#[must_use]
pub fn network_policy(user: &UserId) -> String {
    format!("openclaw-{user}")
}
