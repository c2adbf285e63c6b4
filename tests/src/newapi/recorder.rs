//! What NewAPI saw: every request that passes, with its key.

use std::{
    collections::{BTreeMap, VecDeque},
    sync::{Arc, Mutex, PoisonError},
};

use axum::{
    Json, Router,
    extract::{Request, State},
    middleware::{self, Next},
    response::Response,
    routing::get,
};
use http::{HeaderMap, HeaderValue, header};
use serde::{Deserialize, Serialize};

/// How many requests are remembered.
const REMEMBERED: usize = 1000;

/// A request as NewAPI saw it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Recorded {
    /// Rises by one with every request.
    pub number: u64,
    /// `GET`, `POST`.
    pub method: String,
    /// Path and query.
    pub path: String,
    /// The bearer key.
    pub key: Option<String>,
    /// Every other header: what a user's client sent must not arrive here.
    pub headers: BTreeMap<String, String>,
}

#[derive(Clone, Debug, Default)]
struct Memory(Arc<Mutex<VecDeque<Recorded>>>);

/// `api` with a memory: what it was asked is told at `GET /recorded`.
pub(super) fn recording(api: Router) -> Router {
    let memory = Memory::default();
    let api = api.layer(middleware::from_fn_with_state(memory.clone(), record));
    Router::new().route("/recorded", get(recorded)).with_state(memory).fallback_service(api)
}

/// The key that a request brings.
pub(super) fn bearer(headers: &HeaderMap) -> Option<&str> {
    headers.get(header::AUTHORIZATION)?.to_str().ok()?.strip_prefix("Bearer ")
}

async fn record(State(memory): State<Memory>, request: Request, next: Next) -> Response {
    let text = |value: &HeaderValue| String::from_utf8_lossy(value.as_bytes()).into_owned();
    let others = request.headers().iter().filter(|(name, _)| *name != header::AUTHORIZATION);
    let mut seen = Recorded {
        number: 1,
        method: request.method().to_string(),
        path: request.uri().to_string(),
        key: bearer(request.headers()).map(str::to_owned),
        headers: others.map(|(name, value)| (name.to_string(), text(value))).collect(),
    };
    {
        let mut all = memory.0.lock().unwrap_or_else(PoisonError::into_inner);
        seen.number += all.back().map_or(0, |last| last.number);
        if all.len() == REMEMBERED {
            all.pop_front();
        }
        all.push_back(seen);
    }
    next.run(request).await
}

async fn recorded(State(memory): State<Memory>) -> Json<Vec<Recorded>> {
    let all = memory.0.lock().unwrap_or_else(PoisonError::into_inner);
    Json(all.iter().cloned().collect())
}
