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
    /// What the pod carries in [`contract::annotation::INJECTED`], when injected.
    pub injected: Option<String>,
}

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

    /// All denials as one sentence.
    #[must_use]
    pub fn message(&self) -> String {
        let messages: Vec<&str> =
            self.denials.iter().map(|denial| denial.message.as_str()).collect();
        messages.join("; ")
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
    Verdict {
        reason: if operations.is_empty() { Reason::Complete } else { Reason::Patched },
        denials: Vec::new(),
        operations,
        warnings: plan.warnings.into_iter().chain(warnings).collect(),
        injected: Some(desired.injected),
    }
}
