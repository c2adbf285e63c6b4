use axum::body::Body;
use http::{Request, StatusCode, header};
use http_body_util::BodyExt;
use hyper_util::{client::legacy::Client, rt::TokioExecutor};

use crate::support::{FakeNewApi, Runtime, nobody, soon};

struct Answer {
    status: StatusCode,
    kind: String,
    body: String,
}

impl Runtime {
    async fn ask(&self, request: http::request::Builder, path: &str, body: &'static str) -> Answer {
        let request = request.uri(format!("http://{}{path}", self.address));
        let client = Client::builder(TokioExecutor::new()).build_http();
        let request = request.body(Body::from(body)).unwrap();
        let response = soon(client.request(request)).await.unwrap();
        let kind = response.headers()[header::CONTENT_TYPE].to_str().unwrap().to_owned();
        let status = response.status();
        let body = soon(response.into_body().collect()).await.unwrap().to_bytes();
        Answer { status, kind, body: String::from_utf8(body.to_vec()).unwrap() }
    }

    async fn get(&self, path: &str) -> Answer {
        self.ask(Request::get("/"), path, "").await
    }
}

#[tokio::test]
async fn it_says_that_it_lives_and_is_ready() {
    let runtime = Runtime::using(nobody()).await;
    for (path, body) in [("/healthz", r#"{"ok":true}"#), ("/readyz", r#"{"ready":true}"#)] {
        let answer = runtime.get(path).await;
        assert_eq!((answer.status, answer.body.as_str()), (StatusCode::OK, body));
        assert_eq!(answer.kind, "application/json");
    }
}

#[tokio::test]
async fn v1_goes_to_newapi_with_the_key_and_nothing_of_the_client() {
    let newapi = FakeNewApi::start().await;
    let runtime = Runtime::using(newapi.address).await;
    let request = Request::post("/")
        .header("authorization", "Bearer gateway-token")
        .header("x-forwarded-user", "alice")
        .header("cookie", "session=1")
        .header("origin", "https://workspace")
        .header("x-request-id", "7");
    let answer = runtime.ask(request, "/v1/embeddings?x=%20", "{\"input\":1}").await;
    assert_eq!((answer.status, answer.body.as_str()), (StatusCode::OK, "{}"));
    let seen = newapi.last();
    assert_eq!(seen.path, "/v1/embeddings?x=%20");
    assert_eq!(seen.body, "{\"input\":1}");
    assert_eq!(seen.headers["authorization"], "Bearer sk-alice");
    assert_eq!(seen.headers["host"], newapi.address.to_string());
    assert_eq!(seen.headers["x-request-id"], "7");
    for gone in ["x-forwarded-user", "cookie", "origin"] {
        assert!(!seen.headers.contains_key(gone), "{gone}");
    }
}

#[tokio::test]
async fn a_chat_is_streamed() {
    let newapi = FakeNewApi::start().await;
    let runtime = Runtime::using(newapi.address).await;
    let answer = runtime.ask(Request::post("/"), "/v1/chat/completions", "{}").await;
    assert_eq!(answer.kind, "text/event-stream");
    assert!(answer.body.ends_with("data: [DONE]\n\n"), "{}", answer.body);
}

#[tokio::test]
async fn without_newapi_the_answer_says_so() {
    let runtime = Runtime::using(nobody()).await;
    let answer = runtime.get("/v1/models").await;
    assert_eq!(answer.status, StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(answer.kind, "application/problem+json");
    assert!(answer.body.contains("upstream_refused"), "{}", answer.body);
    assert_eq!(runtime.get("/readyz").await.status, StatusCode::OK, "the pod stays in service");
}

#[tokio::test]
async fn the_page_loads_and_unknown_paths_do_not() {
    let runtime = Runtime::using(nobody()).await;
    let page = runtime.get("/").await;
    assert!(page.kind.starts_with("text/html") && page.body.contains("/v1/chat/completions"));
    for path in ["/nothing", "/v1x", "/v2/models", "/api/v1/admin/rpc"] {
        assert_eq!(runtime.get(path).await.status, StatusCode::NOT_FOUND, "{path}");
    }
}
