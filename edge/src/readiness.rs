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

/// Gates by name.
type Gates = BTreeMap<&'static str, State>;
type Reason = Cow<'static, str>;

#[derive(Clone, Debug, PartialEq, Eq)]
enum State {
    Closed(Reason),
    /// Perhaps with something to tell: a part that works on with its last good state.
    Open(Option<Reason>),
}

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
        lock(&self.gates).insert(name, State::Closed(Cow::Borrowed("starting")));
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
        if self.set(State::Open(None)) {
            tracing::info!(gate = self.name, "ready");
        }
    }

    /// Opens the gate, with something that `/readyz` tells beside it and the log when it changes:
    /// trouble that does not keep the program from its work.
    pub fn ready_although(&self, remark: impl Into<String>) {
        let remark = remark.into();
        if self.set(State::Open(Some(Cow::Owned(remark.clone())))) {
            tracing::warn!(gate = self.name, remark, "ready");
        }
    }

    /// Closes the gate. The reason is shown by `/readyz` and logged when it changes.
    pub fn not_ready(&self, reason: impl Into<String>) {
        let reason = reason.into();
        if self.set(State::Closed(Cow::Owned(reason.clone()))) {
            tracing::warn!(gate = self.name, reason, "not ready");
        }
    }

    /// Whether it is open.
    #[must_use]
    pub fn is_ready(&self) -> bool {
        !matches!(lock(&self.gates).get(self.name), Some(State::Closed(_)))
    }

    /// Whether that is a change.
    fn set(&self, state: State) -> bool {
        let mut gates = lock(&self.gates);
        let before = gates.insert(self.name, state.clone());
        before != Some(state)
    }
}

impl Snapshot {
    /// Whether every gate is open.
    #[must_use]
    pub fn is_ready(&self) -> bool {
        self.gates.values().all(|state| matches!(state, State::Open(_)))
    }
}

impl fmt::Display for Snapshot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (name, state) in &self.gates {
            let (State::Closed(text) | State::Open(Some(text))) = state else {
                writeln!(f, "{name}: ready")?;
                continue;
            };
            writeln!(f, "{name}: {text}")?;
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
        keys.ready_although("an old set is in use");
        assert!(readiness.snapshot().is_ready());
        assert_eq!(readiness.snapshot().to_string(), "keys: an old set is in use\ntls: ready\n");
    }
}
