//! AdmissionReview `admission.k8s.io/v1`, in and out.
//!
//! Whoever asked is answered, with the uid of the question, whatever else is wrong with it. Only
//! without a uid there is no answer to give, and the caller gets words instead.

mod response;

use serde::Deserialize;
use serde_json::Value;

pub use self::response::AdmissionReview;

use crate::{
    admission::{Verdict, judge},
    config::Config,
    reason::{Denial, Reason},
    view::or_default,
};

/// The one version that is spoken.
const API_VERSION: &str = "admission.k8s.io/v1";
/// How much of a uid that is none is repeated, in characters.
const SHOWN: usize = 64;

/// An answered review.
#[derive(Debug)]
pub struct Answer {
    /// The AdmissionReview to send.
    pub review: AdmissionReview,
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
    #[serde(deserialize_with = "or_default")]
    resource: Resource,
    #[serde(deserialize_with = "or_default")]
    sub_resource: String,
    /// Of a pod that has none yet: what it will begin with, and a `*`.
    #[serde(deserialize_with = "or_default")]
    pub name: String,
    #[serde(deserialize_with = "or_default")]
    pub namespace: String,
    #[serde(deserialize_with = "or_default")]
    operation: String,
    #[serde(deserialize_with = "or_default")]
    pub dry_run: bool,
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
    #[error(
        "the body is not an AdmissionReview of {API_VERSION}, but apiVersion {api_version:?}, kind {kind:?}"
    )]
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
        Ok(mut request) => {
            let verdict = request.judge(&object, config);
            request.name_after(&object);
            (request, verdict)
        }
        Err(error) => {
            let denial = Denial::new(Reason::MalformedReview, format!("request: {error}"));
            (Request { uid, ..Request::default() }, Verdict::denied(vec![denial]))
        }
    };
    Ok(Answer { review: AdmissionReview::new(&request.uid, &verdict, config), request, verdict })
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
        let Resource { group, version, resource } = &self.resource;
        let is_pod = (group.as_str(), version.as_str(), resource.as_str()) == ("", "v1", "pods");
        if !is_pod || !self.sub_resource.is_empty() {
            return Verdict::skipped(Reason::NotAPod);
        }
        // Only at creation: a mutated update could make a pod that cannot be deleted.
        if self.operation != "CREATE" {
            return Verdict::skipped(Reason::NotACreate);
        }
        // The pod's own namespace may be empty; the request's never is.
        judge(object, &self.namespace, config)
    }

    /// The request of a pod that is to be named by the API server names nothing.
    fn name_after(&mut self, object: &Value) {
        if self.name.is_empty() {
            let prefix = object.pointer("/metadata/generateName").and_then(Value::as_str);
            self.name = prefix.map(|prefix| format!("{prefix}*")).unwrap_or_default();
        }
    }
}
