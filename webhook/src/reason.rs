//! Why a pod was injected, skipped or denied: one closed set for metric label, log, audit
//! annotation and `explain`, so that the four never tell different stories.

use std::fmt;

/// What became of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Outcome {
    /// The pod has, or gets, everything that a user's pod needs.
    Injected,
    /// Allowed and left alone.
    Skipped,
    /// Refused, with what to change.
    Denied,
    /// The request itself could not be understood.
    Error,
}

impl Outcome {
    /// The label value.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Injected => "injected",
            Self::Skipped => "skipped",
            Self::Denied => "denied",
            Self::Error => "error",
        }
    }
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

macro_rules! reasons {
    ($($(#[$doc:meta])* $name:ident => $outcome:ident, $code:literal;)*) => {
        /// Why a request ended as it did.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum Reason {
            $($(#[$doc])* $name,)*
        }

        impl Reason {
            /// Every reason there is, for tables and for metrics that start at zero.
            pub const ALL: &'static [Self] = &[$(Self::$name,)*];

            /// The stable word for it.
            #[must_use]
            pub fn code(self) -> &'static str {
                match self { $(Self::$name => $code,)* }
            }

            /// What this reason leads to.
            #[must_use]
            pub fn outcome(self) -> Outcome {
                match self { $(Self::$name => Outcome::$outcome,)* }
            }
        }
    };
}

reasons! {
    /// Parts were added or repaired.
    Patched => Injected, "patched";
    /// Everything was there already, as it should be.
    Complete => Injected, "complete";

    /// The pod has no user label.
    NotLabeled => Skipped, "not-labeled";
    /// The configuration excludes the namespace.
    ExcludedNamespace => Skipped, "excluded-namespace";
    /// The object is not a core/v1 pod, or the request is for a subresource.
    NotAPod => Skipped, "not-a-pod";
    /// The operation is not CREATE: a changed pod could block its own deletion.
    NotACreate => Skipped, "not-a-create";

    /// A part of the pod has a shape that no pod has.
    MalformedPod => Denied, "malformed-pod";
    /// The label's value is not a user id.
    InvalidUser => Denied, "invalid-user";
    /// An annotation of ours has a value that it cannot have.
    InvalidAnnotation => Denied, "invalid-annotation";
    /// An annotation under our prefix has no meaning.
    UnknownAnnotation => Denied, "unknown-annotation";
    /// The runtime container cannot be told.
    NoRuntime => Denied, "no-runtime";
    /// A mirror pod: the kubelet runs it from a file whatever we change.
    MirrorPod => Denied, "mirror-pod";
    /// hostNetwork, hostPID or hostIPC: the runtime's loopback is the node's.
    HostNamespace => Denied, "host-namespace";
    /// shareProcessNamespace: any container could read the keys of any other.
    SharedProcesses => Denied, "shared-processes";
    /// spec.os is not Linux: the injected containers are.
    NotLinux => Denied, "not-linux";
    /// Something that is not ours has a name of ours.
    NameClash => Denied, "name-clash";
    /// Something that is not ours has a port of ours.
    PortClash => Denied, "port-clash";
    /// Nobody says which user runs the runtime, and token-sync must run as that user.
    UnknownRuntimeUser => Denied, "unknown-runtime-user";
    /// The runtime runs as root, and token-sync never does.
    RootRuntime => Denied, "root-runtime";
    /// OpenClaw in trusted-proxy mode refuses to start beside a gateway token.
    TokenBesideTrustedProxy => Denied, "token-beside-trusted-proxy";
    /// token-sync cannot write the folder of config-path.
    ConfigPathVolume => Denied, "config-path-volume";
    /// A probe was moved to the sidecar before, and what it was is gone.
    LostProbe => Denied, "lost-probe";

    /// The body is not an AdmissionReview that can be answered.
    MalformedReview => Error, "malformed-review";
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.code())
    }
}

/// One thing that has to change before the pod can be created.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Denial {
    /// The kind of mistake.
    pub reason: Reason,
    /// What is wrong where, and what would be right.
    pub message: String,
}

impl Denial {
    /// A denial in words.
    pub fn new(reason: Reason, message: impl Into<String>) -> Self {
        Self { reason, message: message.into() }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn codes_are_distinct_words() {
        let codes: BTreeSet<_> = Reason::ALL.iter().map(|reason| reason.code()).collect();
        assert_eq!(codes.len(), Reason::ALL.len());
        let word = |code: &&str| code.bytes().all(|byte| byte == b'-' || byte.is_ascii_lowercase());
        assert!(codes.iter().all(word), "{codes:?}");
    }
}
