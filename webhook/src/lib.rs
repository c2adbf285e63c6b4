//! Mutating admission webhook.
