//! The corpus: pods and workloads as people, other webhooks and attackers make them, each held to
//! every law. `tests/corpus/explained.txt` says what becomes of each, in the program's own words;
//! `UPDATE_GOLDEN=1` rewrites it and the seeds of the fuzz target.

use std::{
    collections::BTreeSet,
    path::{Path, PathBuf},
    process::Command,
};

use serde_json::{Value, json};
use webhook::{manifest::Manifest, uninject::uninject};

use crate::{
    common::{config, judged, patched},
    laws,
};

fn folder(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(path)
}

/// Name and text of every file, in order.
fn files() -> Vec<(String, String)> {
    let entries = std::fs::read_dir(folder("tests/corpus")).unwrap();
    let names: BTreeSet<String> =
        entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    let manifests = names.into_iter().filter(|name| !name.ends_with(".txt"));
    manifests
        .map(|name| {
            let text = std::fs::read_to_string(folder("tests/corpus").join(&name)).unwrap();
            (name, text)
        })
        .collect()
}

/// Every pod and template in the corpus, with the name of its file.
pub(crate) fn pods() -> Vec<(String, Value)> {
    let of = |(name, text): (String, String)| {
        let mut manifest = Manifest::parse(&text).unwrap();
        let pods: Vec<Value> = manifest.pods().into_iter().map(|pod| pod.pod.take()).collect();
        pods.into_iter().map(move |pod| (name.clone(), pod))
    };
    files().into_iter().flat_map(of).collect()
}

/// The file holds what was found, or is made to.
fn golden(file: &Path, found: &str) {
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        std::fs::create_dir_all(file.parent().unwrap()).unwrap();
        std::fs::write(file, found).unwrap();
    }
    let expected = std::fs::read_to_string(file).unwrap_or_default();
    let differs = found.lines().zip(expected.lines()).find(|(found, expected)| found != expected);
    assert!(
        found == expected,
        "{}: UPDATE_GOLDEN=1 accepts what is found; first: {differs:?}",
        file.display()
    );
}

#[test]
fn what_becomes_of_each_is_known() {
    let mut explained = String::new();
    for (name, _) in files() {
        let output = Command::new(env!("CARGO_BIN_EXE_webhook"))
            .args(["explain", "-n", "tenant", "-f", &name, "--config", "../webhook.yaml"])
            .current_dir(folder("tests/corpus"))
            .output()
            .unwrap();
        assert!(output.status.success(), "{name}: {}", String::from_utf8_lossy(&output.stderr));
        explained += &format!("# {name}\n{}\n", String::from_utf8(output.stdout).unwrap());
    }
    golden(&folder("tests/corpus/explained.txt"), &explained);
}

#[test]
fn every_law_holds_for_every_pod() {
    let pods = pods();
    assert!(pods.len() >= 60, "{}", pods.len());
    for (_, pod) in &pods {
        laws::review(laws::create(pod).to_string().as_bytes(), config());
    }
}

#[test]
fn an_unknown_field_survives_at_every_level() {
    let mut places = 0;
    for (name, pod) in pods().iter().filter(|(_, pod)| judged(pod).is_allowed()) {
        for place in objects(pod, String::new()) {
            let mut pod = pod.clone();
            let object = pod.pointer_mut(&place).and_then(Value::as_object_mut).unwrap();
            // Labels and annotations are maps of strings, so only there a string.
            let text = place == "/metadata/labels" || place == "/metadata/annotations";
            let value = if text { json!("kept") } else { json!({"deep~/": [1, null]}) };
            object.insert("Un~known/".to_owned(), value);
            let verdict = judged(&pod);
            assert!(verdict.is_allowed(), "{name} {place}: {}", verdict.message());
            laws::review(laws::create(&pod).to_string().as_bytes(), config());
            places += 1;
        }
    }
    assert!(places > 400, "{places}");
}

/// JSON pointers of every object in `value`, itself included.
fn objects(value: &Value, place: String) -> Vec<String> {
    match value {
        Value::Object(map) => {
            let inner = map.iter().flat_map(|(key, value)| {
                let key = key.replace('~', "~0").replace('/', "~1");
                objects(value, format!("{place}/{key}"))
            });
            std::iter::once(place.clone()).chain(inner).collect()
        }
        Value::Array(list) => {
            let of = |(index, value)| objects(value, format!("{place}/{index}"));
            list.iter().enumerate().flat_map(of).collect()
        }
        _ => Vec::new(),
    }
}

#[test]
fn without_the_label_nothing_is_touched() {
    for (_, mut pod) in pods() {
        if let Some(labels) = pod.pointer_mut("/metadata/labels").and_then(Value::as_object_mut) {
            labels.remove(contract::label::USER);
        }
        let verdict = judged(&pod);
        assert!(verdict.is_allowed() && verdict.operations.is_empty());
        assert_eq!(patched(&pod, &verdict), pod);
    }
}

/// `uninject(inject(x)) == x`, through every kind of workload, and through text in both formats.
#[test]
fn the_way_back_leads_to_the_same_documents() {
    let mut kinds = BTreeSet::new();
    for (name, text) in files() {
        let mut manifest = Manifest::parse(&text).unwrap();
        let before = manifest.documents.clone();
        let mut there = false;
        for pod in manifest.pods() {
            let verdict = judged(pod.pod);
            there |= !verdict.operations.is_empty();
            json_patch::patch(pod.pod, &verdict.operations).unwrap();
        }
        let injected = manifest.to_string();
        let mut back = Manifest::parse(&injected).unwrap();
        for pod in back.pods() {
            uninject(pod.pod);
        }
        if there && !HAD_OURS.contains(&name.as_str()) {
            assert_eq!((&back.documents, back.format), (&before, manifest.format), "{name}");
            kinds.extend(back.pods().into_iter().map(|pod| pod.kind));
        }
    }
    let all = [
        "CronJob",
        "DaemonSet",
        "Deployment",
        "Job",
        "Pod",
        "PodTemplate",
        "ReplicaSet",
        "ReplicationController",
        "StatefulSet",
    ];
    assert!(kinds.iter().eq(all), "{kinds:?}");
}

/// Files that hold parts of ours, or collections that are empty or null: what comes back is without.
const HAD_OURS: [&str; 13] = [
    "duplicated.yaml",
    "empty-parents.yaml",
    "forged-env.yaml",
    "forged-sidecar.yaml",
    "forged-status.yaml",
    "forged-volume.yaml",
    "keyed-second.yaml",
    "late-init.yaml",
    "null-handlers.yaml",
    "null-parents.yaml",
    "partial.yaml",
    "stale.yaml",
    "wrong-order.yaml",
];

/// The fuzz target begins with the corpus: each pod as the API server would send it.
#[test]
fn the_seeds_of_the_fuzz_target_are_the_corpus() {
    let mut count = std::collections::BTreeMap::<String, usize>::new();
    for (name, pod) in pods() {
        let count = count.entry(name.clone()).or_default();
        *count += 1;
        let file = folder("fuzz/seeds/review").join(format!("{name}-{count}.json"));
        golden(&file, &laws::create(&pod).to_string());
    }
}
