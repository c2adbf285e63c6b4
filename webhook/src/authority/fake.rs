//! An API server that knows one Secret and one webhook configuration, in memory.

use std::{
    convert::Infallible,
    sync::{Arc, Mutex},
};

use http::{Method, Request, Response, StatusCode};
use http_body_util::BodyExt;
use k8s_openapi::ByteString;
use kube::client::Body;
use serde_json::{Value, json};

/// What it holds. A test looks at it, and damages it, between two requests.
#[derive(Debug)]
pub(super) struct Objects {
    /// `null` when there is none.
    pub(super) secret: Value,
    pub(super) configuration: Value,
    /// Writes so far, which make resource versions.
    pub(super) writes: u64,
    /// Whether every request fails.
    pub(super) is_down: bool,
}

#[derive(Clone, Debug)]
pub(super) struct FakeApi(Arc<Mutex<Objects>>);

impl FakeApi {
    pub(super) fn new() -> Self {
        let webhook = |name: &str, service: &str| {
            let service = json!({"name": service, "namespace": "system"});
            json!({
                "name": name, "admissionReviewVersions": ["v1"], "sideEffects": "None",
                "clientConfig": {"service": service},
            })
        };
        Self(Arc::new(Mutex::new(Objects {
            secret: Value::Null,
            configuration: json!({
                "metadata": {"name": "ours"},
                "webhooks": [webhook("inject.example", "webhook"), webhook("other.example", "other")],
            }),
            writes: 0,
            is_down: false,
        })))
    }

    pub(super) fn client(&self) -> kube::Client {
        let objects = self.clone();
        let service = tower::service_fn(move |request: Request<Body>| {
            let objects = objects.clone();
            async move { Ok::<_, Infallible>(objects.answer(request).await) }
        });
        kube::Client::new(service, "default")
    }

    pub(super) fn change<T>(&self, change: impl FnOnce(&mut Objects) -> T) -> T {
        change(&mut self.0.lock().unwrap())
    }

    /// The `caBundle` of our webhook, as PEM.
    pub(super) fn bundle(&self) -> String {
        let bundle =
            self.change(|o| o.configuration["webhooks"][0]["clientConfig"]["caBundle"].clone());
        let bytes: ByteString = serde_json::from_value(bundle).unwrap_or_default();
        String::from_utf8(bytes.0).unwrap()
    }

    async fn answer(&self, request: Request<Body>) -> Response<Body> {
        let (head, body) = request.into_parts();
        let body = body.collect().await.unwrap().to_bytes();
        let body: Value = serde_json::from_slice(&body).unwrap_or_default();
        let path = head.uri.path();
        let (status, answer) = self.change(|objects| match (&head.method, path) {
            _ if objects.is_down => failure(StatusCode::SERVICE_UNAVAILABLE),
            (
                method,
                "/api/v1/namespaces/system/secrets" | "/api/v1/namespaces/system/secrets/ca",
            ) => objects.secret(method, body),
            (
                method,
                "/apis/admissionregistration.k8s.io/v1/mutatingwebhookconfigurations/ours",
            ) => objects.configuration(method, head.uri.query().unwrap_or_default(), &body),
            _ => failure(StatusCode::FORBIDDEN),
        });
        Response::builder()
            .status(status)
            .body(Body::from(answer.to_string().into_bytes()))
            .unwrap()
    }
}

impl Objects {
    fn secret(&mut self, method: &Method, mut body: Value) -> (StatusCode, Value) {
        let version = |object: &Value| object["metadata"]["resourceVersion"].clone();
        match *method {
            Method::GET if self.secret.is_null() => return failure(StatusCode::NOT_FOUND),
            Method::GET => return (StatusCode::OK, self.secret.clone()),
            Method::POST if !self.secret.is_null() => return failure(StatusCode::CONFLICT),
            Method::PUT if self.secret.is_null() => return failure(StatusCode::NOT_FOUND),
            Method::PUT if version(&self.secret) != version(&body) => {
                return failure(StatusCode::CONFLICT);
            }
            Method::POST | Method::PUT => {}
            _ => return failure(StatusCode::METHOD_NOT_ALLOWED),
        }
        self.writes += 1;
        body["metadata"]["resourceVersion"] = self.writes.to_string().into();
        self.secret = body.clone();
        (StatusCode::OK, body)
    }

    fn configuration(&mut self, method: &Method, query: &str, body: &Value) -> (StatusCode, Value) {
        match *method {
            Method::GET => {}
            Method::PATCH if query.contains("fieldManager=openclaw-webhook-ca") => {
                self.writes += 1;
                self.apply(body);
            }
            _ => return failure(StatusCode::METHOD_NOT_ALLOWED),
        }
        (StatusCode::OK, self.configuration.clone())
    }

    /// Server-side apply, as far as it is used: webhooks are merged by their names.
    fn apply(&mut self, patch: &Value) {
        for applied in patch["webhooks"].as_array().unwrap() {
            let webhooks = self.configuration["webhooks"].as_array_mut().unwrap();
            let webhook = webhooks.iter_mut().find(|w| w["name"] == applied["name"]).unwrap();
            webhook["clientConfig"]["caBundle"] = applied["clientConfig"]["caBundle"].clone();
        }
    }
}

fn failure(status: StatusCode) -> (StatusCode, Value) {
    let reason = status.canonical_reason().unwrap_or_default().replace(' ', "");
    let code = status.as_u16();
    (status, json!({"kind": "Status", "status": "Failure", "code": code, "reason": reason}))
}
