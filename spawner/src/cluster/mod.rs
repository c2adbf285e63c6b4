//! Every call to the Kubernetes API but the watches: few, bounded in time, and with errors that say
//! who can do something. Objects are sent as the raw JSON of the template, because typed structs
//! would drop fields newer than our k8s-openapi.

mod fault;
mod homes;
mod lease;
mod overload;
mod policies;

use std::{sync::Arc, time::Duration};

use contract::{label, object};
use http::{HeaderValue, header};
use k8s_openapi::{
    api::core::v1::{ConfigMap, Pod, Secret},
    apimachinery::pkg::apis::meta::v1::ObjectMeta,
};
use kube::{
    Client, Resource,
    api::{DeleteParams, GetParams, Patch, PatchParams, PostParams, Preconditions, Request},
};
use serde::de::DeserializeOwned;
use serde_json::{Map, Value, json};
use tokio::time::{Instant, sleep, timeout};

pub(crate) use fault::words;
pub use fault::{Action, Fault, Refusal};
pub use homes::Home;
pub(crate) use overload::client;

use crate::{
    metrics::Metrics,
    pod::{PodView, version_of},
};

/// How long one call may take. A spawn makes three, and somebody waits for it.
const CALL_TIMEOUT: Duration = Duration::from_secs(10);
/// How long a call that is put off is tried again. Who is put off for longer is told so.
const RETRY_BUDGET: Duration = Duration::from_secs(5);

/// Asks for the metadata of what was written and not for the rest: a Secret's value does not come
/// back, where a parser's error could repeat it.
const METADATA_ONLY: HeaderValue =
    HeaderValue::from_static("application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1");

type HttpRequest = Result<http::Request<Vec<u8>>, kube::core::request::Error>;

/// The tenant namespace, as far as the spawner may touch it.
#[derive(Clone)]
pub struct Cluster {
    client: Client,
    namespace: Arc<str>,
    metrics: Metrics,
}

/// What became of a create.
#[derive(Debug)]
pub enum Created<T> {
    /// It is new.
    New(T),
    /// The name is taken.
    Exists,
}

/// What became of a delete.
#[derive(Debug, PartialEq, Eq)]
pub enum Deleted {
    /// It is gone, or on its way.
    Yes,
    /// It was gone before.
    Gone,
    /// Another one has the name by now; it was not touched.
    Replaced,
}

/// What became of an annotation.
#[derive(Debug, PartialEq, Eq)]
pub enum Annotated {
    /// It is there, and the pod has this version now.
    Yes(u64),
    /// The pod is gone, or is not as it was; nothing was written.
    Changed,
}

impl Cluster {
    /// Talks to `namespace` through `client`.
    #[must_use]
    pub fn new(client: Client, namespace: &str, metrics: Metrics) -> Self {
        Self { client, namespace: namespace.into(), metrics }
    }

    /// The tenant namespace.
    #[must_use]
    pub fn namespace(&self) -> &str {
        &self.namespace
    }

    /// Creates a Secret. It is never read: whoever gets [`Created::Exists`] keeps what is there.
    pub async fn create_secret(&self, secret: &Value) -> Result<Created<()>, Fault> {
        let action = Action { verb: "create", resource: "secrets" };
        let request = self.creation::<Secret>(secret).map(|mut request| {
            request.headers_mut().insert(header::ACCEPT, METADATA_ONLY);
            request
        });
        created(self.call::<MetadataOnly>(action, request).await.map(drop))
    }

    /// Creates a pod. The name is the lock: of all who try at once, one gets [`Created::New`].
    pub async fn create_pod(&self, pod: &Value) -> Result<Created<Pod>, Fault> {
        let action = Action { verb: "create", resource: "pods" };
        created(self.call(action, self.creation::<Pod>(pod)).await)
    }

    /// All of the admission of a pod, of which nothing is kept: the pod as it would be.
    pub async fn try_pod(&self, pod: &Value) -> Result<Pod, Fault> {
        let action = Action { verb: "create", resource: "pods" };
        let params = PostParams { dry_run: true, ..PostParams::default() };
        self.call(action, self.creation_with::<Pod>(pod, params)).await
    }

    /// Reads a pod. `None` if there is none.
    pub async fn pod(&self, name: &str) -> Result<Option<Pod>, Fault> {
        let action = Action { verb: "get", resource: "pods" };
        let request = self.requests::<Pod>().get(name, &GetParams::default());
        match self.call(action, request).await {
            Ok(pod) => Ok(Some(pod)),
            Err(fault) if fault.is_not_found() => Ok(None),
            Err(fault) => Err(fault),
        }
    }

    /// Deletes the pod `name` if it is still the one with `uid`, with the template's grace period.
    pub async fn delete_pod(&self, name: &str, uid: &str) -> Result<Deleted, Fault> {
        let guard = Preconditions { uid: Some(uid.to_owned()), ..Preconditions::default() };
        self.delete_pod_if(name, guard).await
    }

    /// Deletes `pod` if it still has this `version`.
    pub async fn delete_pod_at(&self, pod: &PodView, version: u64) -> Result<Deleted, Fault> {
        let guard = Preconditions {
            uid: Some(pod.uid.clone()),
            resource_version: Some(version.to_string()),
        };
        self.delete_pod_if(&object::pod(&pod.user), guard).await
    }

    /// Merges `annotations` into those of `pod`, if it is still there, and still has this `version`.
    pub async fn annotate_pod(
        &self,
        pod: &PodView,
        version: Option<u64>,
        annotations: &Value,
    ) -> Result<Annotated, Fault> {
        let action = Action { verb: "patch", resource: "pods" };
        let patch = json!({"metadata": {
            "uid": pod.uid,
            "resourceVersion": version.map(|version| version.to_string()),
            "annotations": annotations,
        }});
        let name = object::pod(&pod.user);
        let params = PatchParams {
            field_manager: Some(label::MANAGED_BY_SPAWNER.to_owned()),
            ..PatchParams::default()
        };
        let request = self.requests::<Pod>().patch_metadata(
            &name,
            &params,
            &Patch::Merge(without_null(patch)),
        );
        match self.call::<MetadataOnly>(action, request).await {
            Ok(answer) => {
                Ok(Annotated::Yes(version_of(answer.metadata.resource_version.as_deref())))
            }
            Err(fault) if fault.is_not_found() || fault.is_conflict() => Ok(Annotated::Changed),
            Err(fault) => Err(fault),
        }
    }

    async fn delete_pod_if(&self, name: &str, guard: Preconditions) -> Result<Deleted, Fault> {
        let action = Action { verb: "delete", resource: "pods" };
        let request =
            self.requests::<Pod>().delete(name, &DeleteParams::default().preconditions(guard));
        match self.call::<MetadataOnly>(action, request).await {
            Ok(_) => Ok(Deleted::Yes),
            Err(fault) if fault.is_not_found() => Ok(Deleted::Gone),
            Err(fault) if fault.is_conflict() => Ok(Deleted::Replaced),
            Err(fault) => Err(fault),
        }
    }

    /// Merges `patch` into the ConfigMap `name` (RFC 7396), or makes it of the patch.
    pub async fn merge_config_map(&self, name: &str, patch: &Value) -> Result<(), Fault> {
        let action = Action { verb: "patch", resource: "configmaps" };
        let merge = || {
            let params = PatchParams::default();
            self.requests::<ConfigMap>().patch(name, &params, &Patch::Merge(patch))
        };
        match self.call::<MetadataOnly>(action, merge()).await {
            Err(fault) if fault.is_not_found() => {}
            done => return done.map(drop),
        }
        let create = Action { verb: "create", resource: "configmaps" };
        let object = config_map(name, patch);
        let made = self.call::<MetadataOnly>(create, self.creation::<ConfigMap>(&object)).await;
        match created(made)? {
            Created::New(_) => Ok(()),
            // Another replica was faster.
            Created::Exists => self.call::<MetadataOnly>(action, merge()).await.map(drop),
        }
    }

    fn creation<K: Resource<DynamicType = ()>>(&self, object: &Value) -> HttpRequest {
        self.creation_with::<K>(object, PostParams::default())
    }

    fn creation_with<K: Resource<DynamicType = ()>>(
        &self,
        object: &Value,
        params: PostParams,
    ) -> HttpRequest {
        // A JSON value is always JSON.
        let body = serde_json::to_vec(object).unwrap_or_default();
        let params =
            PostParams { field_manager: Some(label::MANAGED_BY_SPAWNER.to_owned()), ..params };
        self.requests::<K>().create(&params, body)
    }

    fn requests<K: Resource<DynamicType = ()>>(&self) -> Request {
        Request::new(K::url_path(&(), Some(&self.namespace)))
    }

    async fn call<T: DeserializeOwned>(
        &self,
        action: Action,
        request: HttpRequest,
    ) -> Result<T, Fault> {
        let request = request.map_err(|error| {
            Fault::of(action, &self.namespace, kube::Error::BuildRequest(error))
        })?;
        let until = Instant::now() + RETRY_BUDGET;
        loop {
            let result = self.call_once(action, request.clone()).await;
            match result.as_ref().err().and_then(Fault::pause) {
                Some(pause) if Instant::now() + pause < until => sleep(pause).await,
                _ => return result,
            }
        }
    }

    async fn call_once<T: DeserializeOwned>(
        &self,
        action: Action,
        request: http::Request<Vec<u8>>,
    ) -> Result<T, Fault> {
        let result = match timeout(CALL_TIMEOUT, self.client.request::<T>(request)).await {
            Ok(Ok(answer)) => Ok(answer),
            Ok(Err(error)) => Err(Fault::of(action, &self.namespace, error)),
            Err(_elapsed) => Err(Fault::timeout(action, &self.namespace)),
        };
        self.metrics.api_call(action, result.as_ref().err());
        result
    }
}

impl std::fmt::Debug for Cluster {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Cluster").field("namespace", &self.namespace).finish_non_exhaustive()
    }
}

/// A new ConfigMap with what `patch` adds; what it removes was never there.
fn config_map(name: &str, patch: &Value) -> Value {
    let added = patch.get("data").and_then(Value::as_object);
    let added = added.into_iter().flatten().filter(|(_, value)| value.is_string());
    let data: Map<_, _> = added.map(|(name, value)| (name.clone(), value.clone())).collect();
    json!({
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {
            "name": name,
            "labels": { (label::MANAGED_BY): label::MANAGED_BY_SPAWNER },
        },
        "data": data,
    })
}

/// A merge patch would remove a `resourceVersion` that is null.
fn without_null(mut patch: Value) -> Value {
    if let Some(metadata) = patch.get_mut("metadata").and_then(Value::as_object_mut) {
        metadata.retain(|_, value| !value.is_null());
    }
    patch
}

fn created<T>(result: Result<T, Fault>) -> Result<Created<T>, Fault> {
    match result {
        Ok(object) => Ok(Created::New(object)),
        Err(fault) if fault.is_conflict() => Ok(Created::Exists),
        Err(fault) => Err(fault),
    }
}

/// An answer of which only the metadata is read.
#[derive(Debug, serde::Deserialize)]
struct MetadataOnly {
    #[serde(default)]
    metadata: ObjectMeta,
}
