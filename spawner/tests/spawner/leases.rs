//! The API server's Leases.

use std::sync::{Arc, Mutex};

use axum::{
    Json, Router,
    extract::{Path, State},
    response::{IntoResponse, Response},
    routing::{get, post},
};
use http::StatusCode;
use serde_json::Value;

use crate::api_server::{NAMESPACE, refuse};

/// One Lease at most. Clones are the same.
#[derive(Clone, Default)]
pub(crate) struct Leases(Arc<Mutex<Option<Value>>>);

impl Leases {
    pub(crate) fn router(&self) -> Router {
        let path = format!("/apis/coordination.k8s.io/v1/namespaces/{NAMESPACE}/leases");
        Router::new()
            .route(&path, post(create))
            .route(&format!("{path}/{{name}}"), get(read).put(replace))
            .with_state(self.clone())
    }

    /// Who holds it.
    pub(crate) fn holder(&self) -> Option<String> {
        let lease = self.0.lock().unwrap();
        lease.as_ref()?["spec"]["holderIdentity"].as_str().map(str::to_owned)
    }

    /// Somebody else holds it, with a clock that is a day ahead.
    pub(crate) fn held_by_another(&self) {
        *self.0.lock().unwrap() = Some(serde_json::json!({
            "metadata": {"name": "openclaw-spawner-reaper", "resourceVersion": "9"},
            "spec": {
                "holderIdentity": "another", "leaseDurationSeconds": 12,
                "renewTime": "2099-01-01T00:00:00.000000Z",
            },
        }));
    }
}

async fn read(State(Leases(lease)): State<Leases>, Path(_): Path<String>) -> Response {
    match lease.lock().unwrap().clone() {
        Some(lease) => Json(lease).into_response(),
        None => refuse(404, "NotFound", "leases not found"),
    }
}

async fn create(State(Leases(held)): State<Leases>, Json(mut lease): Json<Value>) -> Response {
    let mut held = held.lock().unwrap();
    if held.is_some() {
        return refuse(409, "AlreadyExists", "leases already exists");
    }
    lease["metadata"]["resourceVersion"] = "1".into();
    *held = Some(lease.clone());
    (StatusCode::CREATED, Json(lease)).into_response()
}

async fn replace(
    State(Leases(held)): State<Leases>,
    Path(_): Path<String>,
    Json(mut lease): Json<Value>,
) -> Response {
    let mut held = held.lock().unwrap();
    let version = held.as_ref().unwrap()["metadata"]["resourceVersion"].clone();
    if lease["metadata"]["resourceVersion"] != version {
        return refuse(409, "Conflict", "the object has been modified");
    }
    let next: u64 = version.as_str().unwrap().parse().unwrap();
    lease["metadata"]["resourceVersion"] = (next + 1).to_string().into();
    *held = Some(lease.clone());
    Json(lease).into_response()
}
