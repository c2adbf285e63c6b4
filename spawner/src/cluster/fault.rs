//! What the API server's refusals mean to a user, and who can do something about them.

use std::{fmt, time::Duration};

use edge::program::Chain;
use http::StatusCode;
use kube::{core::Status, runtime::watcher};

/// A call, as RBAC names it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Action {
    /// `create`, `get`, `patch` or `delete`.
    pub verb: &'static str,
    /// The plural of the kind.
    pub resource: &'static str,
}

/// The plural of the claims for homes.
pub(super) const HOMES: &str = "persistentvolumeclaims";

/// A call to the API server that failed.
#[derive(Debug, thiserror::Error)]
#[error("{action} in namespace {namespace}: {detail}")]
pub struct Fault {
    action: Action,
    namespace: Box<str>,
    refusal: Refusal,
    code: u16,
    retry_after: Option<Duration>,
    /// In the API server's words.
    detail: Box<str>,
    #[source]
    source: Option<Box<kube::Error>>,
}

/// Why a call failed. A closed set: it is a metric label and part of the API.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Refusal {
    /// A ResourceQuota or LimitRange of the namespace.
    Quota,
    /// An admission policy, webhook or Pod Security.
    Admission,
    /// The spawner's Role lacks the verb.
    Rbac,
    /// The webhook that must be asked does not answer.
    Webhook,
    /// The object is invalid: the template is wrong.
    Template,
    /// The namespace does not exist or is being deleted.
    Namespace,
    /// The named object does not exist.
    NotFound,
    /// The name is taken, or a precondition does not hold.
    Conflict,
    /// The API server has too much to do.
    Overload,
    /// The API server cannot be reached, or did not answer in time.
    Unreachable,
    /// The API server failed.
    Server,
}

/// The pause, where the API server names none.
const PAUSE: Duration = Duration::from_millis(500);

impl fmt::Display for Action {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.verb, self.resource)
    }
}

impl Fault {
    pub(super) fn of(action: Action, namespace: &str, error: kube::Error) -> Self {
        let (refusal, code, retry_after, detail) = match &error {
            kube::Error::Api(status) => (
                Refusal::of(status),
                status.code,
                status.details.as_ref().map(|details| details.retry_after_seconds),
                status.message.clone(),
            ),
            error => (Refusal::Unreachable, 0, None, Chain(error).to_string()),
        };
        Self {
            action,
            namespace: namespace.into(),
            refusal,
            code,
            retry_after: retry_after
                .filter(|seconds| *seconds > 0)
                .map(|seconds| Duration::from_secs(seconds.into())),
            detail: detail.into(),
            source: Some(Box::new(error)),
        }
    }

    pub(super) fn timeout(action: Action, namespace: &str) -> Self {
        Self {
            action,
            namespace: namespace.into(),
            refusal: Refusal::Unreachable,
            code: 0,
            retry_after: None,
            detail: "no answer in time".into(),
            source: None,
        }
    }

    /// Why it failed.
    #[must_use]
    pub fn refusal(&self) -> Refusal {
        self.refusal
    }

    /// The HTTP status that the API server gave, 0 if none.
    #[must_use]
    pub fn code(&self) -> u16 {
        self.code
    }

    /// When to try again, if trying again may help.
    #[must_use]
    pub fn retry_after(&self) -> Option<Duration> {
        match self.refusal {
            Refusal::Overload
            | Refusal::Unreachable
            | Refusal::Webhook
            | Refusal::Server
            | Refusal::Conflict => Some(self.retry_after.unwrap_or(Duration::from_secs(2))),
            _ => None,
        }
    }

    /// After which pause the same call may do, if the API server is only busy or on its way back.
    pub(super) fn pause(&self) -> Option<Duration> {
        matches!(self.code, 429 | 503 | 504).then(|| self.retry_after.unwrap_or(PAUSE))
    }

    /// For the user: what is wrong, and who can do what.
    #[must_use]
    pub fn message(&self) -> String {
        let Self { action, namespace, detail, .. } = self;
        match self.refusal {
            Refusal::Quota if action.resource == HOMES => format!(
                "The namespace {namespace} has no room for the home of your workspace: {detail}. An \
                 administrator has to allow more storage, or to delete homes that nobody needs."
            ),
            Refusal::Quota => format!(
                "The namespace {namespace} has no room for your workspace: {detail}. Stop something \
                 in it, or ask an administrator for more."
            ),
            Refusal::Admission => format!(
                "The cluster's policies refuse your workspace: {detail}. An administrator has to \
                 change the pod template or the policy."
            ),
            Refusal::Rbac => format!(
                "The spawner may not {} {} in the namespace {namespace}. An administrator has to \
                 add the verb `{}` on `{}` to the spawner's Role.",
                action.verb, action.resource, action.verb, action.resource
            ),
            Refusal::Webhook => {
                "The webhook that prepares workspaces does not answer, so none can \
                be started now. Try again shortly; if this lasts, tell an administrator."
                    .to_owned()
            }
            Refusal::Template => format!(
                "The template for workspaces is not valid: {detail}. An administrator has to change \
                 it."
            ),
            Refusal::Namespace => format!(
                "The namespace {namespace} does not exist or is being deleted. An administrator has \
                 to create it or to change the spawner's --namespace."
            ),
            Refusal::NotFound => "What the spawner asked the cluster for is not there.".to_owned(),
            Refusal::Conflict => "Somebody else changed your workspace at the same moment. Try \
                again."
                .to_owned(),
            Refusal::Overload => {
                "The cluster has too much to do right now. Try again shortly.".to_owned()
            }
            Refusal::Unreachable => {
                "The cluster's API server cannot be reached right now. Running \
                workspaces go on; try again shortly."
                    .to_owned()
            }
            Refusal::Server => "The cluster's API server failed. Try again shortly.".to_owned(),
        }
    }

    pub(super) fn is_not_found(&self) -> bool {
        self.refusal == Refusal::NotFound
    }

    pub(super) fn is_conflict(&self) -> bool {
        self.refusal == Refusal::Conflict
    }
}

/// What a failed watch says, without the dump of the whole status that kube prints.
pub(crate) fn words(error: &watcher::Error) -> String {
    match error {
        watcher::Error::InitialListFailed(kube::Error::Api(status))
        | watcher::Error::WatchStartFailed(kube::Error::Api(status))
        | watcher::Error::WatchFailed(kube::Error::Api(status))
        | watcher::Error::WatchError(status) => status.message.clone(),
        other => Chain(other).to_string(),
    }
}

impl Refusal {
    /// By the status's code and, because quota, admission and RBAC all answer 403, by the words that
    /// the API server uses for each (`admission/plugin/resourcequota`, `.../webhook/errors`,
    /// `.../plugin/policy/validating`, `endpoints/handlers/responsewriters/errors.go`).
    fn of(status: &Status) -> Self {
        let says = |words: &str| status.message.contains(words);
        let namespace_itself =
            status.details.as_ref().is_some_and(|details| details.kind == "namespaces");
        match status.code {
            _ if says("failed calling webhook") => Self::Webhook,
            403 if says("exceeded quota") || says("failed quota") => Self::Quota,
            // A quota that is too new to have been counted.
            403 if says("usage per ") || says("unknown for quota") => Self::Quota,
            403 if says("is being terminated") => Self::Namespace,
            404 if namespace_itself => Self::Namespace,
            _ if says("denied the request") || says("denied request") => Self::Admission,
            403 if says("violates PodSecurity") => Self::Admission,
            403 if says(" cannot ") && says("in API group") => Self::Rbac,
            403 => Self::Admission,
            404 => Self::NotFound,
            409 => Self::Conflict,
            429 => Self::Overload,
            400 | 413 | 415 | 422 => Self::Template,
            401 => Self::Rbac,
            _ => Self::Server,
        }
    }

    /// The name, as the API and metric labels spell it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Quota => "quota",
            Self::Admission => "admission_denied",
            Self::Rbac => "spawner_forbidden",
            Self::Webhook => "webhook_unavailable",
            Self::Template => "template_invalid",
            Self::Namespace => "namespace_missing",
            Self::NotFound => "not_found",
            Self::Conflict => "conflict",
            Self::Overload => "cluster_overloaded",
            Self::Unreachable => "cluster_unreachable",
            Self::Server => "cluster_error",
        }
    }

    /// Whose fault it is, as an HTTP status: 403 if a rule of the cluster stands against it, 500 if
    /// the installation is wrong, 503 if it passes.
    #[must_use]
    pub fn status(self) -> StatusCode {
        match self {
            Self::Quota | Self::Admission => StatusCode::FORBIDDEN,
            Self::Conflict => StatusCode::CONFLICT,
            Self::Rbac | Self::Template | Self::Namespace | Self::NotFound => {
                StatusCode::INTERNAL_SERVER_ERROR
            }
            Self::Webhook | Self::Overload | Self::Unreachable | Self::Server => {
                StatusCode::SERVICE_UNAVAILABLE
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use kube::core::Status;
    use serde_json::json;

    use super::{Action, Fault, Refusal};

    fn refusal(code: u16, message: &str) -> Refusal {
        fault(json!({"code": code, "message": message})).refusal()
    }

    fn fault(status: serde_json::Value) -> Fault {
        let status: Status = serde_json::from_value(status).unwrap();
        let action = Action { verb: "create", resource: "pods" };
        Fault::of(action, "tenant", kube::Error::Api(Box::new(status)))
    }

    #[test]
    fn each_refusal_is_told_apart_by_what_the_api_server_says() {
        for (code, message, expected) in [
            (
                403,
                "pods \"openclaw-1\" is forbidden: exceeded quota: pods, requested: pods=1, \
                 used: pods=5, limited: pods=5",
                Refusal::Quota,
            ),
            (
                403,
                "pods \"openclaw-1\" is forbidden: maximum cpu usage per Container is 1, but \
                 limit is 2",
                Refusal::Quota,
            ),
            (
                403,
                "pods \"openclaw-1\" is forbidden: status unknown for quota: pods, resources: pods",
                Refusal::Quota,
            ),
            (
                403,
                "pods is forbidden: User \"system:serviceaccount:openclaw:spawner\" cannot create \
                 resource \"pods\" in API group \"\" in the namespace \"tenant\"",
                Refusal::Rbac,
            ),
            (
                403,
                "pods \"openclaw-1\" is forbidden: violates PodSecurity \"restricted:latest\": \
                 allowPrivilegeEscalation != false",
                Refusal::Admission,
            ),
            (
                422,
                "pods \"openclaw-1\" is forbidden: ValidatingAdmissionPolicy 'openclaw-pods' with \
                 binding 'openclaw-pods' denied request: you may not `use` it",
                Refusal::Admission,
            ),
            (
                400,
                "admission webhook \"pods.openclaw\" denied the request: upstream-port: \"x\"",
                Refusal::Admission,
            ),
            (
                500,
                "Internal error occurred: failed calling webhook \"pods.openclaw\": dial tcp: \
                 connection refused",
                Refusal::Webhook,
            ),
            (
                403,
                "pods \"openclaw-1\" is forbidden: unable to create new content in namespace \
                 tenant because it is being terminated",
                Refusal::Namespace,
            ),
            (
                422,
                "Pod \"openclaw-1\" is invalid: spec.containers: Required value",
                Refusal::Template,
            ),
            (409, "pods \"openclaw-1\" already exists", Refusal::Conflict),
            (429, "too many requests", Refusal::Overload),
            (500, "etcdserver: request timed out", Refusal::Server),
        ] {
            assert_eq!(refusal(code, message), expected, "{message}");
        }
        let gone = json!({
            "code": 404,
            "message": "namespaces \"tenant\" not found",
            "details": {"kind": "namespaces", "name": "tenant"},
        });
        assert_eq!(fault(gone).refusal(), Refusal::Namespace);
    }

    #[test]
    fn a_missing_right_is_named_with_who_can_grant_it() {
        let message = fault(json!({
            "code": 403,
            "message": "User \"x\" cannot create resource \"pods\" in API group \"\"",
        }))
        .message();
        assert!(message.contains("verb `create` on `pods`"), "{message}");
        assert!(message.contains("administrator") && message.contains("tenant"), "{message}");
    }

    #[test]
    fn a_quota_on_storage_is_told_apart_from_one_on_pods() {
        let status = json!({
            "code": 403,
            "message": "persistentvolumeclaims \"openclaw-home-1\" is forbidden: exceeded quota: \
                        homes, requested: requests.storage=5Gi, used: requests.storage=100Gi, \
                        limited: requests.storage=100Gi",
        });
        let status: Status = serde_json::from_value(status).unwrap();
        let action = Action { verb: "create", resource: super::HOMES };
        let fault = Fault::of(action, "tenant", kube::Error::Api(Box::new(status)));
        assert_eq!(fault.refusal(), Refusal::Quota);
        for words in ["home", "limited: requests.storage=100Gi", "administrator"] {
            assert!(fault.message().contains(words), "{}", fault.message());
        }
    }

    #[test]
    fn only_what_passes_by_itself_is_worth_a_retry() {
        let wait = json!({"code": 429, "message": "", "details": {"retryAfterSeconds": 7}});
        assert_eq!(fault(wait).retry_after().unwrap().as_secs(), 7);
        assert!(fault(json!({"code": 500})).retry_after().is_some());
        assert!(fault(json!({"code": 422})).retry_after().is_none());
    }
}
