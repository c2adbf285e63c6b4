//! Pod Security `restricted`, checked by an implementation of its own, from the text of the standard
//! (kubernetes.io/docs/concepts/security/pod-security-standards).

use serde_json::{Value, json};

use crate::{
    common::{config_with, injected, judged, pod, set},
    corpus,
};

/// What of `pod` the level does not allow.
fn violations(pod: &Value) -> Vec<String> {
    let spec = &pod["spec"];
    let mut found = Vec::new();
    for field in ["hostNetwork", "hostPID", "hostIPC"] {
        if spec[field] == true {
            found.push(field.to_owned());
        }
    }
    for volume in spec["volumes"].as_array().into_iter().flatten() {
        const ALLOWED: [&str; 9] = [
            "name",
            "configMap",
            "csi",
            "downwardAPI",
            "emptyDir",
            "ephemeral",
            "persistentVolumeClaim",
            "projected",
            "secret",
        ];
        let kinds = volume.as_object().unwrap().keys();
        found.extend(
            kinds
                .filter(|kind| !ALLOWED.contains(&kind.as_str()))
                .map(|kind| format!("volume {kind}")),
        );
    }
    for list in ["initContainers", "containers", "ephemeralContainers"] {
        for container in spec[list].as_array().into_iter().flatten() {
            let name = &container["name"];
            found.extend(of_container(spec, container).into_iter().map(|v| format!("{name}: {v}")));
        }
    }
    found
}

fn of_container(spec: &Value, container: &Value) -> Vec<&'static str> {
    let own = &container["securityContext"];
    let either = |field: &str| -> Value {
        if own[field].is_null() {
            spec["securityContext"][field].clone()
        } else {
            own[field].clone()
        }
    };
    let ports = container["ports"].as_array().cloned().unwrap_or_default();
    let capabilities = |which: &str| own["capabilities"][which].as_array().cloned();
    let added = capabilities("add").unwrap_or_default();
    let profile = either("seccompProfile")["type"].clone();
    let checks = [
        ("hostPort", ports.iter().any(|p| p["hostPort"].as_i64().unwrap_or(0) != 0)),
        ("privileged", own["privileged"] == true),
        ("allowPrivilegeEscalation", own["allowPrivilegeEscalation"] != false),
        ("runAsNonRoot", either("runAsNonRoot") != true),
        ("runAsUser", either("runAsUser") == 0),
        ("seccompProfile", profile != "RuntimeDefault" && profile != "Localhost"),
        ("drop ALL", !capabilities("drop").is_some_and(|list| list.contains(&json!("ALL")))),
        ("capabilities", added.iter().any(|added| added != "NET_BIND_SERVICE")),
        ("procMount", !["null", "\"Default\""].contains(&own["procMount"].to_string().as_str())),
    ];
    checks.into_iter().filter(|(_, broken)| *broken).map(|(what, _)| what).collect()
}

/// A pod that the level allows.
fn restricted() -> Value {
    let mut pod = pod();
    pod["spec"]["securityContext"]["runAsNonRoot"] = json!(true);
    pod["spec"]["securityContext"]["seccompProfile"] = json!({"type": "RuntimeDefault"});
    pod["spec"]["containers"][0]["securityContext"] =
        json!({"allowPrivilegeEscalation": false, "capabilities": {"drop": ["ALL"]}});
    pod
}

#[test]
fn the_check_sees_each_violation() {
    assert_eq!(violations(&restricted()), Vec::<String>::new());
    for (place, value, expected) in [
        ("/spec/hostPID", json!(true), "hostPID"),
        ("/spec/volumes/0", json!({"name": "home", "hostPath": {"path": "/"}}), "volume hostPath"),
        ("/spec/containers/0/securityContext/privileged", json!(true), "privileged"),
        ("/spec/containers/0/securityContext/procMount", json!("Unmasked"), "procMount"),
        ("/spec/containers/0/securityContext/runAsUser", json!(0), "runAsUser"),
        ("/spec/containers/0/securityContext/runAsNonRoot", json!(false), "runAsNonRoot"),
        (
            "/spec/containers/0/securityContext/capabilities/add",
            json!(["SYS_ADMIN"]),
            "capabilities",
        ),
        ("/spec/containers/0/securityContext/capabilities/drop", json!([]), "drop ALL"),
        ("/spec/securityContext/seccompProfile/type", json!("Unconfined"), "seccompProfile"),
        ("/spec/containers/0/ports", json!([{"hostPort": 80}]), "hostPort"),
        (
            "/spec/containers/0/securityContext/allowPrivilegeEscalation",
            json!(null),
            "allowPrivilegeEscalation",
        ),
    ] {
        let mut pod = restricted();
        set(&mut pod, place, value);
        let found = violations(&pod);
        assert!(found.len() == 1 && found[0].ends_with(expected), "{place}: {found:?}");
    }
}

#[test]
fn an_injected_pod_is_restricted_when_the_pod_was() {
    let mut seen = 0;
    for (name, pod) in corpus::pods().into_iter().chain([("here".to_owned(), restricted())]) {
        if judged(&pod).is_allowed() && violations(&pod).is_empty() {
            assert_eq!(violations(&injected(&pod)), Vec::<String>::new(), "{name}");
            seen += 1;
        }
    }
    assert!(seen >= 3, "{seen}");
}

/// Whatever the pod says: a container that inherits nothing.
#[test]
fn what_is_injected_is_restricted_by_itself() {
    let loose =
        json!({"runAsUser": 1000, "runAsNonRoot": false, "seccompProfile": {"type": "Unconfined"}});
    for (_, mut pod) in corpus::pods() {
        if pod["metadata"]["labels"][crate::common::LABEL].is_null() || !judged(&pod).is_allowed() {
            continue;
        }
        pod["spec"]["securityContext"] = loose.clone();
        if !judged(&pod).is_allowed() {
            continue;
        }
        let after = injected(&pod);
        let ours = violations(&after);
        assert!(!ours.iter().any(|violation| violation.contains("openclaw-")), "{ours:?}");
    }
}

/// Container before pod, as the kubelet has it; fsGroup and the rest are the pod's for all containers.
#[test]
fn ours_run_as_the_runtime_does() {
    let cases = [
        (json!({"runAsUser": 1, "runAsGroup": 2}), json!(null), json!(1), json!(2)),
        (json!({"runAsUser": 1, "runAsGroup": 2}), json!({"runAsUser": 3}), json!(3), json!(2)),
        (json!({"runAsUser": 1}), json!({"runAsGroup": 4}), json!(1), json!(4)),
        (json!({"runAsUser": 0}), json!({"runAsUser": 5, "runAsGroup": 0}), json!(5), json!(0)),
        (
            json!({"runAsUser": 6, "fsGroup": 7, "runAsNonRoot": true}),
            json!({}),
            json!(6),
            json!(null),
        ),
    ];
    for (of_pod, own, user, group) in cases {
        let mut pod = pod();
        pod["spec"]["securityContext"] = of_pod.clone();
        pod["spec"]["containers"][0]["securityContext"] = own;
        let after = injected(&pod);
        assert_eq!(after["spec"]["securityContext"], of_pod, "the pod's own stays");
        for container in after["spec"]["initContainers"].as_array().unwrap() {
            let context = &container["securityContext"];
            assert_eq!((&context["runAsUser"], &context["runAsGroup"]), (&user, &group));
            assert_eq!(context["runAsNonRoot"], true);
        }
    }
    let root = config_with("");
    let mut pod = pod();
    pod["spec"]["containers"][0]["securityContext"] = json!({"runAsUser": 0});
    let verdict = webhook::admission::judge(&pod, "tenant", &root);
    assert_eq!(verdict.codes(), ["root-runtime"]);
}
