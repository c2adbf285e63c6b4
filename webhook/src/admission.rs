//! The verdict about one pod: decide, inject and patch as one call, for server and command line.

use json_patch::PatchOperation;
use serde_json::Value;

use crate::{
    config::Config,
    decide::{Decision, decide},
    inject, patch,
    reason::{Denial, Outcome, Reason},
};

/// What becomes of a pod, and everything that is to be said about it.
#[derive(Clone, Debug)]
pub struct Verdict {
    /// Why; of several denials the first.
    pub reason: Reason,
    /// Everything that has to change first, when denied.
    pub denials: Vec<Denial>,
    /// What to change in the pod, when injected.
    pub operations: Vec<PatchOperation>,
    /// What the author should know.
    pub warnings: Vec<String>,
    /// What the pod is given, when injected.
    pub injected: Option<Injected>,
}

/// What an injected pod is given, or has already.
#[derive(Clone, Debug)]
pub struct Injected {
    /// What it carries in [`contract::annotation::INJECTED`].
    pub status: String,
    /// The parts by name: `env: A B; initContainers: C; probes: readiness`.
    pub parts: String,
}

/// The longest message, in bytes. It travels in the API server's answer and into its audit log, and
/// a pod may be wrong in each of thousands of containers.
const LONGEST_MESSAGE: usize = 8 * 1024;

impl Verdict {
    /// A request that is allowed and left alone.
    #[must_use]
    pub fn skipped(reason: Reason) -> Self {
        Self {
            reason,
            denials: Vec::new(),
            operations: Vec::new(),
            warnings: Vec::new(),
            injected: None,
        }
    }

    /// A request that is refused.
    #[must_use]
    pub fn denied(denials: Vec<Denial>) -> Self {
        let reason = denials.first().map_or(Reason::MalformedPod, |denial| denial.reason);
        Self { denials, ..Self::skipped(reason) }
    }

    /// Whether the pod may be created.
    #[must_use]
    pub fn is_allowed(&self) -> bool {
        matches!(self.reason.outcome(), Outcome::Injected | Outcome::Skipped)
    }

    /// All denials as one sentence; of very many the first.
    #[must_use]
    pub fn message(&self) -> String {
        let mut message = String::new();
        for (index, denial) in self.denials.iter().enumerate() {
            let separator = if index == 0 { "" } else { "; " };
            if message.len() + separator.len() + denial.message.len() > LONGEST_MESSAGE {
                let end = denial.message.floor_char_boundary(LONGEST_MESSAGE);
                let shown = if index == 0 { denial.message.get(..end) } else { None };
                let left = self.denials.len() - index;
                return format!("{message}{}; and {left} more", shown.unwrap_or_default());
            }
            message.push_str(separator);
            message.push_str(&denial.message);
        }
        message
    }

    /// The codes of all that led to the verdict, without repetition.
    #[must_use]
    pub fn codes(&self) -> Vec<&'static str> {
        let mut codes: Vec<_> = self.denials.iter().map(|denial| denial.reason.code()).collect();
        if codes.is_empty() {
            codes.push(self.reason.code());
        }
        codes.sort_unstable();
        codes.dedup();
        codes
    }
}

/// Judges `pod`, which is to be created in `namespace`.
#[must_use]
pub fn judge(pod: &Value, namespace: &str, config: &Config) -> Verdict {
    let plan = match decide(pod, namespace, config) {
        Decision::Skip(reason) => return Verdict::skipped(reason),
        Decision::Deny(denials) => return Verdict::denied(denials),
        Decision::Inject(plan) => plan,
    };
    let desired = inject::desired(&plan, config);
    let patch::Patch { operations, warnings } = patch::patch(pod, &plan, &desired);
    let parts = desired.parts(&plan);
    Verdict {
        reason: if operations.is_empty() { Reason::Complete } else { Reason::Patched },
        denials: Vec::new(),
        operations,
        warnings: plan.warnings.into_iter().chain(warnings).collect(),
        injected: Some(Injected { status: desired.injected, parts }),
    }
}
