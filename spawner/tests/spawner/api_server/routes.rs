//! What the API server does with each call.

use std::collections::BTreeMap;

use axum::{
    Json, Router,
    body::Body,
    extract::{Path, Query, State},
    middleware::from_fn_with_state,
    response::{IntoResponse, Response},
    routing::{get, patch, post},
};
use futures::stream;
use http::{HeaderMap, Request, StatusCode};
use serde_json::{Value, json};
use tokio::sync::mpsc;

use super::{ApiServer, NAMESPACE, Next, cut::cut_off, put};

impl ApiServer {
    pub(crate) fn router(&self) -> Router {
        let core = format!("/api/v1/namespaces/{NAMESPACE}");
        let policies = format!("/apis/networking.k8s.io/v1/namespaces/{NAMESPACE}/networkpolicies");
        Router::new()
            .route(&format!("{core}/pods"), get(pods).post(create_pod))
            .route(
                &format!("{core}/pods/{{name}}"),
                get(pod).delete(delete_pod).patch(annotate_pod),
            )
            .route(&format!("{core}/secrets"), post(create_secret))
            .route(&format!("{core}/persistentvolumeclaims"), post(create_home))
            .route(
                &format!("{core}/persistentvolumeclaims/{{name}}"),
                get(home).delete(delete_home),
            )
            .route(&format!("{core}/events"), get(no_events))
            .route(&policies, get(list_policies))
            .route(&format!("{policies}/{{name}}"), patch(apply_policy).delete(delete_policy))
            .layer(from_fn_with_state(self.clone(), cut_off))
            .with_state(self.clone())
            .merge(self.login.router())
            .merge(self.leases.router())
    }
}

/// As API Priority and Fairness says it.
fn busy(seconds: u32) -> Response {
    let after = [("retry-after", seconds.to_string())];
    let text = "Too many requests, please try again later.";
    (StatusCode::TOO_MANY_REQUESTS, after, text).into_response()
}

pub(crate) fn refuse(code: u16, reason: &str, message: &str) -> Response {
    let status = json!({
        "apiVersion": "v1", "kind": "Status", "status": "Failure",
        "code": code, "reason": reason, "message": message,
    });
    (StatusCode::from_u16(code).unwrap(), Json(status)).into_response()
}

async fn pods(
    State(api): State<ApiServer>,
    Query(query): Query<BTreeMap<String, String>>,
) -> Response {
    if query.contains_key("watch") {
        let version = query["resourceVersion"].parse().unwrap();
        return watch_from(&api, version);
    }
    let next = query.get("continue").and_then(|next| next.split_once(' '));
    api.note(if next.is_some() { "list more pods" } else { "list pods" }.to_owned());
    let objects = api.lock();
    if let Some(code) = objects.lists_refused {
        let message =
            "pods is forbidden: User \"spawner\" cannot list resource \"pods\" in API group \"\"";
        return refuse(code, "Refused", message);
    }
    let labeled =
        |pod: &Value| !pod["metadata"]["labels"]["catalyst.openova.io/openclaw-user"].is_null();
    let limit = query.get("limit").map_or(usize::MAX, |limit| limit.parse().unwrap());
    let not_yet = |(name, _): &(&String, &Value)| next.is_none_or(|(_, last)| name.as_str() > last);
    let pods = objects.pods.iter().filter(not_yet).filter(|(_, pod)| labeled(pod));
    let items: Vec<(&String, &Value)> = pods.take(limit.saturating_add(1)).collect();
    // All pages are of one moment.
    let version = next.map_or_else(|| objects.version.to_string(), |(version, _)| version.into());
    let more = items.get(limit).and_then(|_| items.get(limit.wrapping_sub(1)));
    let more = more.map(|(last, _)| format!("{version} {last}"));
    let items: Vec<&Value> = items.into_iter().take(limit).map(|(_, pod)| pod).collect();
    Json(json!({
        "apiVersion": "v1", "kind": "PodList",
        "metadata": {"resourceVersion": version, "continue": more}, "items": items,
    }))
    .into_response()
}

/// What happened after `version`, and what happens until the watches are cut.
fn watch_from(api: &ApiServer, version: u64) -> Response {
    let (sender, lines) = mpsc::channel(16);
    tokio::spawn(api.clone().feed(version, sender));
    let lines = stream::unfold(lines, async |mut lines| {
        let line = lines.recv().await?;
        Some((Ok::<String, std::convert::Infallible>(line), lines))
    });
    Body::from_stream(lines).into_response()
}

async fn no_events(Query(query): Query<BTreeMap<String, String>>) -> Response {
    if query.contains_key("watch") {
        return Body::from_stream(stream::pending::<Result<String, std::convert::Infallible>>())
            .into_response();
    }
    let list = json!({
        "apiVersion": "v1", "kind": "EventList", "metadata": {"resourceVersion": "1"}, "items": [],
    });
    Json(list).into_response()
}

async fn create_pod(
    State(api): State<ApiServer>,
    Query(query): Query<BTreeMap<String, String>>,
    Json(mut pod): Json<Value>,
) -> Response {
    let answer = {
        let mut objects = api.lock();
        let name = pod["metadata"]["name"].as_str().unwrap().to_owned();
        match objects.next_create.take() {
            Some(Next::Refused(code, message)) => refuse(code, "Forbidden", message),
            Some(Next::Busy(seconds)) => busy(seconds),
            Some(Next::Lost | Next::LostAndRefused(..)) => {
                put(&api, &mut objects, pod);
                refuse(409, "AlreadyExists", "pods already exists")
            }
            Some(Next::Untouched) => {
                pod["spec"].as_object_mut().unwrap().remove("initContainers");
                (StatusCode::CREATED, Json(pod)).into_response()
            }
            None if query.get("dryRun").is_some_and(|what| what == "All") => {
                (StatusCode::CREATED, Json(pod)).into_response()
            }
            None if objects.pods.contains_key(&name) => {
                refuse(409, "AlreadyExists", "pods already exists")
            }
            None => (StatusCode::CREATED, Json(put(&api, &mut objects, pod))).into_response(),
        }
    };
    api.note("create pod".to_owned());
    answer
}

async fn pod(State(api): State<ApiServer>, Path(name): Path<String>) -> Response {
    api.note("get pod".to_owned());
    match api.pod(&name) {
        Some(pod) => Json(pod).into_response(),
        None => refuse(404, "NotFound", "pods not found"),
    }
}

async fn delete_pod(
    State(api): State<ApiServer>,
    Path(name): Path<String>,
    Json(options): Json<Value>,
) -> Response {
    let answer = {
        let mut objects = api.lock();
        match objects.pods.get(&name).cloned() {
            None => refuse(404, "NotFound", "pods not found"),
            Some(pod) if !holds(&options["preconditions"], &pod["metadata"]) => {
                refuse(409, "Conflict", "the precondition does not match")
            }
            Some(mut pod) => {
                pod["metadata"]["deletionTimestamp"] = "2026-11-23T12:10:00Z".into();
                Json(put(&api, &mut objects, pod)).into_response()
            }
        }
    };
    api.note("delete pod".to_owned());
    answer
}

/// Whether what the guard names is as it says. A guard always names the uid.
fn holds(guard: &Value, metadata: &Value) -> bool {
    let version = &guard["resourceVersion"];
    guard["uid"] == metadata["uid"]
        && (version.is_null() || *version == metadata["resourceVersion"])
}

async fn annotate_pod(
    State(api): State<ApiServer>,
    Path(name): Path<String>,
    Json(merge): Json<Value>,
) -> Response {
    let answer = {
        let mut objects = api.lock();
        match objects.pods.get(&name).cloned() {
            None => refuse(404, "NotFound", "pods not found"),
            Some(pod) if !holds(&merge["metadata"], &pod["metadata"]) => {
                refuse(409, "Conflict", "the object has been modified")
            }
            Some(mut pod) => {
                for (key, value) in merge["metadata"]["annotations"].as_object().unwrap() {
                    let annotations = pod["metadata"]["annotations"].as_object_mut().unwrap();
                    match value {
                        Value::Null => annotations.remove(key),
                        value => annotations.insert(key.clone(), value.clone()),
                    };
                }
                Json(put(&api, &mut objects, pod)).into_response()
            }
        }
    };
    api.note("annotate pod".to_owned());
    answer
}

async fn create_secret(
    State(api): State<ApiServer>,
    headers: HeaderMap,
    Json(secret): Json<Value>,
) -> Response {
    let accept = headers["accept"].to_str().unwrap();
    assert!(accept.contains("as=PartialObjectMetadata"), "the value is not to come back: {accept}");
    let name = secret["metadata"]["name"].as_str().unwrap().to_owned();
    let known = {
        let mut objects = api.lock();
        let known = objects.secrets.contains_key(&name);
        if !known {
            objects.secrets.insert(name, secret.clone());
        }
        known
    };
    api.note("create secret".to_owned());
    if known {
        return refuse(409, "AlreadyExists", "secrets already exists");
    }
    let metadata = json!({"kind": "PartialObjectMetadata", "metadata": secret["metadata"]});
    (StatusCode::CREATED, Json(metadata)).into_response()
}

async fn create_home(State(api): State<ApiServer>, Json(claim): Json<Value>) -> Response {
    let name = claim["metadata"]["name"].as_str().unwrap().to_owned();
    let next = api.lock().next_home.take();
    let known = api.home(&name).is_some();
    let refused = match next {
        Some(Next::Refused(code, message)) => Some(refuse(code, "Forbidden", message)),
        Some(Next::LostAndRefused(code, message)) => {
            api.put_home(claim.clone());
            Some(refuse(code, "Forbidden", message))
        }
        Some(Next::Lost) => {
            api.put_home(claim.clone());
            Some(refuse(409, "AlreadyExists", "persistentvolumeclaims already exists"))
        }
        None | Some(Next::Untouched) if known => {
            Some(refuse(409, "AlreadyExists", "persistentvolumeclaims already exists"))
        }
        Some(Next::Busy(seconds)) => Some(busy(seconds)),
        Some(Next::Untouched) | None => None,
    };
    api.note("create home".to_owned());
    if let Some(refused) = refused {
        return refused;
    }
    api.put_home(claim);
    (StatusCode::CREATED, Json(api.home(&name))).into_response()
}

async fn home(State(api): State<ApiServer>, Path(name): Path<String>) -> Response {
    api.note("get home".to_owned());
    match api.home(&name) {
        Some(claim) => Json(claim).into_response(),
        None => refuse(404, "NotFound", "persistentvolumeclaims not found"),
    }
}

/// As with the finalizer `kubernetes.io/pvc-protection`: the claim stays for as long as a pod uses it.
async fn delete_home(
    State(api): State<ApiServer>,
    Path(name): Path<String>,
    Json(options): Json<Value>,
) -> Response {
    let answer = {
        let mut objects = api.lock();
        match objects.homes.get_mut(&name) {
            None => refuse(404, "NotFound", "persistentvolumeclaims not found"),
            Some(claim) if !holds(&options["preconditions"], &claim["metadata"]) => {
                refuse(409, "Conflict", "the precondition does not match")
            }
            Some(claim) => {
                claim["metadata"]["deletionTimestamp"] = "2026-11-23T12:10:00Z".into();
                Json(claim.clone()).into_response()
            }
        }
    };
    api.note("delete home".to_owned());
    answer
}

async fn apply_policy(
    State(api): State<ApiServer>,
    Path(name): Path<String>,
    request: Request<Body>,
) -> Response {
    if request.headers()["content-type"] == "application/merge-patch+json" {
        return annotate_policy(&api, &name, request).await;
    }
    assert_eq!(request.headers()["content-type"], "application/apply-patch+yaml");
    let query = request.uri().query().unwrap().to_owned();
    assert!(query.contains("fieldManager=openclaw-spawner"), "{query}");
    let body = axum::body::to_bytes(request.into_body(), 1 << 20).await.unwrap();
    let mut policy: Value = serde_json::from_slice(&body).unwrap();
    let noted = api.policy(&name).map(|known| known["metadata"]["annotations"][LAST_STOP].clone());
    if let Some(last) = noted.filter(Value::is_string) {
        // Another field manager's.
        policy["metadata"]["annotations"][LAST_STOP] = last;
    }
    api.put_policy(&name, policy.clone());
    api.note("apply networkpolicy".to_owned());
    Json(policy).into_response()
}

const LAST_STOP: &str = contract::annotation::LAST_STOP;

async fn annotate_policy(api: &ApiServer, name: &str, request: Request<Body>) -> Response {
    let body = axum::body::to_bytes(request.into_body(), 1 << 20).await.unwrap();
    let merge: Value = serde_json::from_slice(&body).unwrap();
    let policy = api.policy(name).map(|mut policy| {
        policy["metadata"]["annotations"][LAST_STOP] =
            merge["metadata"]["annotations"][LAST_STOP].clone();
        api.put_policy(name, policy.clone());
        policy
    });
    api.note("annotate networkpolicy".to_owned());
    match policy {
        Some(policy) => Json(policy).into_response(),
        None => refuse(404, "NotFound", "networkpolicies not found"),
    }
}

async fn list_policies(
    State(api): State<ApiServer>,
    Query(query): Query<BTreeMap<String, String>>,
) -> Response {
    let named = query.get("fieldSelector").map(|field| field.replace("metadata.name=", ""));
    let wanted = |(name, _): &(&String, &Value)| named.as_ref().is_none_or(|one| one == *name);
    let items: Vec<Value> =
        api.lock().policies.iter().filter(wanted).map(|(_, policy)| policy.clone()).collect();
    let what = if named.is_some() { "one networkpolicy" } else { "networkpolicies" };
    api.note(format!("list {what}"));
    Json(json!({"kind": "PartialObjectMetadataList", "metadata": {}, "items": items}))
        .into_response()
}

async fn delete_policy(
    State(api): State<ApiServer>,
    Path(name): Path<String>,
    Json(options): Json<Value>,
) -> Response {
    let answer = {
        let mut objects = api.lock();
        let policy = objects.policies[&name].clone();
        if holds(&options["preconditions"], &policy["metadata"]) {
            objects.policies.remove(&name);
            Json(policy).into_response()
        } else {
            refuse(409, "Conflict", "the precondition does not match")
        }
    };
    api.note("delete networkpolicy".to_owned());
    answer
}
