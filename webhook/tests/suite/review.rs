//! Decisions one by one, and the AdmissionReview around them.

use base64::{Engine, engine::general_purpose::STANDARD};
use serde_json::{Value, json};
use webhook::review;

use crate::common::{LABEL, USER, codes, config, injected, judged, names, pod, pod_with, set};

fn review_of(request: Value) -> Value {
    json!({"apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview", "request": request})
}

fn create(pod: Value) -> Value {
    review_of(json!({
        "uid": "abc",
        "resource": {"group": "", "version": "v1", "resource": "pods"},
        "namespace": "tenant",
        "operation": "CREATE",
        "object": pod,
    }))
}

fn response(review: &Value) -> Value {
    let answer = review::answer(review.to_string().as_bytes(), config()).unwrap();
    let review = serde_json::to_value(&answer.review).unwrap();
    assert_eq!(review["apiVersion"], "admission.k8s.io/v1");
    assert_eq!(review["kind"], "AdmissionReview");
    assert_eq!(review["response"]["uid"], "abc");
    review["response"].clone()
}

#[test]
fn a_labeled_pod_is_answered_with_a_patch_that_applies() {
    let response = response(&create(pod()));
    assert_eq!(response["allowed"], true);
    assert_eq!(response["patchType"], "JSONPatch");
    let patch = STANDARD.decode(response["patch"].as_str().unwrap()).unwrap();
    let patch: json_patch::Patch = serde_json::from_slice(&patch).unwrap();
    let mut patched = pod();
    json_patch::patch(&mut patched, &patch).unwrap();
    assert_eq!(patched, injected(&pod()));
    assert_eq!(response["auditAnnotations"]["decision"], "injected");
    assert_eq!(response["auditAnnotations"]["reason"], "patched");
    assert_eq!(response["auditAnnotations"]["config"], config().hash);
}

#[test]
fn an_unlabeled_pod_is_allowed_and_not_touched() {
    let mut pod = pod();
    pod["metadata"]["labels"] = json!({"app": "x"});
    pod["spec"]["containers"] = json!("not even a list");
    let response = response(&create(pod));
    assert_eq!(response["allowed"], true);
    assert_eq!(response.get("patch"), None);
    assert_eq!(response["auditAnnotations"]["reason"], "not-labeled");
}

#[test]
fn a_denial_says_what_to_change() {
    let response = response(&create(pod_with("/metadata/labels", json!({LABEL: "Alice"}))));
    assert_eq!(response["allowed"], false);
    assert_eq!(response["status"]["code"], 403);
    let message = response["status"]["message"].as_str().unwrap();
    assert!(message.contains("\"Alice\" is not a user id"), "{message}");
    assert_eq!(response["auditAnnotations"]["reason"], "invalid-user");
}

#[test]
fn replaced_variables_are_warned_about() {
    let env = json!([{"name": "NEWAPI_KEY", "value": "mine"}]);
    let response = response(&create(pod_with("/spec/containers/0/env", env)));
    assert_eq!(
        response["warnings"],
        json!(["env NEWAPI_KEY of the runtime container was replaced"])
    );
}

#[test]
fn only_the_creation_of_pods_is_ours() {
    let mut update = create(pod());
    update["request"]["operation"] = json!("UPDATE");
    assert_eq!(response(&update)["auditAnnotations"]["reason"], "not-a-create");
    let mut other = create(pod());
    other["request"]["resource"]["group"] = json!("example.com");
    assert_eq!(response(&other)["auditAnnotations"]["reason"], "not-a-pod");
    let mut sub = create(pod());
    sub["request"]["subResource"] = json!("eviction");
    assert_eq!(response(&sub)["auditAnnotations"]["reason"], "not-a-pod");
    for review in [update, other, sub] {
        assert_eq!(response(&review)["allowed"], true);
        assert_eq!(response(&review).get("patch"), None);
    }
}

#[test]
fn an_excluded_namespace_is_left_alone() {
    let mut review = create(pod());
    review["request"]["namespace"] = json!("kube-system");
    assert_eq!(response(&review)["auditAnnotations"]["reason"], "excluded-namespace");
}

#[test]
fn a_bad_request_with_a_uid_is_answered_to_that_uid() {
    for request in [
        json!({"uid": "abc", "operation": 7}),
        json!({"uid": "abc", "resource": "pods"}),
        json!({"uid": "abc", "namespace": {}}),
    ] {
        let response = response(&review_of(request));
        assert_eq!(response["allowed"], false);
        assert_eq!(response["status"]["code"], 400);
        assert_eq!(response["auditAnnotations"]["reason"], "malformed-review");
    }
    // Empty, but well formed: not ours.
    assert_eq!(response(&review_of(json!({"uid": "abc"})))["allowed"], true);
    let missing = response(&create(Value::Null));
    assert_eq!(missing["allowed"], true, "an absent object has no label: {missing}");
}

#[test]
fn a_question_without_a_uid_cannot_be_answered() {
    let cases = [
        ("", "not JSON"),
        ("{", "not JSON"),
        ("[]", "not an AdmissionReview"),
        ("null", "not an AdmissionReview"),
        (r#"{"apiVersion":"admission.k8s.io/v1beta1","kind":"AdmissionReview"}"#, "v1beta1"),
        (r#"{"apiVersion":"admission.k8s.io/v1","kind":"AdmissionReview"}"#, "no request.uid"),
        (
            r#"{"apiVersion":"admission.k8s.io/v1","kind":"AdmissionReview","request":{"uid":""}}"#,
            "no request.uid",
        ),
        (
            r#"{"apiVersion":"admission.k8s.io/v1","kind":"AdmissionReview","request":[1]}"#,
            "no request.uid",
        ),
        (&"[".repeat(100_000), "not JSON"),
    ];
    for (body, words) in cases {
        let error = review::answer(body.as_bytes(), config()).unwrap_err().to_string();
        assert!(error.contains(words), "{words}: {error}");
    }
}

#[test]
fn what_opens_the_pod_to_others_is_denied() {
    for (pointer, value, code) in [
        ("/spec/hostNetwork", json!(true), "host-namespace"),
        ("/spec/hostPID", json!(true), "host-namespace"),
        ("/spec/hostIPC", json!(true), "host-namespace"),
        ("/spec/shareProcessNamespace", json!(true), "shared-processes"),
        ("/metadata/annotations", json!({"kubernetes.io/config.mirror": "x"}), "mirror-pod"),
        ("/spec/containers/0/ports", json!([{"containerPort": 4180}]), "port-clash"),
        (
            "/spec/containers/0/ports",
            json!([{"containerPort": 1, "name": "openclaw"}]),
            "port-clash",
        ),
        ("/spec/containers/0/name", json!("openclaw-auth"), "name-clash"),
        ("/spec/containers/0/ports", json!("80"), "malformed-pod"),
        ("/spec/containers/0/name", json!(""), "malformed-pod"),
        ("/spec/containers", json!([]), "no-runtime"),
        (
            "/metadata/annotations",
            json!({"openclaw.catalyst.openova.io/container": "other"}),
            "no-runtime",
        ),
        ("/spec/securityContext", json!({"runAsUser": 0}), "root-runtime"),
        ("/spec/securityContext", json!(null), "unknown-runtime-user"),
        ("/spec/containers/0/volumeMounts/0/readOnly", json!(true), "config-path-volume"),
        ("/spec/containers/0/volumeMounts/0/subPathExpr", json!("$(A)"), "config-path-volume"),
        ("/spec/containers/0/volumeMounts/0/mountPath", json!("/data"), "config-path-volume"),
        (
            "/spec/containers/0/volumeMounts/0/mountPath",
            json!("/home/node/.openclaw/openclaw.json"),
            "config-path-volume",
        ),
        (
            "/spec/volumes/0",
            json!({"name": "home", "configMap": {"name": "x"}}),
            "config-path-volume",
        ),
        (
            "/spec/containers/0/startupProbe",
            json!({"httpGet": {"port": 4181, "path": "/probe/startup"}}),
            "lost-probe",
        ),
    ] {
        let verdict = judged(&pod_with(pointer, value.clone()));
        assert_eq!(codes(&verdict), [code], "{pointer} {value}: {}", verdict.message());
        assert!(verdict.operations.is_empty());
    }
}

#[test]
fn trusted_proxy_excludes_a_gateway_token() {
    let mut pod = pod_with(
        "/metadata/annotations",
        json!({"openclaw.catalyst.openova.io/gateway-auth": "trusted-proxy"}),
    );
    // One of an earlier injection is taken out.
    let mut before = injected(&self::pod());
    before["metadata"]["annotations"] = pod["metadata"]["annotations"].clone();
    let after = injected(&before);
    assert!(!names(&after, "/spec/containers/0/env").contains(&"OPENCLAW_GATEWAY_TOKEN"));
    // The author's own is for the author to remove.
    set(
        &mut pod,
        "/spec/containers/0/env",
        json!([{"name": "OPENCLAW_GATEWAY_TOKEN", "value": "x"}]),
    );
    assert_eq!(codes(&judged(&pod)), ["token-beside-trusted-proxy"]);
}

#[test]
fn without_token_sync_any_runtime_user_will_do() {
    for context in [json!(null), json!({"runAsUser": 0, "runAsGroup": 0})] {
        let mut pod = pod_with("/spec/securityContext", context);
        pod["metadata"]["annotations"] =
            json!({"openclaw.catalyst.openova.io/token-sync": "disabled"});
        let after = injected(&pod);
        assert_eq!(names(&after, "/spec/initContainers"), ["openclaw-auth"]);
        let security = &after["spec"]["initContainers"][0]["securityContext"];
        assert_eq!((&security["runAsUser"], security.get("runAsGroup")), (&json!(65532), None));
    }
}

#[test]
fn a_pod_that_may_get_a_token_gets_none_in_our_containers() {
    let after = injected(&pod());
    for container in after["spec"]["initContainers"].as_array().unwrap() {
        let mounts = container["volumeMounts"].as_array().unwrap();
        let path = json!("/var/run/secrets/kubernetes.io/serviceaccount");
        assert!(mounts.iter().any(|mount| mount["mountPath"] == path), "{container}");
    }
    let refused = injected(&pod_with("/spec/automountServiceAccountToken", json!(false)));
    assert!(!names(&refused, "/spec/volumes").contains(&"openclaw-no-token"));
}

#[test]
fn a_forged_sidecar_is_repaired() {
    let honest = injected(&pod());
    for (field, value) in [
        ("image", json!("evil")),
        ("args", json!(["proxy", "--gateway-auth=none"])),
        ("command", json!(["/bin/sh"])),
        ("restartPolicy", json!(null)),
        ("envFrom", json!([{"secretRef": {"name": "x"}}])),
    ] {
        let mut forged = honest.clone();
        forged["spec"]["initContainers"][1][field] = value;
        let verdict = judged(&forged);
        assert_eq!(verdict.warnings.len(), 1, "{field}");
        assert_eq!(injected(&forged), honest, "{field}");
    }
    let mut half = honest.clone();
    half["spec"]["initContainers"].as_array_mut().unwrap().remove(0);
    assert_eq!(injected(&half), honest);
    assert_eq!(USER.len(), 36);
}

#[test]
fn the_sign_of_an_injection_is_no_reason_to_skip() {
    let claimed = pod_with(
        "/metadata/annotations",
        json!({"openclaw.catalyst.openova.io/injected": format!("0.1.0/{}", config().hash)}),
    );
    assert_eq!(names(&injected(&claimed), "/spec/initContainers").len(), 2);
}

#[test]
fn a_plain_init_container_of_another_webhook_makes_ours_move_behind_it() {
    let mut pod = injected(&pod());
    let list = pod["spec"]["initContainers"].as_array_mut().unwrap();
    list.push(json!({"name": "late", "image": "late"}));
    let after = injected(&pod);
    assert_eq!(
        names(&after, "/spec/initContainers"),
        ["late", "openclaw-token-sync", "openclaw-auth"]
    );
    assert!(judged(&after).operations.is_empty());
    // A native sidecar is no reason to move.
    let list = pod["spec"]["initContainers"].as_array_mut().unwrap();
    list[2]["restartPolicy"] = json!("Always");
    assert!(judged(&pod).operations.is_empty());
}
