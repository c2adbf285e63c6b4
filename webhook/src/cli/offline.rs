//! Commands that change or check what they are given.

use edge::program::Failure;

use super::{
    Ended,
    input::{ConfigArgs, InputArgs, print, standard_input_bytes},
};
use crate::{
    admission::judge,
    config::Config,
    manifest::{Manifest, Pod},
    review,
    uninject::uninject as uninject_pod,
};

/// All or nothing: one denied pod, and nothing is printed but the reasons.
pub(super) fn inject(config: &ConfigArgs, input: &InputArgs) -> Ended {
    let config = config.load()?;
    let mut manifests = input.manifests()?;
    let mut denied = Vec::new();
    for (file, manifest) in &mut manifests {
        for pod in manifest.pods() {
            let place = format!("{file}: {} {}", pod.kind, pod.name);
            if let Err(message) = inject_pod(pod, &place, &input.namespace, &config) {
                denied.push(format!("{place}: {message}"));
            }
        }
    }
    if denied.is_empty() {
        print_all(&manifests)
    } else {
        Err(Failure::runtime(denied.join("\n       ")))
    }
}

fn inject_pod(pod: Pod<'_>, place: &str, namespace: &str, config: &Config) -> Result<(), String> {
    let namespace = pod.namespace.as_deref().unwrap_or(namespace);
    let verdict = judge(pod.pod, namespace, config);
    if !verdict.is_allowed() {
        return Err(verdict.message());
    }
    for warning in &verdict.warnings {
        eprintln!("warning: {place}: {warning}");
    }
    json_patch::patch(pod.pod, &verdict.operations).map_err(|error| error.to_string())
}

pub(super) fn uninject(input: &InputArgs) -> Ended {
    let mut manifests = input.manifests()?;
    for (_, manifest) in &mut manifests {
        for pod in manifest.pods() {
            uninject_pod(pod.pod);
        }
    }
    print_all(&manifests)
}

fn print_all(manifests: &[(String, Manifest)]) -> Ended {
    let texts: Vec<String> = manifests.iter().map(|(_, manifest)| manifest.to_string()).collect();
    print(&texts.join("---\n"))
}

/// Exit 0 however the review is decided: the decision is in the answer.
pub(super) fn review(config: &ConfigArgs) -> Ended {
    let config = config.load()?;
    let answer = review::answer(&standard_input_bytes()?, &config).map_err(Failure::runtime)?;
    let review = serde_json::to_string_pretty(&answer.review).map_err(Failure::runtime)?;
    print(&format!("{review}\n"))
}

pub(super) fn check_config(args: &ConfigArgs) -> Ended {
    let config = args.load()?;
    print(&format!("{}: good, hash {}\n", args.config.display(), config.hash))
}
