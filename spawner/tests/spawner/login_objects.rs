//! The API server's part of the login: the Secret with the cookie keys, and the ConfigMap of the
//! sessions that ended early. Several spawners may share one, as replicas do.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex},
};

use axum::{
    Json, Router,
    body::Body,
    extract::{Path, Query, State},
    response::{IntoResponse, Response},
    routing::{get, patch},
};
use futures::stream;
use http::StatusCode;
use serde_json::{Value, json};
use tokio::sync::watch;

use crate::api_server::{NAMESPACE, refuse};

/// The objects. Clones are the same.
#[derive(Clone, Default)]
pub(crate) struct LoginObjects {
    /// By name.
    secrets: Arc<Mutex<BTreeMap<String, Value>>>,
    /// The ConfigMap and how often it changed.
    signed_out: watch::Sender<(u64, Option<Value>)>,
}

impl LoginObjects {
    pub(crate) fn router(&self) -> Router {
        let maps = format!("/api/v1/namespaces/{NAMESPACE}/configmaps");
        Router::new()
            .route("/api/v1/namespaces/default/secrets", axum::routing::post(create_secret))
            .route("/api/v1/namespaces/default/secrets/{name}", get(secret))
            .route(&maps, get(config_maps).post(create_config_map))
            .route(&format!("{maps}/{{name}}"), patch(merge_config_map))
            .with_state(self.clone())
    }

    /// The list in the Secret with the cookie keys, decoded as the API server stores it.
    pub(crate) fn cookie_keys(&self) -> Option<Value> {
        Some(self.secrets.lock().unwrap().get("openclaw-cookie-keys")?["data"]["keys"].clone())
    }

    /// The ConfigMap.
    pub(crate) fn signed_out(&self) -> Option<Value> {
        self.signed_out.borrow().1.clone()
    }
}

async fn secret(State(objects): State<LoginObjects>, Path(name): Path<String>) -> Response {
    match objects.secrets.lock().unwrap().get(&name) {
        Some(secret) => Json(secret.clone()).into_response(),
        None => refuse(404, "NotFound", "secrets not found"),
    }
}

async fn create_secret(State(objects): State<LoginObjects>, Json(secret): Json<Value>) -> Response {
    let name = secret["metadata"]["name"].as_str().unwrap().to_owned();
    let mut secrets = objects.secrets.lock().unwrap();
    if secrets.contains_key(&name) {
        return refuse(409, "AlreadyExists", "secrets already exists");
    }
    secrets.insert(name, secret.clone());
    (StatusCode::CREATED, Json(secret)).into_response()
}

async fn config_maps(
    State(objects): State<LoginObjects>,
    Query(query): Query<BTreeMap<String, String>>,
) -> Response {
    assert_eq!(query["fieldSelector"], "metadata.name=openclaw-signed-out");
    if query.contains_key("watch") {
        let version = query["resourceVersion"].parse().unwrap();
        return watch_from(&objects, version);
    }
    let (version, map) = objects.signed_out.borrow().clone();
    Json(json!({
        "apiVersion": "v1", "kind": "ConfigMapList",
        "metadata": {"resourceVersion": version.to_string()},
        "items": map.into_iter().collect::<Vec<_>>(),
    }))
    .into_response()
}

fn watch_from(objects: &LoginObjects, seen: u64) -> Response {
    let changes = objects.signed_out.subscribe();
    let lines = stream::unfold((changes, seen), async |(mut changes, seen)| {
        let (version, map) = changes.wait_for(|(version, _)| *version > seen).await.ok()?.clone();
        let line = format!("{}\n", json!({"type": "MODIFIED", "object": map}));
        Some((Ok::<_, std::convert::Infallible>(line), (changes, version)))
    });
    Body::from_stream(lines).into_response()
}

async fn create_config_map(
    State(objects): State<LoginObjects>,
    Json(map): Json<Value>,
) -> Response {
    let made = objects.signed_out.send_if_modified(|(version, known)| {
        let new = known.is_none();
        if new {
            *version += 1;
            *known = Some(with_version(map.clone(), *version));
        }
        new
    });
    if made {
        (StatusCode::CREATED, Json(map)).into_response()
    } else {
        refuse(409, "AlreadyExists", "configmaps already exists")
    }
}

async fn merge_config_map(
    State(objects): State<LoginObjects>,
    headers: http::HeaderMap,
    Json(patch): Json<Value>,
) -> Response {
    assert_eq!(headers["content-type"], "application/merge-patch+json");
    let merged = objects.signed_out.send_if_modified(|(version, known)| {
        let Some(map) = known else { return false };
        *version += 1;
        for (name, value) in patch["data"].as_object().unwrap() {
            let data = map["data"].as_object_mut().unwrap();
            match value {
                Value::Null => drop(data.remove(name)),
                value => drop(data.insert(name.clone(), value.clone())),
            }
        }
        *map = with_version(map.clone(), *version);
        true
    });
    match objects.signed_out() {
        Some(map) if merged => Json(map).into_response(),
        _ => refuse(404, "NotFound", "configmaps not found"),
    }
}

fn with_version(mut map: Value, version: u64) -> Value {
    map["metadata"]["resourceVersion"] = version.to_string().into();
    map
}
