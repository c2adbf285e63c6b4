//! What holds for every pod, over generated ones: nothing of the author's is lost, only documented
//! paths change, a second pass is empty, and the way back leads to the beginning.

use proptest::prelude::*;
use serde_json::{Map, Value, json};
use webhook::{admission::judge, uninject::uninject};

use crate::{
    common::{LABEL, USER, config, injected, judged, names, patched},
    laws,
};

/// JSON of any shape, for fields that no type knows.
fn anything() -> impl Strategy<Value = Value> {
    let scalar = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i32>().prop_map(Value::from),
        "[a-z~/ ]{0,6}".prop_map(Value::from),
    ];
    scalar.prop_recursive(3, 12, 3, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..3).prop_map(Value::from),
            unknown_fields(inner).prop_map(Value::Object),
        ]
    })
}

fn unknown_fields(
    value: impl Strategy<Value = Value>,
) -> impl Strategy<Value = Map<String, Value>> {
    // A capital letter begins no field of a pod.
    prop::collection::vec(("[A-Z][a-z~/]{0,5}", value), 0..3)
        .prop_map(|fields| fields.into_iter().collect())
}

fn object(fields: Value, more: Map<String, Value>) -> Value {
    let Value::Object(mut fields) = fields else { unreachable!("called with objects") };
    fields.extend(more);
    Value::Object(fields)
}

fn env() -> impl Strategy<Value = Vec<Value>> {
    let name = prop_oneof![
        4 => "[A-Z]{1,5}",
        1 => Just("NEWAPI_KEY".to_owned()),
        1 => Just("NEWAPI_BASE_URL".to_owned()),
        1 => Just("OPENCLAW_GATEWAY_TOKEN".to_owned()),
    ];
    let entry = (name, "[a-z$()]{0,6}", unknown_fields(anything()));
    let entry =
        entry.prop_map(|(name, value, more)| object(json!({"name": name, "value": value}), more));
    prop::collection::vec(entry, 1..6)
}

fn probe() -> impl Strategy<Value = Value> {
    let handler = prop_oneof![
        Just(json!({"httpGet": {"port": 18789, "path": "/healthz"}})),
        Just(
            json!({"httpGet": {"port": "gateway", "httpHeaders": [{"name": "A", "value": "$(B)"}]}})
        ),
        Just(json!({"tcpSocket": {"port": 18789}})),
        Just(json!({"httpGet": {"port": 80}})),
        Just(json!({"exec": {"command": ["true"]}})),
    ];
    (handler, unknown_fields(anything())).prop_map(|(handler, more)| object(handler, more))
}

fn container(name: String) -> impl Strategy<Value = Value> {
    let optional = |value: BoxedStrategy<Value>| prop::option::of(value);
    let parts = (
        optional(env().prop_map(Value::from).boxed()),
        prop::array::uniform3(optional(probe().boxed())),
        unknown_fields(anything()),
    );
    parts.prop_map(move |(env, [startup, readiness, liveness], more)| {
        let fields = json!({
            "name": name,
            "image": "image",
            "ports": [{"name": "gateway", "containerPort": 18789}],
            "volumeMounts": [{"name": "home", "mountPath": "/home/node/.openclaw", "Future": 1}],
        });
        let mut container = object(fields, more);
        let optional = [
            ("env", env),
            ("startupProbe", startup),
            ("readinessProbe", readiness),
            ("livenessProbe", liveness),
        ];
        for (key, value) in optional {
            if let Some(value) = value {
                container[key] = value;
            }
        }
        container
    })
}

fn init_containers(prefix: &'static str) -> impl Strategy<Value = Vec<Value>> {
    let one = (any::<bool>(), unknown_fields(anything())).prop_map(|(native, more)| {
        let fields = if native { json!({"restartPolicy": "Always"}) } else { json!({}) };
        object(fields, more)
    });
    prop::collection::vec(one, 0..4).prop_map(move |mut list| {
        for (index, container) in list.iter_mut().enumerate() {
            container["name"] = format!("{prefix}-{index}").into();
        }
        list
    })
}

fn pod() -> impl Strategy<Value = Value> {
    let containers = (1_usize..4).prop_flat_map(|count| {
        (0..count).map(|index| container(format!("c{index}"))).collect::<Vec<_>>()
    });
    let parts = (
        containers,
        init_containers("init"),
        prop::option::of("[a-z/~]{1,8}"),
        prop::option::of(any::<bool>()),
        [unknown_fields(anything()), unknown_fields(anything()), unknown_fields(anything())],
        0..3_usize,
    );
    parts.prop_map(|(containers, init, annotation, automount, [top, meta, spec], runtime)| {
        let runtime = containers.get(runtime).unwrap_or(&containers[0])["name"].clone();
        let mut annotations = json!({"kubectl.kubernetes.io/default-container": runtime});
        if let Some(key) = annotation {
            annotations[key] = "kept".into();
        }
        let metadata = json!({"labels": {LABEL: USER}, "annotations": annotations});
        let mut fields = json!({
            "containers": containers,
            "securityContext": {"runAsUser": 1000},
            "volumes": [{"name": "home", "Future": {}}],
        });
        if !init.is_empty() {
            fields["initContainers"] = init.into();
        }
        if let Some(automount) = automount {
            fields["automountServiceAccountToken"] = automount.into();
        }
        let pod = json!({"metadata": object(metadata, meta), "spec": object(fields, spec)});
        object(pod, top)
    })
}

/// Whether an injection may change what is at `path`.
fn is_documented(path: &str) -> bool {
    let tokens: Vec<&str> = path.split('/').skip(1).collect();
    matches!(
        tokens.as_slice(),
        ["metadata", "annotations"]
            | ["metadata", "annotations", "openclaw.catalyst.openova.io~1injected"]
            | ["metadata", "annotations", "openclaw.catalyst.openova.io~1original"]
            | ["spec", "volumes" | "initContainers"]
            | ["spec", "volumes" | "initContainers", _]
            | ["spec", "volumes" | "initContainers" | "containers", _, "name"]
            | ["spec", "containers", _, "env"]
            | ["spec", "containers", _, "env", _]
            | [
                "spec",
                "containers",
                _,
                "startupProbe" | "readinessProbe" | "livenessProbe",
                "httpGet" | "tcpSocket",
            ]
    )
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_second_pass_is_empty(pod in pod()) {
        let after = injected(&pod);
        let again = judged(&after);
        prop_assert!(again.operations.is_empty(), "{:?}", again.operations);
        prop_assert!(again.warnings.iter().all(|warning| !warning.contains("replaced")));
    }

    #[test]
    fn every_law_holds(pod in pod()) {
        laws::review(laws::create(&pod).to_string().as_bytes(), config());
    }

    #[test]
    fn the_way_back_leads_to_the_beginning(pod in pod()) {
        let mut after = injected(&pod);
        uninject(&mut after);
        prop_assert_eq!(after, pod);
    }

    #[test]
    fn only_documented_paths_change_and_equal_input_gives_equal_bytes(pod in pod()) {
        let verdict = judged(&pod);
        for operation in &verdict.operations {
            prop_assert!(is_documented(operation.path().as_str()), "{operation}");
        }
        let bytes = |verdict: &webhook::admission::Verdict| serde_json::to_vec(&verdict.operations).unwrap();
        prop_assert_eq!(bytes(&verdict), bytes(&judged(&pod)));
    }

    #[test]
    fn an_unlabeled_pod_is_never_changed(mut pod in pod()) {
        pod["metadata"]["labels"] = json!({"other": "x"});
        prop_assert!(judged(&pod).operations.is_empty());
    }

    #[test]
    fn another_webhook_before_and_after_ours_composes(pod in pod(), later in init_containers("late")) {
        let mut between = injected(&pod);
        between["spec"]["initContainers"].as_array_mut().unwrap().extend(later);
        let after = injected(&between);
        prop_assert!(judged(&after).operations.is_empty());

        let foreign = |pod: &Value| -> Vec<String> {
            let names = names(pod, "/spec/initContainers").into_iter();
            names.filter(|name| !name.starts_with("openclaw-")).map(str::to_owned).collect()
        };
        prop_assert_eq!(foreign(&after), foreign(&between));
        let list = after["spec"]["initContainers"].as_array().unwrap();
        let sync = list.iter().position(|c| c["name"] == "openclaw-token-sync").unwrap();
        let auth = list.iter().position(|c| c["name"] == "openclaw-auth").unwrap();
        let plain = list.iter().rposition(|c| c["restartPolicy"] != "Always").unwrap();
        prop_assert_eq!(plain, sync);
        prop_assert!(auth > sync);
    }

    #[test]
    fn no_pod_whatever_makes_it_fail(mut pod in pod(), place in 0..6_usize, odd in anything()) {
        let places = [
            "/metadata/labels", "/metadata/annotations", "/spec/containers/0/env",
            "/spec/containers/0", "/spec/initContainers", "/spec/volumes",
        ];
        crate::common::set(&mut pod, places[place], odd);
        let verdict = judge(&pod, "tenant", config());
        if verdict.is_allowed() {
            patched(&pod, &verdict);
        }
    }
}
