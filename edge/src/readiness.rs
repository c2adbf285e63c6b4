//! Ready means that nothing is still starting or failing, not that somebody set a flag: each part
//! that can be unready holds a [`Gate`] with its own name and reason.

use std::{
    borrow::Cow,
    collections::BTreeMap,
    fmt,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

/// All gates of one program. Without a gate it is ready.
#[derive(Clone, Debug, Default)]
pub struct Readiness {
    gates: Arc<Mutex<Gates>>,
}

/// Name of a gate, and why it is closed; `None` when it is open.
type Gates = BTreeMap<&'static str, Option<Reason>>;
type Reason = Cow<'static, str>;

/// One part's say in the readiness of its program.
#[derive(Clone, Debug)]
pub struct Gate {
    name: &'static str,
    gates: Arc<Mutex<Gates>>,
}

/// The readiness at one moment. Prints one line per gate.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Snapshot {
    gates: Gates,
}

impl Readiness {
    /// No gates yet.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a gate, closed because it is `starting`. Two gates of one name are the same gate.
    #[must_use]
    pub fn gate(&self, name: &'static str) -> Gate {
        lock(&self.gates).insert(name, Some(Cow::Borrowed("starting")));
        Gate { name, gates: Arc::clone(&self.gates) }
    }

    /// How it is now.
    #[must_use]
    pub fn snapshot(&self) -> Snapshot {
        Snapshot { gates: lock(&self.gates).clone() }
    }
}

impl Gate {
    /// Opens the gate.
    pub fn ready(&self) {
        if self.set(None) {
            tracing::info!(gate = self.name, "ready");
        }
    }

    /// Closes the gate. The reason is shown by `/readyz` and logged when it changes.
    pub fn not_ready(&self, reason: impl Into<String>) {
        let reason = reason.into();
        if self.set(Some(Cow::Owned(reason.clone()))) {
            tracing::warn!(gate = self.name, reason, "not ready");
        }
    }

    /// Whether that is a change.
    fn set(&self, reason: Option<Reason>) -> bool {
        let mut gates = lock(&self.gates);
        let before = gates.insert(self.name, reason.clone());
        before != Some(reason)
    }
}

impl Snapshot {
    /// Whether every gate is open.
    #[must_use]
    pub fn is_ready(&self) -> bool {
        self.gates.values().all(Option::is_none)
    }
}

impl fmt::Display for Snapshot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (name, reason) in &self.gates {
            let state = reason.as_deref().unwrap_or("ready");
            writeln!(f, "{name}: {state}")?;
        }
        Ok(())
    }
}

fn lock(gates: &Mutex<Gates>) -> MutexGuard<'_, Gates> {
    // No code panics while it holds the lock, and a map is whole after any panic.
    gates.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ready_when_every_gate_is_open() {
        let readiness = Readiness::new();
        assert!(readiness.snapshot().is_ready());
        let keys = readiness.gate("keys");
        let tls = readiness.gate("tls");
        assert_eq!(readiness.snapshot().to_string(), "keys: starting\ntls: starting\n");
        keys.ready();
        assert!(!readiness.snapshot().is_ready());
        tls.ready();
        assert!(readiness.snapshot().is_ready());
        keys.not_ready("issuer unreachable");
        assert_eq!(readiness.snapshot().to_string(), "keys: issuer unreachable\ntls: ready\n");
    }
}
