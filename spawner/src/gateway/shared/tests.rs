use std::{
    collections::{BTreeMap, btree_map::Entry},
    convert::Infallible,
    sync::{Arc, Mutex},
};

use axum::body::Body;
use edge::readiness::Readiness;
use http::{Method, Request, Response};
use kube::client::Body as KubeBody;
use tokio::time::sleep;

use super::*;
use crate::metrics::Metrics;

const NAME: &str = "bp-openclaw-gateway";

/// Secrets by name, and what the API server says instead of keeping them.
#[derive(Clone, Default)]
struct Namespace {
    secrets: Arc<Mutex<BTreeMap<String, Value>>>,
    refusal: Arc<Mutex<Option<Value>>>,
}

impl Namespace {
    /// A replica that keeps the Secret here, and its readiness.
    fn replica(&self) -> (Readiness, SharedGateway) {
        let namespace = self.clone();
        let service = tower::service_fn(move |request: Request<KubeBody>| {
            let namespace = namespace.clone();
            async move { Ok::<_, Infallible>(namespace.answer(request).await) }
        });
        let client = kube::Client::new(service, "acme");
        let readiness = Readiness::new();
        let gate = readiness.gate("shared gateway token");
        let cluster = Cluster::new(client, "acme", Metrics::default());
        (readiness, SharedGateway { cluster, name: NAME.to_owned(), gate })
    }

    async fn answer(&self, request: Request<KubeBody>) -> Response<Body> {
        assert_eq!(request.method(), Method::POST, "only made, never read or written");
        assert_eq!(request.uri().path(), "/api/v1/namespaces/acme/secrets");
        let body = request.into_body().collect_bytes().await.unwrap();
        let secret: Value = serde_json::from_slice(&body).unwrap();
        let name = secret["metadata"]["name"].as_str().unwrap().to_owned();
        let mut secrets = self.secrets.lock().unwrap();
        let (code, answer) = if let Some(refusal) = self.refusal.lock().unwrap().clone() {
            (403, refusal)
        } else if let Entry::Vacant(place) = secrets.entry(name) {
            place.insert(secret.clone());
            (201, json!({"kind": "PartialObjectMetadata", "metadata": secret["metadata"]}))
        } else {
            (409, status(409, "AlreadyExists", "secrets already exists"))
        };
        Response::builder().status(code).body(answer.to_string().into()).unwrap()
    }

    fn token(&self) -> Option<String> {
        let secrets = self.secrets.lock().unwrap();
        let token = &secrets.get(NAME)?["stringData"]["OPENCLAW_GATEWAY_TOKEN"];
        Some(token.as_str().unwrap().to_owned())
    }
}

fn status(code: u16, reason: &str, message: &str) -> Value {
    json!({"apiVersion": "v1", "kind": "Status", "status": "Failure",
        "code": code, "reason": reason, "message": message})
}

#[tokio::test(start_paused = true)]
async fn it_is_made_once_by_whichever_replica_is_first() {
    let namespace = Namespace::default();
    let (readiness, first) = namespace.replica();
    assert!(!readiness.snapshot().is_ready(), "not before there is a token");
    tokio::spawn(first.run());
    sleep(Duration::from_secs(1)).await;
    let token = namespace.token().unwrap();
    assert!(readiness.snapshot().is_ready());
    let (readiness, second) = namespace.replica();
    tokio::spawn(second.run());
    sleep(INTERVAL * 10).await;
    assert!(readiness.snapshot().is_ready());
    assert_eq!(namespace.token().unwrap(), token);
}

#[tokio::test(start_paused = true)]
async fn one_that_is_there_is_adopted_as_it_is() {
    let namespace = Namespace::default();
    let own = json!({"metadata": {"name": NAME}, "stringData": {"OPENCLAW_GATEWAY_TOKEN": "own"}});
    namespace.secrets.lock().unwrap().insert(NAME.to_owned(), own);
    let (readiness, replica) = namespace.replica();
    tokio::spawn(replica.run());
    sleep(INTERVAL * 3).await;
    assert!(readiness.snapshot().is_ready());
    assert_eq!(namespace.token().unwrap(), "own");
}

#[tokio::test(start_paused = true)]
async fn a_deleted_one_is_made_anew() {
    let namespace = Namespace::default();
    let (_, replica) = namespace.replica();
    tokio::spawn(replica.run());
    sleep(Duration::from_secs(1)).await;
    let token = namespace.token().unwrap();
    namespace.secrets.lock().unwrap().clear();
    sleep(INTERVAL).await;
    assert_ne!(namespace.token().unwrap(), token, "a deleted token is never used again");
}

#[tokio::test(start_paused = true)]
async fn a_refusal_keeps_the_spawner_from_being_ready_and_says_why() {
    let namespace = Namespace::default();
    let message = "secrets is forbidden: User \"spawner\" cannot create resource \"secrets\"";
    *namespace.refusal.lock().unwrap() = Some(status(403, "Forbidden", message));
    let (readiness, replica) = namespace.replica();
    tokio::spawn(replica.run());
    sleep(Duration::from_secs(1)).await;
    let said = readiness.snapshot();
    assert!(!said.is_ready());
    assert!(said.to_string().contains(NAME), "{said}");
    *namespace.refusal.lock().unwrap() = None;
    sleep(AGAIN).await;
    assert!(readiness.snapshot().is_ready());
    // Once it was there, users are served while the API server refuses: their pods have it already.
    *namespace.refusal.lock().unwrap() = Some(status(403, "Forbidden", message));
    sleep(INTERVAL).await;
    let said = readiness.snapshot();
    assert!(said.is_ready() && said.to_string().contains(NAME), "{said}");
}

#[test]
fn a_secret_for_all_goes_with_scope_shared_alone() {
    let args = || SharedGatewayArgs { shared_gateway_secret: Some("everybodys".to_owned()) };
    assert_eq!(args().name(GatewayScope::Shared).unwrap().as_deref(), Some("everybodys"));
    let refusal = args().name(GatewayScope::PerUser).unwrap_err().to_string();
    assert!(refusal.contains("everybodys") && refusal.contains("perUser"), "{refusal}");
    assert_eq!(SharedGatewayArgs::default().name(GatewayScope::Shared), Ok(None));
}
