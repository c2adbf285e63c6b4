//! AdmissionReview `admission.k8s.io/v1`, in and out.
//!
//! Whoever asked is answered, with the uid of the question, whatever else is wrong with it. Only
//! without a uid there is no answer to give, and the caller gets words instead.

use base64::{Engine, engine::general_purpose::STANDARD};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::{
    admission::{Verdict, judge},
    config::Config,
    reason::{Denial, Reason},
    warning,
};

/// The one version that is spoken.
const API_VERSION: &str = "admission.k8s.io/v1";
/// What Kubernetes calls a refusal of somebody who may otherwise do it.
const FORBIDDEN: u16 = 403;
const BAD_REQUEST: u16 = 400;
/// How much of a uid that is none is repeated, in characters.
const SHOWN: usize = 64;

/// An answered review.
#[derive(Debug)]
pub struct Answer {
    /// The AdmissionReview to send.
    pub body: Value,
    /// What was asked, for the log.
    pub request: Request,
    /// What was decided.
    pub verdict: Verdict,
}

/// The question, as far as it matters here. The object itself is never logged.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct Request {
    pub uid: String,
    resource: Option<Resource>,
    sub_resource: Option<String>,
    pub name: Option<String>,
    pub namespace: Option<String>,
    operation: Option<String>,
    pub dry_run: Option<bool>,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
struct Resource {
    group: String,
    version: String,
    resource: String,
}

/// A review that cannot be answered, because nobody knows which question it is.
#[derive(Debug, thiserror::Error)]
pub enum Unanswerable {
    #[error("the body is not JSON: {0}")]
    NotJson(#[from] serde_json::Error),
    #[error("the body is not an AdmissionReview of {API_VERSION}, but apiVersion {api_version:?}, kind {kind:?}")]
    OtherKind { api_version: String, kind: String },
    #[error("the AdmissionReview has no request.uid to answer to")]
    NoUid,
}

/// Answers the AdmissionReview in `body`.
pub fn answer(body: &[u8], config: &Config) -> Result<Answer, Unanswerable> {
    let mut review: Value = serde_json::from_slice(body)?;
    check_kind(&review)?;
    let mut request = review.get_mut("request").map(Value::take).unwrap_or_default();
    let uid = request.get("uid").and_then(Value::as_str).filter(|uid| !uid.is_empty());
    let uid = uid.ok_or(Unanswerable::NoUid)?.to_owned();
    let object = request.get_mut("object").map(Value::take).unwrap_or_default();
    let (request, verdict) = match Request::deserialize(&request) {
        Ok(request) => {
            let verdict = request.judge(&object, config);
            (request, verdict)
        }
        Err(error) => {
            let denial = Denial::new(Reason::MalformedReview, format!("request: {error}"));
            (Request { uid, ..Request::default() }, Verdict::denied(vec![denial]))
        }
    };
    Ok(Answer { body: body_of(&request.uid, &verdict, config), request, verdict })
}

fn check_kind(review: &Value) -> Result<(), Unanswerable> {
    let text = |key: &str| review.get(key).and_then(Value::as_str).unwrap_or_default();
    let (api_version, kind) = (text("apiVersion"), text("kind"));
    if (api_version, kind) == (API_VERSION, "AdmissionReview") {
        return Ok(());
    }
    let shown = |text: &str| text.chars().take(SHOWN).collect();
    Err(Unanswerable::OtherKind { api_version: shown(api_version), kind: shown(kind) })
}

impl Request {
    fn judge(&self, object: &Value, config: &Config) -> Verdict {
        let pods = Resource { group: String::new(), version: "v1".into(), resource: "pods".into() };
        let subresource = self.sub_resource.as_deref().unwrap_or_default();
        if self.resource.as_ref() != Some(&pods) || !subresource.is_empty() {
            return Verdict::skipped(Reason::NotAPod);
        }
        // Only at creation: a mutated update could make a pod that cannot be deleted.
        if self.operation.as_deref() != Some("CREATE") {
            return Verdict::skipped(Reason::NotACreate);
        }
        // The pod's own namespace may be empty; the request's never is.
        judge(object, self.namespace.as_deref().unwrap_or_default(), config)
    }
}

fn body_of(uid: &str, verdict: &Verdict, config: &Config) -> Value {
    let mut response = json!({"uid": uid, "allowed": verdict.is_allowed()});
    if !verdict.is_allowed() {
        response["status"] = status(verdict);
    }
    if !verdict.operations.is_empty() {
        // Operations of plain JSON always serialize.
        let patch = serde_json::to_vec(&verdict.operations).unwrap_or_default();
        response["patchType"] = "JSONPatch".into();
        response["patch"] = STANDARD.encode(patch).into();
    }
    if !verdict.warnings.is_empty() {
        response["warnings"] = warning::bounded(&verdict.warnings).into();
    }
    response["auditAnnotations"] = audit(verdict, config);
    json!({"apiVersion": API_VERSION, "kind": "AdmissionReview", "response": response})
}

fn status(verdict: &Verdict) -> Value {
    let (code, reason) = match verdict.reason {
        Reason::MalformedReview => (BAD_REQUEST, "BadRequest"),
        _ => (FORBIDDEN, "Forbidden"),
    };
    json!({
        "status": "Failure",
        "reason": reason,
        "code": code,
        "message": verdict.message(),
    })
}

/// What the audit log is told; the API server puts the webhook's name in front of the keys.
fn audit(verdict: &Verdict, config: &Config) -> Value {
    let mut audit = json!({
        "decision": verdict.reason.outcome().as_str(),
        "reason": verdict.codes().join(","),
        "config": config.hash,
    });
    if let Some(injected) = &verdict.injected {
        audit["injected"] = injected.as_str().into();
        audit["operations"] = verdict.operations.len().to_string().into();
    }
    audit
}
