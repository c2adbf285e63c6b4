//! The API's answers against its own OpenAPI document, by schemathesis: generated requests, good and
//! bad, to the real routes over a socket.

use std::time::Duration;

use edge::oidc::{
    UnixTime,
    testing::{ALICE, BOB, Idp, claims, with},
};
use serde_json::json;
use tokio::process::Command;

use crate::{
    api_server::ApiServer,
    house::{House, ISSUER, Rules, pod_of, ready},
};

/// `Authorization` of alice, who is an operator, for as long as this takes.
fn operator() -> String {
    let now = UnixTime::now();
    let more = json!({
        "realm_access": {"roles": ["openclaw-operator"]}, "exp": now.as_secs() + 3600,
    });
    format!(
        "Authorization: Bearer {}",
        Idp::shared().token(&with(claims(ISSUER, ALICE, now), more))
    )
}

#[tokio::test(flavor = "multi_thread")]
async fn the_api_answers_as_its_document_says() {
    let api = ApiServer::new();
    api.put(pod_of(ALICE, ready()));
    api.put(pod_of(BOB, json!({"phase": "Pending"})));
    // Whoever asks to wait gets an answer all the same.
    let start_timeout = Duration::from_millis(20);
    let house = House::ruled(api, Rules { start_timeout, ..Rules::default() }).await;
    let program = std::env::var("SCHEMATHESIS").expect("SCHEMATHESIS names the program");
    let url = format!("http://{}/-/api/v1/openapi.json", house.address);
    // It leaves a cache behind where it runs.
    let folder = tempfile::tempdir().unwrap();
    // Its list of refusals lacks 413, which a body gets that is too large.
    let settings = "[checks.negative_data_rejection]\nexpected-statuses = \
                    [400, 401, 403, 404, 405, 406, 409, 413, 415, 422, 429, \"5xx\"]\n";
    std::fs::write(folder.path().join("schemathesis.toml"), settings).unwrap();
    let output = Command::new(program)
        .current_dir(folder.path())
        .args(["run", &url, "--header", &operator(), "--seed", "1", "--no-color"])
        .args(["--url", &format!("http://{}/-/api/v1", house.address)])
        .args(["--max-examples", "50", "--phases", "examples,coverage,fuzzing"])
        // A start that is refused, or an operator's stop of a server that is gone, is no fault of the
        // request; and a stream of progress has no end.
        .args(["--exclude-checks", "positive_data_acceptance"])
        .args(["--exclude-path-regex", "/progress$"])
        .output()
        .await
        .unwrap();
    let told = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{told}");
    // Nothing was left out but the two streams.
    assert!(told.contains("17 selected / 19 total") && told.contains("Tested: 17"), "{told}");
}
