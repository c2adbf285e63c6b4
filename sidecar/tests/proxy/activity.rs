//! What the reaper learns about the client, and what keeps nothing awake.

use axum::body::Body;
use edge::{activity::ActivityReport, oidc::testing::Idp};
use futures::{SinkExt, StreamExt};
use http::{Method, Request, StatusCode, header};
use serde_json::json;
use tokio_tungstenite::tungstenite::Message;

use crate::{
    runtime::{Runtime, WebSocketRuntime},
    session::echoes,
    sidecar::{Sidecar, next, soon},
};

async fn report(sidecar: &Sidecar) -> ActivityReport {
    let answer = sidecar.admin("/activity").await;
    assert_eq!(answer.status, StatusCode::OK);
    assert_eq!(answer.headers[header::CONTENT_TYPE], "application/json");
    serde_json::from_str(&answer.body).unwrap()
}

/// Reports until one is as it should be: an end takes a moment to arrive.
async fn reported(sidecar: &Sidecar, expected: impl Fn(&ActivityReport) -> bool) {
    soon(async {
        while !expected(&report(sidecar).await) {
            tokio::task::yield_now().await;
        }
    })
    .await;
}

#[tokio::test]
async fn refused_requests_probes_and_a_runtime_that_is_down_are_no_activity() {
    let runtime = Runtime::start().await;
    let probe = format!("--probe=startup=http://:{}/", runtime.address.port());
    let keys = Some(Idp::shared().jwks());
    let sidecar = Sidecar::with(runtime.address, &[&probe], keys).await;
    assert_eq!(sidecar.admin("/probe/startup").await.status, StatusCode::OK);
    assert_eq!(sidecar.get("/", &[]).await.status, StatusCode::UNAUTHORIZED);
    let expired = format!("Bearer {}", sidecar.token(json!({"exp": 1_700_000_000})));
    sidecar.get("/", &[("authorization", &expired)]).await;
    let trace = Request::builder().method(Method::TRACE).uri(format!("http://{}/", sidecar.data));
    let trace = trace.header(header::AUTHORIZATION, sidecar.bearer()).body(Body::empty());
    let refused = sidecar.send(trace.unwrap()).await;
    assert_eq!(refused.status, StatusCode::METHOD_NOT_ALLOWED);
    assert_eq!(report(&sidecar).await.last_client_activity, None);

    let gone = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    let waiting = Sidecar::before(gone).await;
    assert_eq!(waiting.get_as_alice("/").await.status, StatusCode::SERVICE_UNAVAILABLE);
    let report = report(&waiting).await;
    assert_eq!((report.last_client_activity, report.inflight), (None, 0));
}

#[tokio::test]
async fn a_request_is_activity_when_it_begins_and_when_it_ends() {
    let runtime = Runtime::start().await;
    let sidecar = Sidecar::before(runtime.address).await;
    let before = report(&sidecar).await;
    assert_eq!((before.last_client_activity, before.inflight, before.ws_open), (None, 0, 0));
    let mut events = sidecar.open("/events", &sidecar.bearer()).await;
    let open = report(&sidecar).await;
    assert_eq!(open.inflight, 1);
    assert!(open.last_client_activity >= Some(before.now));
    runtime.say("one");
    next(&mut events).await;
    let spoken = report(&sidecar).await;
    assert_eq!(spoken.last_client_activity, open.last_client_activity, "the server spoke");
    drop(events);
    reported(&sidecar, |report| report.inflight == 0).await;
    assert!(report(&sidecar).await.last_client_activity >= Some(spoken.now));
}

#[tokio::test]
async fn of_a_websocket_only_what_the_client_says_is_activity() {
    let runtime = WebSocketRuntime::start().await;
    let sidecar = Sidecar::before(runtime.address).await;
    let mut socket = sidecar.websocket("/greeting", Some(&sidecar.bearer())).await.unwrap();
    assert_eq!(soon(socket.next()).await.unwrap().unwrap(), Message::text("welcome"));
    let opened = report(&sidecar).await;
    assert_eq!((opened.ws_open, opened.inflight), (1, 0));
    assert!(opened.last_client_activity.is_some(), "to open one is");
    assert_eq!(opened.last_data_frame, None, "the server spoke");

    socket.send(Message::Ping("are you there?".into())).await.unwrap();
    assert!(matches!(soon(socket.next()).await.unwrap().unwrap(), Message::Pong(_)));
    let pinged = report(&sidecar).await;
    assert_eq!(pinged.last_client_activity, opened.last_client_activity);

    echoes(&mut socket).await;
    let spoken = report(&sidecar).await;
    assert!(spoken.last_data_frame >= Some(pinged.now));
    assert_eq!(spoken.last_client_activity, spoken.last_data_frame);

    socket.close(None).await.unwrap();
    reported(&sidecar, |report| report.ws_open == 0).await;
    assert_eq!(report(&sidecar).await.last_data_frame, spoken.last_data_frame);
}

#[tokio::test]
async fn the_report_tells_nothing_about_anybody() {
    let runtime = Runtime::start().await;
    let sidecar = Sidecar::before(runtime.address).await;
    sidecar.get_as_alice("/v1/models?secret=1").await;
    let told = sidecar.admin("/activity").await.body;
    let told: serde_json::Value = serde_json::from_str(&told).unwrap();
    let names: Vec<_> = told.as_object().unwrap().keys().map(String::as_str).collect();
    let expected = ["now", "last_client_activity", "last_data_frame", "inflight", "ws_open"];
    assert_eq!(names, expected);
}
