//! What nobody should send to the webhook, and pods that cannot become what they ask to be.

use anyhow::{Context as _, Result};
use contract::{annotation, pod as names};
use http::{StatusCode, header};
use serde_json::{Value, json};
use tests::{
    install,
    pods::{injected, labeled},
    stage::Admission,
};

/// A user whom Keycloak need not know.
const USER: &str = "eeeeeeee-2222-4333-8444-555555555555";

const MEBIBYTE: usize = 1024 * 1024;

#[tokio::test]
async fn a_malformed_review_is_refused_in_words_and_restarts_nothing() -> Result<()> {
    let admission = Admission::set().await?;
    let (webhook, before) = (admission.webhook().await?, admission.restarts().await?);
    let review = |request: Value| {
        json!({"apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview", "request": request})
            .to_string()
    };
    for (what, body) in [
        ("nothing", String::new()),
        ("no JSON", "{".to_owned()),
        ("a list", "[]".to_owned()),
        ("no review", r#"{"kind":"Pod"}"#.to_owned()),
        ("a review without a request", review(Value::Null)),
        ("a request without a uid", review(json!({"object": {}}))),
        ("an object that never ends", "[".repeat(100_000)),
        ("almost 7 MiB of no JSON", "x".repeat(7 * MEBIBYTE - 1)),
    ] {
        let call = webhook.post("/mutate").header(header::CONTENT_TYPE, "application/json");
        let answer = call.body(body).send().await?;
        let (status, text) = (answer.status, answer.text().await?);
        assert_eq!(status, StatusCode::BAD_REQUEST, "{what}: {text}");
        assert!(text.trim().len() > 10, "{what}: expected words, saw {text:?}");
    }
    for (call, status) in [
        (webhook.get("/mutate"), StatusCode::METHOD_NOT_ALLOWED),
        (webhook.post("/elsewhere"), StatusCode::NOT_FOUND),
        (webhook.post("/mutate").body("{}"), StatusCode::UNSUPPORTED_MEDIA_TYPE),
    ] {
        call.send().await?.expect(status).await?;
    }
    let seen = admission.pods.try_out(&labeled("p", USER)?).await?;
    assert!(injected(&seen).note.is_some(), "and goes on");
    assert_eq!(admission.restarts().await?, before);
    Ok(())
}

#[tokio::test]
async fn a_review_with_an_impossible_pod_is_answered_with_its_uid() -> Result<()> {
    let webhook = Admission::set().await?.webhook().await?;
    let review = json!({"apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview", "request": {
        "uid": "u-1", "operation": "CREATE", "namespace": install::TENANT,
        "kind": {"group": "", "version": "v1", "kind": "Pod"},
        "resource": {"group": "", "version": "v1", "resource": "pods"},
        "object": {"metadata": {"labels": {contract::label::USER: USER}}, "spec": {"containers": 7}},
    }});
    let answer = webhook.post("/mutate").json(&review).send().await?;
    let answer: Value = answer.expect(StatusCode::OK).await?.json().await?;
    assert_eq!(answer.pointer("/response/uid"), Some(&json!("u-1")), "{answer}");
    assert_eq!(answer.pointer("/response/allowed"), Some(&json!(false)), "{answer}");
    let message = answer.pointer("/response/status/message").and_then(Value::as_str);
    assert!(message.is_some_and(|message| message.contains("containers")), "{answer}");
    Ok(())
}

#[tokio::test]
async fn a_body_above_7_mib_is_refused_before_it_is_read() -> Result<()> {
    let admission = Admission::set().await?;
    let (webhook, before) = (admission.webhook().await?, admission.restarts().await?);
    // The head alone: whoever waits for the body first would not answer.
    let head = format!(
        "POST /mutate HTTP/1.1\r\nhost: webhook\r\nconnection: close\r\n\
         content-type: application/json\r\ncontent-length: {}\r\n\r\n",
        7 * MEBIBYTE + 1
    );
    let answer = webhook.say(head.as_bytes()).await?;
    assert!(answer.starts_with("HTTP/1.1 413 "), "{answer}");
    assert!(answer.contains("7 MiB"), "{answer}");
    assert_eq!(admission.restarts().await?, before);
    Ok(())
}

#[tokio::test]
async fn a_read_only_home_is_denied_before_it_could_fail() -> Result<()> {
    let pods = Admission::set().await?.pods;
    let mut pod = labeled("p", USER)?;
    let spec = pod.spec.as_mut().context("a spec")?;
    let mounts = spec.containers[0].volume_mounts.as_mut().context("mounts")?;
    mounts[0].read_only = Some(true);
    let denial = pods.denial_of(&pod).await?;
    for part in [names::CONFIG_PATH, "readOnly", annotation::TOKEN_SYNC] {
        assert!(denial.contains(part), "{part} in: {denial}");
    }
    Ok(())
}
