//! The AdmissionReview that goes back.

use std::collections::BTreeMap;

use base64::{Engine, engine::general_purpose::STANDARD};
use json_patch::PatchOperation;
use serde::{Serialize, Serializer, ser::Error};

use super::API_VERSION;
use crate::{admission::Verdict, config::Config, reason::Reason, warning};

/// An AdmissionReview with a response.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct AdmissionReview {
    api_version: &'static str,
    kind: &'static str,
    response: Response,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Response {
    uid: String,
    allowed: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    status: Option<Status>,
    #[serde(flatten)]
    patch: Option<Patch>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    warnings: Vec<String>,
    /// The API server puts the webhook's name in front of the keys.
    audit_annotations: BTreeMap<&'static str, String>,
}

#[derive(Debug, Serialize)]
struct Status {
    status: &'static str,
    reason: &'static str,
    code: u16,
    message: String,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Patch {
    patch_type: &'static str,
    #[serde(serialize_with = "base64_json")]
    patch: Vec<PatchOperation>,
}

impl AdmissionReview {
    pub(super) fn new(uid: &str, verdict: &Verdict, config: &Config) -> Self {
        let operations = &verdict.operations;
        let patch = Patch { patch_type: "JSONPatch", patch: operations.clone() };
        let response = Response {
            uid: uid.to_owned(),
            allowed: verdict.is_allowed(),
            status: (!verdict.is_allowed()).then(|| Status::refused(verdict)),
            patch: (!operations.is_empty()).then_some(patch),
            warnings: warning::bounded(&verdict.warnings),
            audit_annotations: audit(verdict, config),
        };
        Self { api_version: API_VERSION, kind: "AdmissionReview", response }
    }
}

impl Status {
    fn refused(verdict: &Verdict) -> Self {
        let (code, reason) = match verdict.reason {
            Reason::MalformedReview => (400, "BadRequest"),
            // What Kubernetes calls a refusal of something that another pod would be allowed.
            _ => (403, "Forbidden"),
        };
        Self { status: "Failure", reason, code, message: verdict.message() }
    }
}

fn audit(verdict: &Verdict, config: &Config) -> BTreeMap<&'static str, String> {
    let mut audit = BTreeMap::from([
        ("decision", verdict.reason.outcome().to_string()),
        ("reason", verdict.codes().join(",")),
        ("config", config.hash.clone()),
    ]);
    if let Some(injected) = &verdict.injected {
        audit.insert("injected", injected.status.clone());
        audit.insert("parts", injected.parts.clone());
        audit.insert("operations", verdict.operations.len().to_string());
    }
    audit
}

fn base64_json<S: Serializer>(patch: &[PatchOperation], serializer: S) -> Result<S::Ok, S::Error> {
    let json = serde_json::to_vec(patch).map_err(Error::custom)?;
    serializer.serialize_str(&STANDARD.encode(json))
}
